"""The top of a report: what the tests say in a word, the numbers behind it, and what follows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from crossdistill.reports.runs import Run
from crossdistill.reports.tiles import next_steps, tiles
from tests.reports.synthetic import runs_of


def with_labels(runs: list[Run], labelled: int) -> list[Run]:
    return [replace(run, samples={"train": 1000, "labelled": labelled, "test": 100}) for run in runs]


def shown(runs: list[Run]) -> dict[str, tuple[str, str]]:
    return {tile.name: (tile.value, tile.tone) for tile in tiles(runs)}


CLEAR = {"baseline": (0.60, 0.61, 0.62), "amid": (0.70, 0.71, 0.725)}
WORSE = {"baseline": (0.60, 0.61, 0.62), "amid": (0.50, 0.51, 0.525)}
UNCLEAR = {"baseline": (0.60, 0.61, 0.62), "amid": (0.62, 0.615, 0.65)}


def test_a_gain_a_loss_and_neither() -> None:
    assert shown(runs_of(CLEAR))["verdict"] == ("It helps", "good")
    assert shown(runs_of(CLEAR))["difference"] == ("+10.2 points", "good")
    assert shown(runs_of(CLEAR))["student"] == ("61.0\N{NO-BREAK SPACE}→ 71.2\N{NO-BREAK SPACE}%", "plain")
    assert shown(runs_of(WORSE))["verdict"] == ("It does harm", "bad")
    assert shown(runs_of(UNCLEAR))["verdict"] == ("No significant difference", "plain")


def test_one_seed_is_not_tested_and_more_are_asked_for() -> None:
    one = runs_of({"baseline": (0.6,), "amid": (0.9,)})
    assert shown(one)["verdict"] == ("Not tested", "plain")
    assert "at least five common seeds" in " ".join(next_steps(one))


def test_without_a_baseline_there_is_no_verdict() -> None:
    assert "verdict" not in shown(runs_of({"amid": (0.6, 0.7)}))


def test_labels_are_counted_where_some_are_missing() -> None:
    assert shown(with_labels(runs_of(CLEAR), 50))["labels"] == ("50 of 1,000", "plain")


def test_a_gain_is_to_be_held_against_controls_before_it_ships() -> None:
    said = " ".join(next_steps(runs_of(CLEAR)))
    assert "--controls" in said
    assert "crossdistill export" in said
    controlled = runs_of({**CLEAR, "amid, shuffled": (0.6, 0.61, 0.62)}, {"amid, shuffled": {"role": "control"}})
    assert "--controls" not in " ".join(next_steps(controlled))


def test_a_student_that_a_fold_was_kept_from_is_not_shipped() -> None:
    by_fold = [replace(run, fold=run.seed, seed=0) for run in runs_of(CLEAR)]
    said = " ".join(next_steps(by_fold))
    assert "recipe.yaml --data.fold -1 --out runs/student, then crossdistill export runs/student" in said


def test_without_a_gain_the_student_alone_ships_and_few_labels_are_the_lever() -> None:
    said = " ".join(next_steps(with_labels(runs_of(UNCLEAR), 1000)))
    assert "Ship the student alone" in said
    assert "export" not in said
    assert "where labels are few" in said
    assert "where labels are few" not in " ".join(next_steps(with_labels(runs_of(UNCLEAR), 50)))


def test_how_many_seeds_a_difference_would_take_grows_with_its_interval() -> None:
    """Differences of 2, 0.5 and 3 points: half width 4.303 x 1.258 / sqrt(3) = 3.125, mean 1.833, 3 x 2.907 = 8.7."""
    assert "about 9 seeds" in " ".join(next_steps(runs_of(UNCLEAR)))
    same = runs_of({"baseline": (0.60, 0.61, 0.62), "amid": (0.60, 0.61, 0.62)})
    assert "seeds to be told" not in " ".join(next_steps(same))


def test_more_of_what_is_independent_is_asked_for() -> None:
    """Four values of two units each: folds where these are tested in turn, else sets of labelled groups."""
    values = {"baseline": (0.60, 0.61, 0.62, 0.61), "amid": (0.62, 0.615, 0.65, 0.63)}
    labelled = [replace(run, labelled_groups=("ABAB"[run.seed],)) for run in runs_of(values)]
    assert re.search(r"about \d+ distinct labelled sets to be told", " ".join(next_steps(labelled)))
    in_turn = [replace(run, fold=run.seed % 2, seed=run.seed // 2, in_turn=True) for run in labelled]
    assert re.search(r"about \d+ folds to be told", " ".join(next_steps(in_turn)))


def test_warnings_come_before_what_else_there_is_to_do() -> None:
    runs = [replace(run, warnings=("'-1' is taken for a class",)) for run in runs_of(UNCLEAR)]
    first, second, *_ = next_steps(runs)
    assert first.startswith("First see to what training warned of")
    assert second == next_steps(runs_of(UNCLEAR))[0]


@pytest.mark.parametrize(("teacher", "said"), [(0.9, ""), (0.612, "is hardly better"), (0.4, "is worse")])
def test_a_teacher_is_called_what_it_is(teacher: float, said: str) -> None:
    runs = runs_of({**UNCLEAR, "teacher": (teacher,) * 3})
    runs = [replace(run, scores={run.label: run.scores["student"]}) if run.label == "teacher" else run for run in runs]
    told = [step for step in next_steps(runs) if step.startswith("The teacher, which sees all")]
    assert [said in step for step in told] == [True] * bool(said)
