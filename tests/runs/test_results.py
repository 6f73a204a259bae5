"""The results of a run, from values to results.json and back, and what is said of a file that is broken."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.runs.results import ParameterCounts, RunResults, Scores, read_results, to_json, write_results
from crossdistill.types import NAMES, InputError

NAN = math.nan


def scores(classes: int, seed: int, top1: float = 0.5) -> Scores:
    """Any counts; the last class has no sample."""
    confusion = np.random.default_rng(seed).integers(0, 9, (classes, classes))
    confusion[-1] = 0
    per_class = np.full(classes, NAN)
    per_class[:-1] = confusion.diagonal()[:-1] / np.maximum(confusion.sum(1)[:-1], 1)
    return Scores(top1, 1 / 3, NAN, 0.1, 1.0, per_class, confusion, int(confusion.sum()))


def results(**changes: Any) -> RunResults:
    plain = RunResults(
        name="watch",
        method="kd",
        label="kd, “noise” auxiliary",
        role="control",
        seed=3,
        fold=-1,
        split="test",
        classes=("go", "läuft", "steht"),
        samples={"train": 90, "test": 30},
        target=("wrist",),
        auxiliary=("video", "text"),
        seconds=12.345,
        peak_memory_mb=512.5,
        parameters=ParameterCounts(10, 30),
        versions={"torch": "2.9.0", "threads": "1"},
        cosine_pair=0.25,
        cosine_same_class=NAN,
        scores={"student": scores(3, 0), "teacher": scores(3, 1, NAN)},
        files={"student.safetensors": "ab12"},
    )
    return replace(plain, **changes)


def written(folder: Path, stored: RunResults) -> Path:
    """A folder that has what `read_results` asks for."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    write_results(folder, stored)
    return folder


CASES = {
    "student and teacher, with measures that are not defined": results(),
    "nothing measured": results(scores={}, split="none", cosine_pair=NAN),
    "the auxiliary model alone": results(scores={"auxiliary_alone": scores(3, 2)}, method="auxiliary"),
    "one class": results(classes=("all",), scores={"student": scores(1, 0)}),
    "no time": results(seconds=NAN, peak_memory_mb=NAN, files={}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_again(case: str, tmp_path: Path) -> None:
    stored = CASES[case]
    read = read_results(written(tmp_path / "run", stored))
    assert to_json(read) == to_json(stored)
    assert dict(read) == json.loads(to_json(stored))
    assert list(read) == list(json.loads(to_json(stored)))
    assert ("teacher" in read) == ("teacher" in stored.scores)
    for name in ("name", "label", "role", "seed", "classes", "samples", "target", "auxiliary", "parameters", "files"):
        assert getattr(read, name) == getattr(stored, name), name
    assert read.cosine_pair == pytest.approx(stored.cosine_pair, nan_ok=True)
    assert read.cosine_same_class == pytest.approx(stored.cosine_same_class, nan_ok=True)
    assert read.seconds == pytest.approx(stored.seconds, nan_ok=True)
    assert list(read.scores) == list(stored.scores)
    for view, measures in stored.scores.items():
        same = read.scores[view]
        for name in ("top1", "wa", "ua", "r1", "r5"):
            assert getattr(same, name) == pytest.approx(getattr(measures, name), rel=0, abs=0, nan_ok=True)
        np.testing.assert_array_equal(same.per_class, measures.per_class)
        np.testing.assert_array_equal(same.confusion, measures.confusion)
        assert (same.confusion.dtype, same.measured) == (np.int64, measures.measured)


def test_the_file_is_strict_json_with_the_views_at_the_top(tmp_path: Path) -> None:
    text = (written(tmp_path / "run", results()) / "results.json").read_text()
    content = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert {"name", "student", "teacher", "evaluation/cosine_pair", "evaluation/cosine_same_class"} <= set(content)
    assert not {"scores", "auxiliary_alone", "cosine_pair", "cosine_same_class"} & set(content)
    assert content["evaluation/cosine_pair"] == 0.25
    assert content["evaluation/cosine_same_class"] is None
    assert content["student"]["ua"] is None
    assert content["student"]["per_class"][-1] is None
    assert all(type(count) is int for row in content["student"]["confusion"] for count in row)
    assert content["parameters"] == {"student": 10, "total": 30}


def test_the_measure_on_complete_samples_is_written_where_there_is_one(tmp_path: Path) -> None:
    """Files of before have none: then it is the headline, as where all samples are complete."""
    both = results(scores={"student": replace(scores(3, 0), complete=0.25), "teacher": scores(3, 1)})
    content = json.loads((written(tmp_path / "run", both) / "results.json").read_text())
    assert content["student"]["complete"] == 0.25
    assert "complete" not in content["teacher"]
    read = read_results(tmp_path / "run").scores
    assert (read["student"].on_complete, read["student"].headline, read["teacher"].on_complete) == (0.25, 0.5, 0.5)


def test_a_key_gives_what_the_file_holds_under_it() -> None:
    made, content = results(), json.loads(to_json(results()))
    assert {key: made[key] for key in content} == content
    assert made["student"]["top1"] == 0.5
    with pytest.raises(KeyError, match="auxiliary_alone"):
        made["auxiliary_alone"]


def test_writing_results_is_the_end_of_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"served")
    written(tmp_path, results())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "results.json"]


def test_a_failure_in_writing_leaves_what_was_there(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    before = (folder / "results.json").read_bytes()
    (folder / "checkpoint.pt").write_bytes(b"needed")
    with pytest.raises(ValueError, match="JSON"):
        write_results(folder, results(seconds=math.inf))
    assert (folder / "results.json").read_bytes() == before
    assert (folder / "checkpoint.pt").exists()


def content_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return content


def test_a_run_without_label_or_role_is_its_method_s(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    for label in ({}, {"label": ""}):
        content = {key: value for key, value in content_of(folder).items() if key not in ("label", "role")} | label
        (folder / "results.json").write_text(json.dumps(content))
        assert (read_results(folder).label, read_results(folder).role) == ("kd", "method")


OPTIONAL = (
    "label",
    "role",
    "files",
    "best_epoch",
    "task",
    "teaching",
    "evaluation/cosine_pair",
    "evaluation/cosine_same_class",
    *NAMES.values(),
)
FIELDS = list(json.loads(to_json(results())))
MEASURES = list(json.loads(to_json(results()))["teacher"])


def refusal(folder: Path, content: object) -> str:
    """The one line that is said of this content."""
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_results(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / 'results.json'}: ")
    return message.removeprefix(f"{folder / 'results.json'}: ")


BROKEN = {"?": {"!": []}}
"""Fits the type of no field."""


@pytest.mark.parametrize("name", FIELDS)
def test_each_broken_field_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    content = content_of(folder)
    assert refusal(folder, {**content, name: BROKEN}).startswith(name)
    if name not in OPTIONAL:
        del content[name]
        assert refusal(folder, content).startswith(f"{name}: expected ")
        assert refusal(folder, content).endswith("found nothing")


@pytest.mark.parametrize("name", MEASURES)
def test_each_broken_measure_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    content = content_of(folder)
    for wrong in (BROKEN, "0.5", True, [["x"]]):
        assert refusal(folder, {**content, "teacher": {**content["teacher"], name: wrong}}).startswith(
            f"teacher.{name}"
        )
    del content["teacher"][name]
    assert refusal(folder, content).startswith(f"teacher.{name}: expected ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", True, "seed: expected int, found True"),
        ("seed", 1.5, "seed: expected int, found 1.5"),
        ("classes", ["go", 3, "stop"], "classes: expected str, found 3"),
        ("samples", {"train": "many"}, "samples.train: expected int, found 'many'"),
        ("parameters", {"student": 10}, "parameters.total: expected int, found nothing"),
        ("versions", {"torch": 2.9}, "versions.torch: expected str, found 2.9"),
        ("role", "hero", "role: expected one of method, ablation, control, variation, found 'hero'"),
        ("cosine/pair", 0.5, "cosine/pair: not a field"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: object, message: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    assert refusal(folder, {**content_of(folder), name: value}).startswith(message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("per_class", [0.5, 0.5], "student.per_class: expected shape (3,), found (2,)"),
        ("per_class", [[0.5, 0.5, 0.5]], "student.per_class: expected shape (3,), found (1, 3)"),
        ("confusion", [[1, 2], [3, 4]], "student.confusion: expected shape (3, 3), found (2, 2)"),
        ("confusion", [[1, 2, 3], [4, 5]], "student.confusion: expected whole numbers, found"),
        ("confusion", [[0.5] * 3] * 3, "student.confusion: expected whole numbers, found"),
        ("confusion", [[None] * 3] * 3, "student.confusion: expected whole numbers, found"),
        ("confusion", [[10**30] * 3] * 3, "student.confusion: expected whole numbers, found"),
    ],
)
def test_arrays_of_another_shape(name: str, value: object, message: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "run", results())
    content = content_of(folder)
    assert refusal(folder, {**content, "student": {**content["student"], name: value}}).startswith(message)


def test_folders_without_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run: not a finished run \(no results\.json\)"):
        read_results(tmp_path / "run")
    folder = written(tmp_path / "run", results())
    (folder / "config.json").unlink()
    for name in ("model.safetensors", "recipe.yaml"):
        (folder / name).write_text("")
    with pytest.raises(InputError, match=r"run: a run of crossdistill 0\.1, .* repeats it") as caught:
        read_results(folder)
    assert "\n" not in str(caught.value)
