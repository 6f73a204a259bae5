"""Values of one unit count once: their mean, and no more weight than a unit with a single value has."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.reports.comparison import differences
from crossdistill.reports.runs import Run
from crossdistill.reports.samples import Changes, SampleViews
from crossdistill.reports.sections import report_of
from crossdistill.reports.tables import headlines
from crossdistill.reports.units import study_units, unit_means
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
    one_split = study_units({(-1, 0): "5", (-1, 1): "3", (-1, 2): "5", (-1, 3): ""})
    assert one_split[-1, 0] == one_split[-1, 2] != one_split[-1, 1]
    assert one_split[-1, 3] not in list(one_split.values())[:3]
    in_turn = study_units({(0, 0): "5", (0, 1): "3", (1, 0): "5", (1, 1): ""})
    assert in_turn[0, 0] == in_turn[0, 1] != in_turn[1, 0], "a fold tests the same people, whoever is labelled"
    assert in_turn[1, 1] == in_turn[1, 0], "or all are"


def test_both_sides_of_a_pair_count() -> None:
    """Three seeds label the same for one configuration, and two of them for both."""
    values = {"baseline": ("AAA", (0.5, 0.6, 0.7)), "kd": ("ABB", (0.6, 0.6, 0.8))}
    runs = [
        run_of(label, seed, value, labelled_groups=(group,))
        for label, (groups, scores) in values.items()
        for seed, (group, value) in enumerate(zip(groups, scores, strict=True))
    ]
    row = differences(runs)["kd"]
    assert (row.pairs, row.difference) == (2, pytest.approx((0.1 + 0.05) / 2))


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


def test_a_configuration_of_one_fold_among_others_that_test_several() -> None:
    """As in a comparison that is not finished: its seeds test the same people, too."""
    begun = [run for run in over_folds(seeds=5) if run.label == "baseline" or run.fold == 0]
    begun = [replace(run, labelled_groups=("ABCDE"[run.seed],), in_turn=True) for run in begun]
    assert (differences(begun)["kd"].pairs, differences(begun)["kd"].verdict) == (1, "not tested")
    assert headlines(begun)["kd"].units == 1


def said_of(runs: list[Run]) -> str:
    samples = SampleViews(changes=Changes("amid_u", 0, 100, 9, 4, (), (), fold=0))
    report = report_of(runs, "the command", samples)
    told = (report.lead, *report.summary, *report.steps, *(section.note for section in report.sections))
    return " ".join((*told, *(f"{tile.value} {tile.meaning}" for tile in report.tiles)))


def test_what_is_said_of_folds() -> None:
    said = said_of(over_folds())
    assert "With labels for 200 to 203 of 1,170 to 1,200 training samples" in said
    assert "200 to 203 of 1,170 to 1,200 training samples; watch: 1 class, 100 to 130 test samples" in said
    assert "Paired by fold and seed, amid_u differs" in said
    assert "over the runs that share fold and seed with a run of it" in said
    assert "Of 100 test samples of fold 0, the amid_u student of seed 0" in said
    assert "Folds share training samples, so" in said
    assert "and the seeds of a fold its test samples" in said_of(over_folds(seeds=2))
    few = [run for run in over_folds() if run.label == "baseline" or run.fold == 0]
    assert "against the baseline of the same fold and seed; one pair of runs" in said_of(few)
    assert "at least five common pairs of fold and seed" in said_of(few)


def test_the_runs_of_a_fold_are_one_unit() -> None:
    """Two seeds of four folds, each with another group's labels where it can be."""
    said = said_of(over_folds(seeds=2, drawn="BCBA"))
    assert "8 draws of groups to be labelled are over 4 folds; runs that test the same fold are averaged" in said
    assert "4 independent pairs" in said
    others = [replace(run, labelled_groups=("BADC"[run.fold],)) if run.seed else run for run in over_folds(seeds=2)]
    assert "8 draws of groups to be labelled are over 4 folds" in said_of(others)
    assert astuple(differences(others)["kd"]) == pytest.approx(astuple(differences(over_folds())["kd"]))


def test_runs_that_do_not_say_whom_they_label_may_be_no_pairs_of_those_that_do() -> None:
    old = [run_of("baseline", seed, 0.5, drawn=True) for seed in range(2)]
    new = [run_of("kd", seed, 0.5, drawn=True, labelled_groups=(group,)) for seed, group in enumerate("AB")]
    assert "and others than the runs of the same seed that do say" in labelled_sets([*old, *new])
    assert "that do say" not in labelled_sets(old)
