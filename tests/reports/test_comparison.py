"""Verdicts and marks follow the corrected tests, worked out here from Holm's step-down procedure and scipy's t-test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossdistill.reports.comparison import best, differences, highest
from tests.reports.synthetic import run_of, runs_of

BASELINE = (0.60, 0.61, 0.62, 0.60, 0.63)


def raised(by: float, spread: float = 0.002) -> list[float]:
    """The baseline's accuracies plus `by`, give or take."""
    return [value + by + spread * (-1) ** seed for seed, value in enumerate(BASELINE)]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[float]]:
    """Accuracies of `baseline` and 1 to 8 others over 3 to 6 seeds; some are clearly above or below it."""
    seeds = draw(st.integers(3, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    common = 0.6 + rng.normal(0, 0.02, seeds)
    table = {"baseline": list(common)}
    for index in range(draw(st.integers(1, 8))):
        shift = draw(st.sampled_from([-0.06, -0.01, 0.0, 0.01, 0.03, 0.06]))
        table[f"m{index}"] = list(common + shift + rng.normal(0, 0.008, seeds))
    return table


def rejected(p_values: Mapping[str, float], level: float = 0.05) -> set[str]:
    """Holm 1979: from the smallest p on, reject while p <= level / (number of hypotheses left)."""
    found: set[str] = set()
    for left, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        if p_values[name] > level / (len(p_values) - left):
            break
        found.add(name)
    return found


def compared(table: Mapping[str, Sequence[float]], reference: str) -> tuple[set[str], set[str]]:
    """(significantly better, significantly worse) than the reference."""
    others = {name: values for name, values in table.items() if name != reference}
    significant = rejected({name: stats.ttest_rel(v, table[reference]).pvalue for name, v in others.items()})
    above = {name for name in significant if np.mean(table[name]) > np.mean(table[reference])}
    return above, significant - above


@settings(max_examples=100, deadline=None)
@given(tables())
def test_verdicts_and_marks_follow_the_tests(table: dict[str, list[float]]) -> None:
    runs = runs_of(table)
    better, worse = compared(table, "baseline")
    rows = differences(runs)
    assert {label for label, row in rows.items() if row.verdict == "better"} == better
    assert {label for label, row in rows.items() if row.verdict == "worse"} == worse
    assert rows.keys() == table.keys() - {"baseline"}
    top = max(table, key=lambda name: np.mean(table[name]))
    assert highest(runs) == top
    assert best(runs) == better - compared(table, top)[1]


@settings(max_examples=50, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_changes_nothing(table: dict[str, list[float]], random: object) -> None:
    runs = runs_of(table)
    shuffled = list(runs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert best(shuffled) == best(runs)
    assert list(differences(shuffled).items()) == list(differences(runs).items())


@settings(max_examples=50, deadline=None)
@given(tables(), st.lists(st.floats(0.4, 0.9), min_size=6, max_size=6))
def test_one_more_comparison_never_makes_a_difference_more_significant(
    table: dict[str, list[float]], extra: list[float]
) -> None:
    before, seeds = differences(runs_of(table)), len(table["baseline"])
    after = differences(runs_of({**table, "extra": extra[:seeds]}))
    assert all(after[label].p_holm >= row.p_holm for label, row in before.items())


def test_every_column_has_a_family_of_its_own() -> None:
    runs = runs_of({"baseline": BASELINE, "amid": raised(0.05), "kd": raised(0.03), "amid, no D2": raised(0.04)})
    to_baseline, to_amid = differences(runs), differences(runs, "amid")
    assert set(to_baseline) == {"amid", "kd", "amid, no D2"}
    assert set(to_amid) == {"baseline", "kd", "amid, no D2"}
    smallest = min(row.p for row in to_baseline.values())
    assert min(row.p_holm for row in to_baseline.values()) == pytest.approx(3 * smallest)
    assert to_amid["baseline"].difference == pytest.approx(-to_baseline["amid"].difference)
    assert to_amid["baseline"].verdict == "worse"


def test_what_cannot_be_tested_counts_as_no_test_and_is_never_best() -> None:
    runs = runs_of({"baseline": BASELINE, "amid": raised(0.05), "once": [0.99], "broken": [math.nan] * 5})
    rows = differences(runs)
    assert rows["amid"].p_holm == rows["amid"].p
    assert (rows["once"].verdict, rows["broken"].verdict) == ("not tested", "not tested")
    assert rows["once"].pairs == 1
    assert highest(runs) == "once"
    assert best(runs) == {"amid"}


def test_nothing_is_best_without_a_baseline_or_without_a_gain() -> None:
    assert best(runs_of({"amid": raised(0.05), "kd": raised(0.0)})) == frozenset()
    assert best(runs_of({"baseline": BASELINE, "amid": raised(-0.05), "kd": raised(0.0, 0.01)})) == frozenset()
    assert best([]) == frozenset()


def test_a_noisy_highest_mean_takes_no_mark_from_a_steady_gain() -> None:
    noisy = [0.40, 0.95, 0.90, 0.45, 0.95]
    runs = runs_of({"baseline": BASELINE, "amid": raised(0.05), "noisy": noisy})
    assert highest(runs) == "noisy"
    assert best(runs) == {"amid"}


def test_folds_and_seeds_are_paired_with_their_own() -> None:
    runs = [
        run_of(label, seed, 0.5 + 0.1 * fold + 0.01 * seed + gain, fold=fold)
        for label, gain in (("baseline", 0.0), ("amid", 0.02))
        for fold in range(3)
        for seed in range(2)
        if (label, fold, seed) != ("baseline", 2, 1)
    ]
    row = differences(runs)["amid"]
    assert row.pairs == 3, "a fold's seeds test the same samples"
    assert row.difference == pytest.approx(0.02)
    assert math.isnan(row.half_width), "the same in every pair: nothing is known of their spread"
    assert row.p == pytest.approx(2 / 2**3), "the sign test's"


def test_folds_that_differ_are_no_effect_of_a_method() -> None:
    """No method has any effect, but it suits some folds and not others, as people differ: at a level of 5 % some 5 % of
    studies may say better or worse, however many seeds each fold has."""
    random, found = np.random.default_rng(0), []
    for _ in range(400):
        suits = random.normal(0, 0.01, 5)
        runs = [
            run_of(label, seed, 0.5 + (label == "amid") * suits[fold] + random.normal(0, 0.01), fold=fold)
            for label in ("baseline", "amid")
            for fold in range(5)
            for seed in range(5)
        ]
        found.append(differences(runs)["amid"].p < 0.05)
    assert np.mean(found) < 0.09
