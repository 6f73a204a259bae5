"""Ranks over data sets, against the worked example of Demšar (JMLR 7, 2006), scipy, and slow definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossdistill.evaluation import critical_difference, not_separated, ranking

DEMSAR = np.array([
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
])  # fmt: skip
"""The ranks printed in his Table 6: C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets."""


def test_demsar_s_worked_example() -> None:
    """Section 3.2.2: χ² = 9.28, F = 3.69 with (3, 39) degrees of freedom, Nemenyi's CD = 1.25 and, at 0.10, 1.12."""
    found = ranking(-DEMSAR)
    assert [round(rank, 3) for rank in found.average] == [3.143, 2.0, 2.893, 1.964]
    assert found.data_sets == 14
    assert round(found.chi_square, 2) == 9.28
    assert found.p == pytest.approx(stats.f.sf(3.69, 3, 39), abs=2e-4)
    assert round(found.critical_difference, 2) == 1.25
    assert round(ranking(-DEMSAR, level=0.1).critical_difference, 2) == 1.12


def test_his_table_of_critical_values() -> None:
    """Table 5(a), q_0.05 and q_0.10 for two to ten classifiers; q = CD where k (k + 1) = 6 N."""
    printed = {
        0.05: (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164),
        0.10: (1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920),
    }
    for level, values in printed.items():
        for methods, value in enumerate(values, 2):
            q = critical_difference(methods, 7, level) / math.sqrt(methods * (methods + 1) / 42)
            assert q == pytest.approx(value, abs=1e-3), (methods, level)


@given(st.lists(st.lists(st.floats(0, 1).map(lambda x: round(x, 1)), min_size=4, max_size=4), min_size=1, max_size=6))
def test_ranks_agree_with_scipy(rows: list[list[float]]) -> None:
    expected = np.mean([stats.rankdata([-value for value in row]) for row in rows], axis=0)
    np.testing.assert_allclose(ranking(rows).average, expected)


def test_friedman_agrees_with_scipy_where_nothing_is_tied() -> None:
    scores = np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5) / 3
    assert ranking(scores).chi_square == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)


def test_extremes() -> None:
    """All alike: no difference at all; always the same order: as likely as by chance; one data set: nothing to test."""
    alike = ranking([[0.5, 0.5, 0.5]] * 3)
    assert (alike.average, alike.chi_square, alike.p) == ((2, 2, 2), 0, 1)
    assert ranking([[3, 2, 1]] * 5).p == pytest.approx(1 / 6**4)
    assert math.isnan(ranking([[3, 2, 1]]).p)
    assert 0 <= ranking([list(range(23))] * 15).p <= 1e-300
    assert 0 <= ranking([list(range(171))] * 2).p <= 1e-300
    for wrong in ([], [[0.5]], [[0.5, math.nan]], [0.5, 0.6]):
        with pytest.raises(ValueError, match="expected finite scores"):
            ranking(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("data_sets", "methods"), [(2, 2), (2, 3), (3, 3), (4, 2)])
def test_orders_that_are_all_alike_have_their_exact_probability(data_sets: int, methods: int) -> None:
    """Of all orders that data sets may give, as many are as extreme; F, for which this is certain, had said 0."""
    orders = [
        ranking(orders).chi_square
        for orders in itertools.product(itertools.permutations(range(methods)), repeat=data_sets)
    ]
    alike = ranking([tuple(range(methods))] * data_sets)
    assert alike.p == pytest.approx(np.mean(np.array(orders) >= alike.chi_square - 1e-9))


@given(st.lists(st.floats(1, 9), min_size=1, max_size=6), st.floats(0.1, 5))
def test_groups_are_the_largest_sets_within_the_difference(average: list[float], difference: float) -> None:
    """From the definition: every set of two or more whose extremes are close enough, in no other such set."""
    places = range(len(average))
    close = [
        set(some)
        for size in range(2, len(average) + 1)
        for some in itertools.combinations(places, size)
        if max(average[i] for i in some) - min(average[i] for i in some) <= difference
    ]
    largest = {frozenset(some) for some in close if not any(some < other for other in close)}
    found = not_separated(average, difference)
    assert {frozenset(group) for group in found} == largest
    assert len(found) == len(largest)
    for group in found:
        assert [average[i] for i in group] == sorted(average[i] for i in group)


def test_demsar_s_groups() -> None:
    """With CD = 1.25 his figure would join the four: 3.143 - 1.964 = 1.18; at 0.10 the extremes are apart."""
    average = ranking(-DEMSAR).average
    assert [set(group) for group in not_separated(average, 1.25)] == [{0, 1, 2, 3}]
    assert [set(group) for group in not_separated(average, 1.12)] == [{1, 2, 3}, {0, 2}]


def test_sums_in_another_order_are_ties() -> None:
    """0.1 + 0.2 + 0.3 depends on where one begins."""
    one, other = (0.1 + 0.2) + 0.3, 0.1 + (0.2 + 0.3)
    assert one != other
    assert ranking([[one, other, 0.5]]).average == (1.5, 1.5, 3.0)
