"""Values of one unit count once: their mean, and no more weight than a unit with a single value has."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.reports.comparison import differences
from crossdistill.reports.runs import Run
from crossdistill.reports.sections import report_of
from crossdistill.reports.tables import headlines
from crossdistill.reports.units import unit_means, unit_of
from crossdistill.reports.wording import labelled_sets
from tests.reports.synthetic import run_of

VALUES = {"baseline": (0.50, 0.58, 0.61, 0.55), "kd": (0.56, 0.60, 0.68, 0.62)}


def runs_with(drawn: str, **changes: object) -> list[Run]:
    """Seeds 0, 1, ... draw these groups; what is measured depends on the group alone."""
    return [
        run_of(label, seed, values["ABCD".index(group)], labelled_groups=(group,), **changes)
        for label, values in VALUES.items()
        for seed, group in enumerate(drawn)
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), min_size=1, max_size=12))
def test_means_by_loops(given_values: list[tuple[int, float]]) -> None:
    units = [unit for unit, _ in given_values]
    expected = []
    for unit in dict.fromkeys(units):
        own = [value for other, value in given_values if other == unit]
        expected.append(sum(own) / len(own))
    assert unit_means(units, [value for _, value in given_values]) == pytest.approx(expected)


def test_runs_are_one_unit_where_fold_and_labelled_groups_are_the_same() -> None:
    assert unit_of(0, -1, "5") == unit_of(3, -1, "5")
    assert unit_of(0, -1, "") != unit_of(3, -1, ""), "labels that no group was drawn for: each seed is one"
    assert unit_of(0, 1, "5") != unit_of(0, 2, "5")
    assert unit_of(0, -1, "5", "3 + 5") != unit_of(1, -1, "5", "2 + 5"), "both sides of a pair count"


def test_repeated_labels_change_no_mean_interval_or_test() -> None:
    once, again = runs_with("ABCD"), runs_with("DABACDDA")
    before, after = differences(once)["kd"], differences(again)["kd"]
    assert (after.pairs, before.pairs) == (4, 4)
    for name in ("difference", "half_width", "p"):
        assert getattr(after, name) == pytest.approx(getattr(before, name)), name
    first, second = headlines(once)["kd"], headlines(again)["kd"]
    assert (second.runs, second.units) == (8, 4)
    assert (second.student, second.student_ci) == pytest.approx((first.student, first.student_ci))
    assert second.measures == pytest.approx(first.measures)


def test_a_single_labelled_set_has_no_spread() -> None:
    made = runs_with("AAA")
    assert differences(made)["kd"].verdict == "not tested"
    assert math.isnan(headlines(made)["kd"].student_ci)


def test_the_page_says_how_many_labelled_sets_there_were() -> None:
    report = report_of(runs_with("ABACDDDA", versions={"torch": "2.9.0", "threads": "1"}), "the command")
    said = " ".join((*report.summary, *(section.note for section in report.sections)))
    assert "8 draws of groups to be labelled gave 4 distinct labelled sets" in said
    assert "4 independent pairs" in said
    assert labelled_sets(runs_with("ABCD")) == ""
    old = labelled_sets([run_of("kd", seed, 0.5, drawn=True) for seed in range(2)])
    assert "2 runs of before that was kept do not say" in old
