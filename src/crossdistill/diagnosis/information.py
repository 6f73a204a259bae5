"""Mutual information from samples, in nats: by nearest neighbours, and as a bound that a classifier gives."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

NEIGHBOURS = 3
"""k of both nearest-neighbour estimates, as in Kraskov et al.'s and Ross's examples."""

MOST = 4000
"""Samples that an estimate takes, at most; of more, so many are drawn."""


def neighbour_information(x: Vectors, y: Vectors, neighbours: int = NEIGHBOURS) -> float:
    """I(x; y) of N pairs of vectors in nats (Kraskov, Stoegbauer, Grassberger 2004, Eq. 8).

    Each coordinate is brought to standard units and jittered by 1e-10 of that, so that repeated values have
    neighbours too. The truth can't be below 0, so an estimate below is 0; with many dimensions and few samples it is
    too low.

    Args:
        x: (N, D)
        y: (N, E)
        neighbours: k

    Raises:
        ValueError: not more samples than neighbours, or not as many of both.

    >>> import numpy as np
    >>> from crossdistill.diagnosis import neighbour_information
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2000, 1))
    >>> neighbour_information(x, 0.8 * x + 0.6 * noise)  # -log(1 - 0.8^2) / 2 = 0.51
    0.5...
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    _require(x, y, neighbours)
    x, y = _standard(x, 0), _standard(y, 1)
    both = np.concatenate([x, y], axis=1)
    distance = cKDTree(both).query(both, neighbours + 1, p=math.inf)[0][:, -1]
    counts = [_within(points, distance) for points in (x, y)]
    mean = np.mean(digamma(counts[0] + 1) + digamma(counts[1] + 1))
    return max(0.0, float(digamma(neighbours) + digamma(len(x)) - mean))


def neighbour_information_of_classes(x: Vectors, labels: Labels, neighbours: int = NEIGHBOURS) -> float:
    """I(x; label) of N vectors and their classes in nats (Ross 2014, Eq. 6).

    Samples that are alone in their class are left out; of a class with fewer than k others all are neighbours. An
    estimate below 0 is 0.

    Args:
        x: (N, D)
        labels: (N,) classes
        neighbours: k

    Raises:
        ValueError: fewer than two samples are left, or not as many labels as vectors.

    >>> import numpy as np
    >>> from crossdistill.diagnosis import neighbour_information_of_classes
    >>> labels = np.arange(2000) % 2
    >>> x = 10.0 * labels[:, None] + np.random.default_rng(0).normal(size=(2000, 1))
    >>> round(neighbour_information_of_classes(x, labels), 1)  # log 2: x tells the class
    0.7
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    if len(x) != len(labels):
        raise ValueError(f"expected as many labels as vectors, found {len(labels)} and {len(x)}")
    classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = counts[numbers] > 1
    if kept.sum() < 2:
        raise ValueError("expected at least two samples of some class")
    x, numbers = _standard(x[kept], 0), numbers[kept]
    distance, ks, own = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))
    for number in range(len(classes)):
        rows = np.flatnonzero(numbers == number)
        if len(rows):
            k = min(neighbours, len(rows) - 1)
            distance[rows] = cKDTree(x[rows]).query(x[rows], k + 1, p=math.inf)[0][:, -1]
            ks[rows], own[rows] = k, len(rows)
    around = _within(x, distance) + 1  # the sample itself and those nearer than its k-th neighbour of its class
    terms = digamma(ks) - digamma(own) - digamma(around)
    return max(0.0, float(digamma(len(x)) + terms.mean()))


def classifier_information(x: Vectors, y: Vectors, seed: int = 0, folds: int = 5) -> float:
    """A lower bound of I(x; y) of N pairs of vectors in nats, from a classifier that tells pairs that belong together
    from pairs that do not (Donsker and Varadhan 1983; Belghazi et al. 2018).

    A logistic regression of all products of two coordinates, which for normal variables holds the true density ratio;
    the bound is taken on pairs that it was not fitted to. 0 where the bound says nothing.

    Args:
        x: (N, D)
        y: (N, E)
        seed: of folds, and of which pairs do not belong together
        folds: of the cross-validation

    Raises:
        ValueError: fewer samples than folds, or not as many of both.

    >>> import numpy as np
    >>> from crossdistill.diagnosis import classifier_information
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2000, 1))
    >>> classifier_information(x, 0.8 * x + 0.6 * noise)  # -log(1 - 0.8^2) / 2 = 0.51
    0.5...
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    _require(x, y, folds)
    x, y = _standard(x, 0), _standard(y, 1)
    random, bounds = np.random.default_rng(seed), []
    for fitted, held_out in KFold(folds, shuffle=True, random_state=seed).split(x):
        together = np.concatenate([x[fitted], y[fitted]], axis=1)
        apart = np.concatenate([np.concatenate([x[fitted], y[order]], axis=1) for order in _shuffles(fitted, random)])
        weights = np.repeat([1.0, len(together) / len(apart)], [len(together), len(apart)])
        told = make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression(max_iter=500))
        classes = np.repeat([1, 0], [len(together), len(apart)])
        told.fit(np.concatenate([together, apart]), classes, logisticregression__sample_weight=weights)
        inside = told.decision_function(np.concatenate([x[held_out], y[held_out]], axis=1))
        others = [np.concatenate([x[held_out], y[order]], axis=1) for order in _shuffles(held_out, random)]
        outside = told.decision_function(np.concatenate(others))
        bounds.append(inside.mean() - (np.logaddexp.reduce(outside) - math.log(len(outside))))
    return max(0.0, float(np.mean(bounds)))


def classifier_information_of_classes(probabilities: Vectors, labels: Labels) -> float:
    """A lower bound of I(x; label) in nats from what a classifier of x says of samples that it was not fitted to: the
    labels' entropy less the cross-entropy (Barber and Agakov 2003).

    Probabilities are sharpened or softened to the power that suits best. 0 where the classifier does no better than the
    classes' shares.

    Args:
        probabilities: (N, C)
        labels: (N,) classes

    Raises:
        ValueError: no samples, or not as many of both.

    >>> import numpy as np
    >>> from crossdistill.diagnosis import classifier_information_of_classes
    >>> labels = np.arange(1000) % 2
    >>> round(classifier_information_of_classes(np.eye(2)[labels] * 0.98 + 0.01, labels), 2)  # log 2
    0.69
    """
    if len(probabilities) != len(labels) or not len(labels):
        raise ValueError(f"expected probabilities for each of {len(labels)} labels, found {len(probabilities)}")
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    shares = np.bincount(labels) / len(labels)
    entropy = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    logits = np.log(np.maximum(probabilities, 1e-6))

    def cross_entropy(power: float) -> float:
        told: Vectors = log_softmax(np.exp(power) * logits, axis=1)[np.arange(len(labels)), labels]
        return -float(told.mean())

    best = minimize_scalar(cross_entropy, bounds=(-4.0, 4.0), method="bounded")
    return min(entropy, max(0.0, entropy - float(best.fun)))


def drawn(count: int, seed: int) -> Labels:
    """Which of so many samples an estimate takes: all, or 4,000 of more."""
    if count <= MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 7]).permutation(count)[:MOST])


def _require(x: Vectors, y: Vectors, fewest: int) -> None:
    if len(x) != len(y) or len(x) <= fewest:
        raise ValueError(f"expected as many vectors of both, more than {fewest}, found {len(x)} and {len(y)}")


def _standard(values: Vectors, place: int) -> Vectors:
    """In standard units, with a jitter; constant coordinates are left out, but for one."""
    spread = values.std(axis=0)
    kept = spread > 0
    values = (values[:, kept] - values[:, kept].mean(0)) / spread[kept] if kept.any() else np.zeros((len(values), 1))
    jittered: Vectors = values + 1e-10 * np.random.default_rng([5, place]).normal(size=values.shape)
    return jittered


def _within(points: Vectors, distance: Vectors) -> Labels:
    """(N,) how many others are nearer to each point than this distance of its own."""
    from scipy.spatial import cKDTree

    found = cKDTree(points).query_ball_point(points, np.nextafter(distance, 0), p=math.inf, return_length=True)
    return np.asarray(found, dtype=np.int64) - 1


def _shuffles(rows: Labels, random: np.random.Generator, times: int = 4) -> list[Labels]:
    """The rows moved round, so that none keeps its place."""
    order = random.permutation(len(rows))
    places = np.argsort(order)
    turns = random.choice(np.arange(1, len(rows)), size=min(times, len(rows) - 1), replace=False)
    return [rows[order[(places + turn) % len(rows)]] for turn in turns]
