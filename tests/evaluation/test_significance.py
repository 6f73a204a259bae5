"""Statistics over seeds against textbook values, scipy and exhaustive definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossdistill.evaluation import (
    gap_recovered,
    holm,
    least_significant,
    mean_ci,
    paired_test,
    signed_rank_test,
    wilson_interval,
)


def test_mean_ci_with_the_printed_t_table() -> None:
    # mean 3, standard deviation sqrt(2.5), t(0.975, 4 degrees of freedom) = 2.776, t(0.95, 4) = 2.132
    mean, half = mean_ci([1, 2, 3, 4, 5])
    assert mean == 3
    assert half == pytest.approx(2.776 * math.sqrt(2.5 / 5), abs=1e-3)
    assert mean_ci([1, 2, 3, 4, 5], confidence=0.9)[1] == pytest.approx(2.132 * math.sqrt(2.5 / 5), abs=1e-3)


def test_mean_ci_covers_the_truth_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(5, 2, size=(2000, 4))
    covered = [abs(mean - 5) <= half for mean, half in map(mean_ci, samples)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_one_value_has_no_interval_and_equal_values_a_zero_one() -> None:
    mean, half = mean_ci([0.7])
    assert mean == 0.7
    assert math.isnan(half)
    assert mean_ci([0.5, 0.5, 0.5]) == (0.5, 0.0)
    assert all(map(math.isnan, mean_ci([0.5, math.nan])))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8))
def test_paired_test_agrees_with_scipy(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    if np.ptp(a - b) < 1e-3:  # where scipy warns of lost precision
        return
    assert paired_test(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=1e-12)
    assert paired_test(a, b) == pytest.approx(paired_test(b, a))


def test_paired_test_extremes() -> None:
    assert paired_test([0.1, 0.7, 0.9], [0.1, 0.7, 0.9]) == 1.0
    assert paired_test([0.1 + 0.2] * 3, [0.3] * 3) == 1.0  # identical up to rounding
    assert paired_test([0.7, 0.8, 0.9], [0.6, 0.7, 0.8]) == 0.25  # equal up to rounding: both signs of three, 2 / 2³
    assert paired_test([0.5] * 8, [0.6] * 8) == stats.binomtest(0, 8).pvalue
    assert math.isnan(paired_test([0.7], [0.6]))
    assert math.isnan(paired_test([0.7, math.nan], [0.6, 0.5]))


@given(st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True), st.data())
def test_the_signed_rank_test_counts_choices_of_signs(sizes: list[int], data: st.DataObject) -> None:
    """The share of all 2^n choices of signs whose sum of positive ranks is as far from the middle."""
    signs = data.draw(st.lists(st.sampled_from((-1, 1)), min_size=len(sizes), max_size=len(sizes)))
    ranks = stats.rankdata(sizes)
    middle = ranks.sum() / 2
    sums = [sum(itertools.compress(ranks, chosen)) for chosen in itertools.product((0, 1), repeat=len(ranks))]
    found = abs(sum(ranks[np.array(signs) > 0]) - middle)
    extreme = sum(abs(total - middle) >= found for total in sums)
    assert signed_rank_test(np.multiply(sizes, signs)) == pytest.approx(extreme / len(sums))


def test_signed_rank_extremes() -> None:
    assert signed_rank_test([0.0, 0.0]) == 1
    assert signed_rank_test([0.1] * 5) > 0.05
    assert math.isnan(signed_rank_test([0.1, math.nan]))
    with pytest.raises(ValueError, match="at least one value"):
        signed_rank_test([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_bonferroni_test(p_values: list[float]) -> None:
    """Adjusted p of one hypothesis = the largest Bonferroni p of any set of hypotheses that holds it."""
    count = len(p_values)
    sets = [s for size in range(1, count + 1) for s in itertools.combinations(range(count), size)]
    expected = [min(1, max(len(s) * min(p_values[j] for j in s) for s in sets if i in s)) for i in range(count)]
    np.testing.assert_allclose(holm(p_values), expected, atol=1e-15)


def test_holm_skips_missing_tests() -> None:
    np.testing.assert_allclose(holm([0.02, math.nan, 0.01]), [0.02, math.nan, 0.02])
    assert len(holm([])) == 0


def test_gap_recovered() -> None:
    # nothing recovered, all, half, harm
    assert gap_recovered(0.6, 0.6, 0.8) == 0
    assert gap_recovered(0.8, 0.6, 0.8) == pytest.approx(1)
    assert gap_recovered(70, 60, 80) == pytest.approx(0.5)
    assert gap_recovered(0.5, 0.6, 0.8) == pytest.approx(-0.5)
    for teacher in (0.6, 0.5, math.nan):
        assert math.isnan(gap_recovered(0.7, 0.6, teacher))
    assert gap_recovered(0.1, 0.0, 0.2) == pytest.approx(0.5)
    for baseline in (-1e-3, -2e8, math.nan):  # R² has no lower end
        for teacher in (-1e-4, 0.5):
            assert math.isnan(gap_recovered(0.3, baseline, teacher))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="values must be"):
        mean_ci([])
    with pytest.raises(ValueError, match="confidence"):
        mean_ci([1, 2], confidence=95)
    with pytest.raises(ValueError, match="as many values"):
        paired_test([1, 2], [1, 2, 3])
    for wrong in ([0.5, 1.5], [-0.1]):
        with pytest.raises(ValueError, match="p-values"):
            holm(wrong)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("right", "samples"), [(0, 1), (1, 1), (0, 30), (17, 30), (30, 30), (9123, 10000)])
def test_wilson_s_ends_are_shares_that_a_score_test_just_does_not_reject(
    right: int, samples: int, confidence: float
) -> None:
    """At an end p of the interval |right / n - p| is z standard errors sqrt(p (1 - p) / n), by which it is defined."""
    z = stats.norm.ppf((1 + confidence) / 2)
    low, high = wilson_interval(right, samples, confidence)
    assert 0 <= low <= right / samples <= high <= 1
    for end in (low, high):
        if 1e-12 < end < 1 - 1e-12:
            assert abs(right / samples - end) == pytest.approx(z * math.sqrt(end * (1 - end) / samples), rel=1e-9)


@pytest.mark.parametrize(("right", "samples"), [(-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses_what_is_no_share(right: int, samples: int) -> None:
    with pytest.raises(ValueError, match="right of at least one sample"):
        wilson_interval(right, samples)


@pytest.mark.parametrize("pairs", [2, 5, 30])
@pytest.mark.parametrize("level", [0.05, 0.05 / 1200])
def test_the_least_significant_mean_is_where_the_paired_test_reaches_the_level(pairs: int, level: float) -> None:
    spread = np.random.default_rng(pairs).normal(size=pairs)
    spread = (spread - spread.mean()) / spread.std(ddof=1)
    assert paired_test(spread + least_significant(pairs, level), np.zeros(pairs)) == pytest.approx(level)
    for wrong in ((1, 0.05), (5, 0.0), (5, 1.0)):
        with pytest.raises(ValueError, match="at least two pairs"):
            least_significant(*wrong)
