"""Reading run folders, and the one line that says what is wrong with one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from crossdistill.reports import configurations_of, load_runs
from crossdistill.types import InputError
from tests.reports.synthetic import CLASSES, edit_results, write_run


def test_values_survive_the_way_from_disk(tmp_path: Path) -> None:
    [run] = load_runs([write_run(tmp_path / "a", "amid", seed=3, accuracies={"student": 0.7, "teacher": 0.8}, fold=2)])
    assert (run.name, run.method, run.seed, run.fold, run.classes) == ("watch", "amid", 3, 2, CLASSES)
    assert run.target == ("video",)
    assert run.auxiliary == ("audio", "text")
    assert run.scores["student"].top1 == 0.7
    assert run.scores["teacher"].r5 == pytest.approx(0.9)
    assert run.scores["student"].confusion.sum() == 200
    assert "auxiliary_alone" not in run.scores
    assert "fold: 2" in run.recipe


def test_only_the_method_s_own_stage_is_kept_and_an_epoch_logged_twice_counts_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid", epochs=3)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": "amid", "epoch": 2, "evaluation/student/top1": 0.123}) + "\n")
    [run] = load_runs([folder])
    assert [record["epoch"] for record in run.records] == [0, 1, 2]
    assert run.records[-1]["evaluation/student/top1"] == 0.123
    assert not any("training/loss/forgotten" in record for record in run.records)


def test_null_and_nan_are_missing_values(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "baseline", classes=["a", "b"])
    view = {"top1": None, "wa": float("nan"), "ua": 1, "r1": 0, "r5": 0.5}
    edit_results(folder, student={**view, "per_class": [None, 0.5], "confusion": [[0, 0], [1, 1]], "measured": 2})
    [run] = load_runs([folder])
    scores = run.scores["student"]
    assert np.isnan([scores.top1, scores.wa, scores.per_class[0]]).all()
    assert (scores.ua, scores.r1, scores.per_class[1]) == (1, 0, 0.5)


@pytest.mark.parametrize("missing", ["recipe.yaml", "metrics.jsonl", "results.json"])
def test_unfinished_runs_are_named(tmp_path: Path, missing: str) -> None:
    folder = write_run(tmp_path / "a", "amid")
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"a: has no {missing}"):
        load_runs([folder])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.json", "{", r"results.json: not valid JSON"),
        ("results.json", "[]", r"results.json: expected a JSON object, found list"),
        ("metrics.jsonl", '{"epoch": 0, "stage": "amid"}\n{"epo', r"metrics.jsonl line 2: not valid JSON"),
        ("metrics.jsonl", '{"stage": "amid"}\n', r"metrics.jsonl: every line needs a whole number `epoch`"),
        ("metrics.jsonl", f'{{"epoch": 1{"0" * 400}, "stage": "amid"}}\n', r"metrics.jsonl: every line needs a whole"),
        ("recipe.yaml", "name: [", r"recipe.yaml: not valid YAML"),
    ],
)
def test_damaged_files_are_named_in_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = write_run(tmp_path / "a", "amid")
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_runs([folder])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "zero"}, "seed: expected int, found 'zero'"),
        ({"method": 3}, "method: expected str, found 3"),
        ({"seconds": "long"}, "seconds: expected float"),
        ({"student": {"top1": 0.5}}, "student.wa: expected float, found nothing"),
        ({"classes": ["only", "three", "now"]}, r"per_class: expected shape \(3,\), found \(4,\)"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    folder = write_run(tmp_path / "a", "baseline")
    edit_results(folder, **changes)
    with pytest.raises(InputError, match=message):
        load_runs([folder])


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", "amid", seed=0)
    with pytest.raises(InputError, match="different classes"):
        load_runs([first, write_run(tmp_path / "b", "amid", seed=1, classes=["x", "y"])])
    with pytest.raises(InputError, match="configuration amid, seed 0"):
        load_runs([first, write_run(tmp_path / "c", "amid", seed=0)])
    other = write_run(tmp_path / "d", "amid", seed=2)
    edit_results(other, split="validation")
    with pytest.raises(InputError, match="different splits"):
        load_runs([first, other])
    assert len(load_runs([first, write_run(tmp_path / "e", "amid", seed=0, fold=1)])) == 2


def test_a_label_names_the_configuration_and_defaults_to_the_method(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", "amid")
    new = write_run(tmp_path / "new", "amid", label="amid, no D2 & <i>")
    empty = write_run(tmp_path / "empty", "mi")
    edit_results(empty, label="")
    runs = load_runs([old, new, empty])
    assert [run.label for run in runs] == ["amid", "amid, no D2 & <i>", "mi"]
    assert {label: len(own) for label, own in configurations_of(runs).items()} == {
        "amid": 1, "amid, no D2 & <i>": 1, "mi": 1,
    }  # fmt: skip
    assert len(runs[1].records)  # the log goes by the method, not by the label


def test_a_label_stands_for_one_configuration(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", "amid", label="x")
    with pytest.raises(InputError, match="configuration x, seed 0"):
        load_runs([first, write_run(tmp_path / "b", "amid", label="x")])
    with pytest.raises(InputError, match="both are labelled x, but their methods are amid and mi"):
        load_runs([first, write_run(tmp_path / "c", "mi", 1, label="x")])
    with pytest.raises(InputError, match="both are labelled x, but their roles are method and control") as caught:
        load_runs([first, write_run(tmp_path / "d", "amid", 1, label="x", role="control")])
    assert "\n" not in str(caught.value)
    edit_results(first, label=3)
    with pytest.raises(InputError, match="label: expected str, found 3"):
        load_runs([first])


def test_an_unknown_role_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid", role="hero")
    with pytest.raises(InputError, match=r"results.json: role: expected one of method, .*, found 'hero'"):
        load_runs([folder])
    edit_results(folder, role=3)
    with pytest.raises(InputError, match=r"role: expected one of method, .*, found 3"):
        load_runs([folder])


@pytest.mark.parametrize(
    ("fields", "varied", "value"),
    [
        ("varied: amid.alpha_1\namid:\n  alpha_1: 3.5\n", "amid.alpha_1", 3.5),
        ("varied: model.width\nmodel: {width: 64}\n", "model.width", 64.0),
        (f"varied: amid.alpha_1\namid: {{alpha_1: 1{'0' * 400}}}\n", "amid.alpha_1", math.nan),  # no float is so large
        ("varied: amid.contrast\namid: {contrast: nce}\n", "amid.contrast", math.nan),
        ("varied: data.in_memory\ndata: {in_memory: true}\n", "data.in_memory", math.nan),
        ("varied: model.width\nmodel: none\n", "model.width", math.nan),
        ("varied: ''\n", "", math.nan),
        ("varied: 3\n", "", math.nan),
        ("epochs: 3\n", "", math.nan),
        ("- a list\n", "", math.nan),
    ],
)
def test_what_is_varied_comes_from_the_recipe(tmp_path: Path, fields: str, varied: str, value: float) -> None:
    folder = write_run(tmp_path / "a", "amid", role="variation")
    (folder / "recipe.yaml").write_text(fields, encoding="utf-8")
    [run] = load_runs([folder])
    assert (run.role, run.varied) == ("variation", varied)
    assert run.value == pytest.approx(value, nan_ok=True)


def test_no_runs_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folders"):
        load_runs([])
    with pytest.raises(InputError, match="no such folder"):
        load_runs([tmp_path / "nowhere"])
