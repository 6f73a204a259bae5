"""Is a difference between methods more than the noise between seeds?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from crossdistill.extras import needed_for

Values = Sequence[float] | npt.NDArray[np.floating]


def mean_ci(values: Values, confidence: float = 0.95) -> tuple[float, float]:
    """Mean of independent runs and the half width of its Student-t confidence interval.

    Use it to report a method's scores over seeds, in the scores' unit. One value says nothing about the spread: its
    half width is NaN. NaN among the values makes both NaN.

    Args:
        values: one for each run
        confidence: inside (0, 1)

    Raises:
        ValueError: no values, or a confidence outside (0, 1).

    >>> from crossdistill.evaluation import mean_ci
    >>> mean, half_width = mean_ci([0.70, 0.72, 0.74])
    >>> round(mean, 3), round(half_width, 3)
    (0.72, 0.05)
    """
    sample = _vector(values, "values")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be inside (0, 1), found {confidence}")
    mean = float(sample.mean())
    if len(sample) == 1:
        return mean, math.nan
    with needed_for("this statistic"):
        from scipy import special  # where a test is asked for: what predicts needs no scipy

    quantile = float(special.stdtrit(len(sample) - 1, (1 + confidence) / 2))
    return mean, quantile * float(sample.std(ddof=1)) / math.sqrt(len(sample))


def wilson_interval(right: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share: `right` of so many samples, which are taken as independent.

    Use it for the accuracy of a single run, which has no spread over seeds: it says how far so many test samples leave
    the accuracy open, and nothing about other seeds. Unlike the normal approximation it stays inside [0, 1] and has a
    width at 0 and 1 (Wilson 1927; Brown, Cai and DasGupta 2001).

    Args:
        right: how many of the samples count, in [0, samples]
        samples: how many there are
        confidence: inside (0, 1)

    Returns:
        The lower and the upper end, in [0, 1].

    Raises:
        ValueError: no sample, `right` outside [0, samples], or a confidence outside (0, 1).

    >>> from crossdistill.evaluation import wilson_interval
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if not 0 <= right <= samples or samples < 1:
        raise ValueError(f"expected 0 to {samples} right of at least one sample, found {right}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be inside (0, 1), found {confidence}")
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), right / samples
    middle = share + z**2 / (2 * samples)
    half = z * math.sqrt(share * (1 - share) / samples + (z / (2 * samples)) ** 2)
    low, high = ((middle + sign * half) / (1 + z**2 / samples) for sign in (-1, 1))
    return low if right else 0.0, high if right < samples else 1.0  # which they are, up to rounding


def paired_test(a: Values, b: Values) -> float:
    """Two-sided p-value of Student's paired t-test of two methods' scores.

    Use it for one comparison, and `holm` on the p-values of several.

    Paired because the runs of one seed share their split and initialisation; the t-test because with the usual
    three to ten seeds a rank test cannot get below p = 2 / 2^n. It takes the differences as normal.
    Differences that are all the same say nothing of their spread, without which there is no t: a sample more in each of
    three runs is no proof. There the sign test's 2 / 2^n is given, and 1 where all are 0 (both up to rounding). Fewer
    than two pairs or a NaN give NaN.

    Args:
        a: a method's scores
        b: another's, b[i] with the seed of a[i]

    Raises:
        ValueError: no vectors of the same length, at least 1.

    >>> from crossdistill.evaluation import paired_test
    >>> round(paired_test([0.75, 0.77, 0.81, 0.78], [0.70, 0.73, 0.75, 0.74]), 4)  # always better, by much the same
    0.0022
    >>> paired_test([0.7, 0.8, 0.9], [0.6, 0.7, 0.8]), paired_test([0.7, 0.8], [0.7, 0.8])
    (0.25, 1.0)
    """
    first, second = _vector(a, "a"), _vector(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"expected as many values in a as in b, found {len(first)} and {len(second)}")
    difference = first - second
    if len(difference) < 2 or np.isnan(difference).any():
        return math.nan
    if np.abs(difference).max() <= _rounding(first, second):
        return 1.0
    if differ_alike(first, second):
        return float(2.0 ** (1 - len(difference)))
    t = difference.mean() / (difference.std(ddof=1) / math.sqrt(len(difference)))
    with needed_for("this statistic"):
        from scipy import special

    return float(2 * special.stdtr(len(difference) - 1, -abs(t)))


def least_significant(pairs: int, level: float = 0.05) -> float:
    """The least mean difference that `paired_test` finds significant, in standard deviations of the differences.

    Use it for what a comparison could have shown, where it shows nothing.

    Args:
        pairs: how many, at least two
        level: of significance, inside (0, 1); divided by the number of tests, that of Holm's first step

    Raises:
        ValueError: fewer than two pairs, or a level outside (0, 1).

    >>> from crossdistill.evaluation import least_significant
    >>> round(least_significant(5), 2), round(least_significant(10), 2), round(least_significant(5, 0.05 / 1000), 1)
    (1.24, 0.72, 8.3)
    """
    if pairs < 2 or not 0 < level < 1:
        raise ValueError(f"expected at least two pairs and a level inside (0, 1), found {pairs} and {level}")
    with needed_for("this statistic"):
        from scipy import special

    return float(special.stdtrit(pairs - 1, 1 - level / 2)) / math.sqrt(pairs)


def differ_alike(a: Values, b: Values) -> bool:
    """Whether all pairs of two methods' scores, two pairs or more, differ by the same, up to rounding."""
    first, second = _vector(a, "a"), _vector(b, "b")
    return len(first) > 1 and bool(np.ptp(first - second) <= _rounding(first, second))


def _rounding(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """What two differences of such scores may be apart where they are the same."""
    return float(8 * np.finfo(np.float64).eps * max(np.abs(first).max(), np.abs(second).max()))


def signed_rank_test(differences: Values) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that differences are symmetric about 0.

    Use it for two methods over data sets, whose differences are no sample of one normal distribution. It is exact where
    no two are of one size, and fewer than six cannot get below 0.05.

    Args:
        differences: at least one; those of 0 do not count (without any other, 1), NaN gives NaN

    Raises:
        ValueError: no vector of at least one value.

    >>> from crossdistill.evaluation import signed_rank_test
    >>> signed_rank_test([0.11, 0.12, 0.07, 0.17, 0.05, 0.02])  # all of six: 2 / 2^6
    0.03125
    """
    sample = _vector(differences, "differences")
    if np.isnan(sample).any():
        return math.nan
    if not sample.any():
        return 1.0
    with needed_for("this statistic"):
        from scipy.stats import wilcoxon  # a second, and few commands need it

    return float(wilcoxon(sample, method="exact").pvalue)


def holm(p_values: Values) -> npt.NDArray[np.float64]:
    """p-values adjusted for testing all of them at once (Holm 1979), in the order given.

    Use it wherever one table tests more than one pair of methods.

    Args:
        p_values: in [0, 1]; NaN (no test was possible) stays NaN and does not count as a test

    Raises:
        ValueError: values outside [0, 1].

    >>> from crossdistill.evaluation import holm
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()  # 3 x 0.01, then 2 x 0.03, and never below the one before
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(given))
    if given.ndim != 1 or ((given[tested] < 0) | (given[tested] > 1)).any():
        raise ValueError("expected a vector of p-values in [0, 1]")
    order = tested[np.argsort(given[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full_like(given, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return adjusted


def gap_recovered(student: float, baseline: float, teacher: float) -> float:
    """(student - baseline) / (teacher alone - baseline), all three in the same unit.

    Use it to compare distillation across data sets whose teachers are ahead by different amounts.

    Args:
        student: the distilled student's score
        baseline: that of a student trained alone
        teacher: that of a teacher trained alone

    Returns:
        1 means that the student needs the auxiliary modalities no more; below 0, that distillation did harm; NaN when
        the teacher is not above the baseline: then there is no gap to recover. NaN also of a baseline below 0, where R²
        may be, which has no lower end: from there a gap has any length, and a share of it says nothing.

    >>> from crossdistill.evaluation import gap_recovered
    >>> round(gap_recovered(student=0.75, baseline=0.70, teacher=0.90), 3)
    0.25
    >>> gap_recovered(student=0.75, baseline=0.70, teacher=0.70)  # no gap
    nan
    """
    gap = teacher - baseline
    return (student - baseline) / gap if gap > 0 and baseline >= 0 else math.nan


def _vector(values: Values, name: str) -> npt.NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or not len(vector):
        raise ValueError(f"{name} must be a vector of at least one value, found shape {vector.shape}")
    return vector
