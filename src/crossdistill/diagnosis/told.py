"""How much what simple models say of target and auxiliary tells of each other, and of the label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossdistill.diagnosis.features import Features
from crossdistill.diagnosis.information import (
    Labels,
    classifier_information,
    classifier_information_of_classes,
    drawn,
    neighbour_information,
    neighbour_information_of_classes,
)
from crossdistill.diagnosis.rehearsal import Rehearsed
from crossdistill.types import TaskKind

DIMENSIONS = 3
"""Of what a simple model says of a sample, where nearest neighbours are looked for: in many more they find nothing."""

FEWEST = 20
"""Labelled samples, with fewer of which nothing is estimated between two models."""

MOST_OUTPUTS = 32
"""Labels, or numbers, that are estimated one by one; of more, so many are drawn."""

Estimates = tuple[float, float]
"""In nats, by neighbours and as a classifier's bound; NaN for what could not be estimated."""

NO_INFORMATION: Estimates = (math.nan, math.nan)


def information_of(rehearsed: Rehearsed, task: TaskKind, seed: int) -> tuple[Estimates, Estimates]:
    """I(A; S) and I(S; label) of what the auxiliary's and the target's simple models say of the labelled samples.

    Of classes, what is said is three principal components of all log-probabilities, and the label is one of C. Several
    labels, and numbers, are each taken by itself, label c with what is said of label c, and the estimates are their
    means, of more than 32 over as many that are drawn: of single variables they are good ones, and both sides of a
    comparison mean the same. Such a mean says nothing of what labels tell of each other.
    """
    rows = drawn(len(rehearsed.labels), seed)
    teacher, student = (rehearsed.told(name)[rows] for name in ("auxiliary", "target"))
    labels = rehearsed.labels[rows]
    if task == "classification":
        bound = classifier_information_of_classes(student, labels)
        if len(rows) < FEWEST:
            return NO_INFORMATION, (math.nan, bound)
        a, s = _components(teacher), _components(student)
        return _between(a, s, seed), (neighbour_information_of_classes(s, labels), bound)
    varying = np.flatnonzero(np.ptp(labels, axis=0) > 0)
    if len(rows) < FEWEST or not len(varying):
        return NO_INFORMATION, NO_INFORMATION
    made = []
    for place in np.random.default_rng([seed, 8]).permutation(varying)[:MOST_OUTPUTS]:
        a, s, y = (values[:, [place]] for values in (teacher, student, labels))
        made.append((_between(a, s, seed), _of_a_label(s, y[:, 0]) if task == "multilabel" else _between(s, y, seed)))
    between, of_labels = (_means(side) for side in zip(*made, strict=True))
    return between, of_labels


def _means(estimates: Sequence[Estimates]) -> Estimates:
    """Of those that there are."""
    neighbours, bounds = ([value for value in side if not math.isnan(value)] for side in zip(*estimates, strict=True))
    return (float(np.mean(neighbours)) if neighbours else math.nan, float(np.mean(bounds)) if bounds else math.nan)


def _between(x: Features, y: Features, seed: int) -> Estimates:
    return neighbour_information(x, y), classifier_information(x, y, seed)


def _of_a_label(told: Features, has: Features) -> Estimates:
    """Of one label's probability (N, 1) and which samples have the label (N,)."""
    present: Labels = (has > 0).astype(np.int64)
    chance = np.clip(told, 0, 1)
    bound = classifier_information_of_classes(np.concatenate([1 - chance, chance], axis=1), present)
    alone = min(np.bincount(present, minlength=2)) < 2  # in its class, it has no neighbour
    return math.nan if alone else neighbour_information_of_classes(told, present), bound


def _components(probabilities: Features) -> Features:
    """(N, at most 3) principal components of the centred logarithms of probabilities."""
    from sklearn.decomposition import PCA

    logits = np.log(np.maximum(probabilities, 1e-4))
    logits -= logits.mean(1, keepdims=True)
    kept = min(DIMENSIONS, probabilities.shape[1] - 1, len(logits))
    said: npt.NDArray[np.float64] = PCA(kept, svd_solver="full").fit_transform(logits)
    return said


def non_target_divergence(rehearsed: Rehearsed) -> float:
    """Mean Jensen-Shannon divergence, in nats within [0, log 2], of what auxiliary and target say of the classes other
    than a sample's own (Chen et al. 2024, arXiv 2409.02438); NaN of two classes, where there is but one other."""
    if rehearsed.simple.outputs < 3:
        return math.nan
    own = np.zeros_like(rehearsed.told("target"), dtype=np.bool_)
    own[np.arange(len(own)), rehearsed.labels] = True
    p, q = (_others(rehearsed.told(name), own) for name in ("auxiliary", "target"))
    middle = (p + q) / 2
    return float(np.mean(np.sum(p * np.log(p / middle) + q * np.log(q / middle), axis=1) / 2))


def _others(probabilities: Features, own: npt.NDArray[np.bool_]) -> Features:
    others = np.maximum(probabilities, 1e-6)[~own].reshape(len(own), -1)
    shares: Features = others / others.sum(1, keepdims=True)
    return shares
