"""Reading run folders, and the one line that says what is wrong with one."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.cli.headline import show_headline
from crossdistill.data import MultimodalDataset
from crossdistill.data.fingerprint import fingerprint, surely_differing
from crossdistill.data.reading import PartialColumn
from crossdistill.recipes.files import to_yaml, with_fields
from crossdistill.reports import configurations_of, load_runs, targets_sentence
from crossdistill.reports.sections import report_of
from crossdistill.runs.data import split_dataset
from crossdistill.types import InputError
from tests.reports.synthetic import CLASSES, edit_results, write_run
from tests.runs.small import gestures, recipe, with_data


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 30}, "both are labelled kd, but of their recipes epochs is 3 and 30"),
        ({"optimization.learning_rate": 1.0}, "of their recipes optimization.learning_rate is 0.003 and 1.0"),
        ({"data.labelled": 0.5}, "of their recipes data.labelled is 1.0 and 0.5"),
        ({"kd.temperature": 9.0}, "of their recipes kd.temperature is "),
        ({"seed": 1, "data.fold": 1, "machine.threads": 2, "data.source": "moved", "data.evaluate_on": "none"}, ""),
    ],
)
def test_one_label_stands_for_one_recipe(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Runs that learnt otherwise are no repetitions, whose mean and interval a report would show."""
    made, folders = recipe(method="kd"), [tmp_path / "a", tmp_path / "b"]
    for place, other in zip(folders, (made, replace(with_fields(made, changes), seed=1)), strict=True):
        write_run(place, "kd", other.seed, fold=other.data.fold)
        (place / "recipe.yaml").write_text(to_yaml(other), encoding="utf-8")
    with pytest.raises(InputError, match=message) if message else nullcontext():
        load_runs(folders)


def measured(folder: Path, method: str, data: MultimodalDataset, seed: int = 0, **changes: Any) -> Path:
    """A run as `write_run` makes it, whose recipe and config.json are of these data."""
    write_run(folder, method, seed)
    made = with_data(recipe(method=method, seed=seed), **changes)
    (folder / "recipe.yaml").write_text(to_yaml(made), encoding="utf-8")
    described = {"data": {"fingerprint": fingerprint(split_dataset(data, made.data, seed))}}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    edit_results(folder, target=list(made.data.target), auxiliary=list(made.data.auxiliary))
    return folder


def test_runs_of_different_data_are_refused(tmp_path: Path) -> None:
    own = gestures()
    others = {
        "ids": replace(own, ids=tuple(f"x{row}" for row in range(len(own)))),
        "labels": replace(own, labels=np.roll(own.labels, 1)),
        "splits": replace(own, splits=np.roll(own.splits, 1)),
        "modality wrist": gestures(lambda values: values + 1),
    }
    first = measured(tmp_path / "first", "kd", own)
    for part, other in others.items():
        folder = measured(tmp_path / part.replace(" ", "-"), "baseline", other)
        with pytest.raises(InputError, match=f"different data: {part} differ; write one report for each"):
            load_runs([first, folder])
    features = measured(tmp_path / "features", "baseline", gestures(lambda values: values + 1), source="elsewhere")
    assert len(load_runs([first, features])) == 2, "other features of the same samples"
    (folder / "config.json").write_text("{}", encoding="utf-8")  # as of earlier versions, which did not say
    assert len(load_runs([first, folder])) == 2
    elsewhere = measured(tmp_path / "elsewhere", "baseline", own, target=("eye",), auxiliary=("wrist",))
    with pytest.raises(InputError, match="different target modalities"):
        load_runs([first, elsewhere])


def test_a_run_that_measured_nothing_may_have_learnt_from_more(tmp_path: Path) -> None:
    """Such as the student that is shipped, beside the runs that say how good it is."""
    first = measured(tmp_path / "first", "kd", gestures())
    shipped = measured(tmp_path / "shipped", "kd", gestures(lambda values: values + 1), 1, evaluate_on="none")
    path = shipped / "results.json"
    kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("student", "teacher")}
    path.write_text(json.dumps({**kept, "split": "none"}), encoding="utf-8")
    assert len(load_runs([first, shipped])) == 2


def test_runs_of_one_label_have_the_same_data_whatever_files_they_are_in(tmp_path: Path) -> None:
    """What a method does not read may differ, and what a control draws by the seed does."""
    own, other = gestures(), gestures(lambda values: values + 1)
    halves = replace(own, columns={**own.columns, "eye": other.columns["eye"]})
    first = measured(tmp_path / "first", "kd", own, source="here")
    assert len(load_runs([first, measured(tmp_path / "copy", "kd", own, 1, source="there")])) == 2
    for name, data, found in (("both", other, "wrist and eye"), ("eye", halves, "eye")):
        folder = measured(tmp_path / name, "kd", data, 1, source="there")
        with pytest.raises(
            InputError, match=f"both are labelled kd, but their data differ in {found}; leave"
        ) as caught:
            load_runs([first, folder])
        assert "\n" not in str(caught.value)
    alone = [measured(tmp_path / f"baseline{seed}", "baseline", (own, halves)[seed], seed) for seed in range(2)]
    assert len(load_runs(alone)) == 2
    lacking = replace(own, columns={**own.columns, "eye": PartialColumn(own.columns["eye"], np.arange(48) % 5 > 0)})
    changes = {"control": "shuffled", "labelled": 0.5}
    drawn = [measured(tmp_path / f"control{seed}", "crd", lacking, seed, **changes) for seed in range(2)]
    assert surely_differing(*(run.data for run in load_runs(drawn))) == ["labels", "modality eye"]


def test_configurations_with_different_target_data_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = gestures(), gestures(lambda values: values + 1)
    folders = [
        measured(tmp_path / "kd", "kd", own, source="here"),
        measured(tmp_path / "mi", "mi", own, source="there"),
        measured(tmp_path / "crd", "crd", other, source="elsewhere"),
    ]
    runs = load_runs(folders)
    assert targets_sentence(runs[:2]) == ""
    said = targets_sentence(runs)
    assert said.startswith("Target data differ between configurations: wrist of kd and mi (here), of crd (elsewhere). ")
    assert [line for line in report_of(runs, "").summary if line == targets_sentence([runs[2], *runs[:2]])]
    show_headline(runs)
    assert said in capsys.readouterr().out


def test_runs_that_drew_or_hide_some_of_the_same_data_are_compared(tmp_path: Path) -> None:
    """Validation samples and labels are drawn by the seed, a control stands in for the auxiliary modalities, and a
    variation may have fewer labels."""
    own, drawn = gestures(), {"choose_epoch_on": "validation", "labelled": 0.5}
    folders = [measured(tmp_path / f"kd{seed}", "kd", own, seed, **drawn) for seed in range(2)]
    folders.append(measured(tmp_path / "baseline", "baseline", own, 0, **drawn))
    folders.append(measured(tmp_path / "all", "mi", own, 0))
    folders.append(measured(tmp_path / "control", "crd", own, 0, control="shuffled", **drawn))
    assert len(load_runs(folders)) == 5


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
