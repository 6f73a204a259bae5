"""Values of one unit count once: their mean, and no more weight than a unit with a single value has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.reports.comparison import differences
from crossdistill.reports.runs import Run
from crossdistill.reports.samples import Changes, SampleViews
from crossdistill.reports.sections import report_of
from crossdistill.reports.tables import headlines
from crossdistill.reports.units import unit_means, unit_of
from crossdistill.reports.wording import labelled_sets
from crossdistill.runs.results import Scores
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


def over_folds(seeds: int = 1, drawn: str = "BCDA") -> list[Run]:
    """Each fold tests so many samples more than the one before, labels another group, and has as many labels more."""
    return [
        run_of(
            label,
            seed,
            value + seed / 100,
            fold=fold,
            labelled_groups=(drawn[fold],),
            samples={"train": 1200 - 10 * fold, "labelled": 200 + fold, "test": 100 + 10 * fold},
            versions={"torch": "2.9.0", "threads": "1"},
            target=("wrist",),
            scores={"student": Scores(*[value + seed / 100] * 5, np.ones(1), np.ones((1, 1), np.int64), 1)},
        )
        for label, values in {**VALUES, "amid_u": (0.62, 0.70, 0.69, 0.66)}.items()
        for fold, value in enumerate(values)
        for seed in range(seeds)
    ]


def said_of(runs: list[Run]) -> str:
    samples = SampleViews(changes=Changes("amid_u", 0, 100, 9, 4, (), (), fold=0))
    report = report_of(runs, "the command", samples)
    told = (report.lead, *report.summary, *report.steps, *(section.note for section in report.sections))
    return " ".join((*told, *(f"{tile.value} {tile.meaning}" for tile in report.tiles)))


def test_what_is_said_of_folds() -> None:
    said = said_of(over_folds())
    assert "With labels for 200 to 203 of 1,170 to 1,200 training samples" in said
    assert "200 to 203 of 1,170 to 1,200 training samples; watch: 1 class, 100 to 130 test samples" in said
    assert "Paired by fold and seed, it differs" in said
    assert "over the runs that share fold and seed with a run of it" in said
    assert "Of 100 test samples of fold 0, the amid_u student of seed 0" in said
    assert "Folds share training samples, so" in said
    assert "and the seeds of a fold its test samples" in said_of(over_folds(seeds=2))
    few = [run for run in over_folds() if run.label == "baseline" or run.fold == 0]
    assert "against the baseline of the same fold and seed; one pair of runs" in said_of(few)
    assert "at least five common pairs of fold and seed" in said_of(few)


def test_labelled_sets_of_folds_are_told_apart_by_fold() -> None:
    """Two folds that label one group are two pairs of fold and labelled set, with two seeds each."""
    said = said_of(over_folds(seeds=2, drawn="BCBA"))
    assert "8 draws of groups to be labelled gave 4 distinct pairs of fold and labelled set" in said
    assert "4 independent pairs" in said


def test_runs_that_do_not_say_whom_they_label_may_be_no_pairs_of_those_that_do() -> None:
    old = [run_of("baseline", seed, 0.5, drawn=True) for seed in range(2)]
    new = [run_of("kd", seed, 0.5, drawn=True, labelled_groups=(group,)) for seed, group in enumerate("AB")]
    assert "and others than the runs of the same seed that do say" in labelled_sets([*old, *new])
    assert "that do say" not in labelled_sets(old)
