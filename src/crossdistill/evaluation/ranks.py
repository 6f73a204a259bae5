"""Many methods on many data sets: average ranks, Friedman's test and Nemenyi's critical difference (Demšar 2006)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdistill.extras import needed_for

_DECIMALS = 10
Scores = Sequence[Sequence[float]] | npt.NDArray[np.floating]


@dataclass(frozen=True)
class Ranking:
    """How k methods stand over N data sets, and how far apart two of them must be.

    Attributes:
        average: of each method's ranks, 1 for the best, in the order given
        data_sets: N
        chi_square: Friedman's statistic
        p: that all methods are equal, by Iman and Davenport's F with k - 1 and (k - 1)(N - 1) degrees of freedom; where
            every data set ranks the methods alike the exact 1 / (k!)^(N - 1)
        critical_difference: two average ranks further apart than this differ significantly (Nemenyi)

    >>> from crossdistill.evaluation import ranking
    >>> found = ranking([[0.7, 0.8], [0.5, 0.9], [0.6, 0.7]])
    >>> found.average, found.data_sets, round(found.p, 3)
    ((2.0, 1.0), 3, 0.25)
    """

    average: tuple[float, ...]
    data_sets: int
    chi_square: float
    p: float
    critical_difference: float


def ranking(scores: Scores, level: float = 0.05) -> Ranking:
    """Rank methods on every data set by their scores, higher being better, and test whether they differ.

    Use it to say which of several methods is best over several data sets, where accuracies cannot be averaged.
    Friedman's statistic is Demšar's, without a correction for ties, which makes p rather too large than too small. For
    one data set p is NaN.

    Args:
        scores: (N, k), row = data set; scores that are equal to ten decimals share their mean rank, as sums of the same
            numbers in another order are
        level: of significance, of the critical difference

    Raises:
        ValueError: no data set, fewer than two methods, or a score that is not finite.

    >>> from crossdistill.evaluation import ranking
    >>> found = ranking([[0.7, 0.8, 0.6], [0.5, 0.9, 0.4], [0.6, 0.6, 0.2]])
    >>> [round(rank, 2) for rank in found.average], round(found.critical_difference, 2)
    ([1.83, 1.17, 3.0], 1.91)
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected finite scores (data sets, at least two methods), found shape {values.shape}")
    data_sets, methods = values.shape
    average = np.stack([_ranks(row) for row in values.round(_DECIMALS)]).mean(axis=0)
    centred = float(np.square(average).sum()) - methods * (methods + 1) ** 2 / 4
    chi_square = max(0.0, 12 * data_sets / (methods * (methods + 1)) * centred)
    return Ranking(
        tuple(average.tolist()),
        data_sets,
        chi_square,
        _iman_davenport(chi_square, data_sets, methods),
        critical_difference(methods, data_sets, level),
    )


def critical_difference(methods: int, data_sets: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks: q_level √(k (k + 1) / (6 N)), q of the studentised range over √2.

    Use it where the ranks are known already; `ranking` computes both.

    Args:
        methods: k
        data_sets: N
        level: of significance

    >>> from crossdistill.evaluation import critical_difference
    >>> round(critical_difference(methods=4, data_sets=14), 2)
    1.25
    """
    with needed_for("this statistic"):
        from scipy.stats import studentized_range  # a second, and few commands need it

    q = float(studentized_range.ppf(1 - level, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * data_sets))


def not_separated(average: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """The largest groups of methods, two or more, whose average ranks lie within the critical difference.

    What a bar of a critical-difference figure joins.

    Args:
        average: ranks, one for each method
        difference: the critical one

    Returns:
        For each group the places of its methods in `average`, best first.

    >>> from crossdistill.evaluation import not_separated
    >>> not_separated([3.1, 1.0, 2.0], difference=1.1)
    [(1, 2), (2, 0)]
    """
    order = sorted(range(len(average)), key=lambda place: (average[place], place))
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = max(i for i in range(start, len(order)) if average[order[i]] - average[order[start]] <= difference)
        if end > start and end > reached:
            groups.append(tuple(order[start : end + 1]))
            reached = end
    return groups


def _ranks(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 for the highest; those that are equal share the mean of their places."""
    higher = (scores[None, :] > scores[:, None]).sum(axis=1)
    equal = (scores[None, :] == scores[:, None]).sum(axis=1)
    ranks: npt.NDArray[np.float64] = higher + (equal + 1) / 2
    return ranks


def _iman_davenport(chi_square: float, data_sets: int, methods: int) -> float:
    if data_sets < 2:
        return math.nan
    rest = data_sets * (methods - 1) - chi_square
    if rest <= 1e-9:  # every data set ranks the methods alike, which F cannot tell from certain
        return math.exp(-(data_sets - 1) * math.lgamma(methods + 1))
    with needed_for("this statistic"):
        from scipy import special

    f = (data_sets - 1) * chi_square / rest
    return float(special.fdtrc(methods - 1, (methods - 1) * (data_sets - 1), f))
