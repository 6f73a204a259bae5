"""Regression and multi-label classification from files to a file that ships, on real data; and what stays the same."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import average_precision_score, r2_score, root_mean_squared_error

from crossdistill import InputError, Recipe, evaluate, from_arrays, load, run
from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, write_manifest
from crossdistill.data.reading import PartialColumn
from crossdistill.data.splits import with_labels
from crossdistill.data.wrappers import ReorderedColumn
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.evaluation import map_at_k, recall_at_k
from crossdistill.exports import ENDINGS, Format, export
from crossdistill.exports.formats import onnx_answer, torch_answer
from crossdistill.methods import METHODS
from crossdistill.recipes.recipe import DataSettings, ModelSettings
from crossdistill.reports.examples import TrainedRuns, retrieval_examples
from crossdistill.reports.runs import load_runs
from crossdistill.reports.sections import report_of
from crossdistill.reports.tables import headlines
from crossdistill.runs.folder import read_recipe
from crossdistill.runs.results import read_results
from crossdistill.studies.table import row_of, write_table
from crossdistill.tasks import Regression, headline
from crossdistill.training import Machine, Optimization
from crossdistill.types import TaskKind
from tests.listening import Heard
from tests.saved import model_state
from tests.stopping import run_with_stops


def diabetes(rescale: Callable[[np.ndarray], np.ndarray] = lambda y: y) -> MultimodalDataset:
    """How a disease goes on in a year, by age, sex, body mass and pressure; blood tests in training alone."""
    found = load_diabetes()
    test = np.arange(len(found.target)) % 3 == 0
    return from_arrays(
        {"body": found.data[:, :4], "blood": found.data[:, 4:]},
        rescale(found.target),
        splits=test,
        task="regression",
        classes=("progression",),
    )


def digits() -> MultimodalDataset:
    """Whether a written digit is even, is above 4, and is prime, by the picture's upper half; the lower in training."""
    found = load_digits()
    images, digit = found.images[:500].reshape(500, -1), found.target[:500]
    labels = np.stack([digit % 2 == 0, digit > 4, np.isin(digit, (2, 3, 5, 7))], axis=1)
    return from_arrays(
        {"body": images[:, :32], "blood": images[:, 32:]},
        labels.astype(int),
        splits=np.arange(500) >= 350,
        task="multilabel",
        classes=("even", "high", "prime"),
    )


DATA: dict[TaskKind, Callable[[], MultimodalDataset]] = {"regression": diabetes, "multilabel": digits}


def recipe(task: TaskKind, source: Path | str = "x", method: str = "amid_u", **changes: Any) -> Recipe:
    mlp = EncoderSettings("mlp", {"width": 16, "layers": 2, "hidden": 16})
    made = Recipe(
        name="own",
        method=method,
        epochs=6,
        batch_size=64,
        checkpoint_every=1,
        data=DataSettings(str(source), ("body",), ("blood",), labelled=0.5, task=task),
        model=ModelSettings(width=16, encoders={"body": mlp, "blood": mlp}, auxiliary_encoders="trained"),
        optimization=Optimization(learning_rate=5e-3),
        machine=Machine(accelerator="cpu"),
    )
    return replace(made, **changes)


@dataclass(frozen=True)
class Trained:
    """A finished run of data in files."""

    task: TaskKind
    data: MultimodalDataset
    source: Path
    folder: Path
    recipe: Recipe


@pytest.fixture(scope="module", params=list(DATA))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root, task = tmp_path_factory.mktemp(request.param), request.param
    data = DATA[task]()
    source = write_manifest(root / "data", data)
    made = recipe(task, source)
    run(made, root / "run")
    return Trained(task, data, source, root / "run", made)


def target_of(trained: Trained, split: str) -> tuple[np.ndarray, np.ndarray]:
    rows = trained.data.rows(split)
    return trained.data.columns["body"].fetch(rows).numpy(), trained.data.labels[rows]


def labelled_rows(trained: Trained) -> np.ndarray:
    """Of the training samples those that the recipe leaves their labels."""
    settings = trained.recipe.data
    return with_labels(trained.data, settings.labelled, settings.labelled_groups, trained.recipe.seed).labelled_rows(
        "train"
    )


def test_a_label_that_is_measured_and_was_never_learnt_is_said_and_counted(tmp_path: Path) -> None:
    """As a rare one where few samples are labelled."""
    whole = digits()
    training = whole.splits == "train"
    unknown = (training & (whole.labels[:, 2] == 1))[:, None]
    data, heard = replace(whole, labels=np.where(unknown, np.nan, whole.labels)), Heard()
    results = run(recipe("multilabel"), tmp_path / "run", dataset=data, listener=heard)
    (line,) = [line for line in heard.lines if "labelled training sample has" in line]
    assert line.startswith(
        f"WARNING: no labelled training sample has 'prime' ({int(whole.labels[~training, 2].sum())}), "
    )
    shares = load(tmp_path / "run").predict_proba(whole.columns["body"].array[~training])  # type: ignore[attr-defined]
    expected = average_precision_score(whole.labels[~training], shares, average="macro")
    assert results["student"]["map"] == pytest.approx(expected, abs=1e-5)


def test_a_student_is_measured_as_scikit_learn_measures_its_answers(trained: Trained, tmp_path: Path) -> None:
    """In the numbers' own units, on all test samples; and evaluate gives the same again."""
    results, student = evaluate(trained.folder), load(trained.folder)
    inputs, labels = target_of(trained, "test")
    assert results.task == trained.task
    found = results["student"]
    if trained.task == "regression":
        told = student.predict(inputs)
        assert told.shape == (len(labels),)
        assert found["r2"] == pytest.approx(r2_score(labels, told), abs=1e-5)
        assert found["rmse"] == pytest.approx(root_mean_squared_error(labels, told), rel=1e-5)
        assert found["rmse"] < labels.std(), "it has learnt something"
        with pytest.raises(InputError, match=r"predict_proba: this student predicts numbers"):
            student.predict_proba(inputs)
    else:
        shares = student.predict_proba(inputs)
        assert found["map"] == pytest.approx(average_precision_score(labels, shares, average="macro"), abs=1e-5)
        np.testing.assert_array_equal(student.predict(inputs), (shares > 0.5).astype(int))
        assert found["map"] > labels.mean(0).mean() + 0.1
        known, theirs = target_of(trained, "train")
        kept = np.isin(trained.data.rows("train"), labelled_rows(trained))
        asked = [student.transform(inputs), labels, student.transform(known[kept]), theirs[kept]]
        assert found["r1"] == pytest.approx(recall_at_k(*asked)[1])
        assert found["map_100"] == pytest.approx(map_at_k(*asked)[100], abs=1e-4)
    np.testing.assert_array_equal(load(student.save(tmp_path / "saved")).predict(inputs), student.predict(inputs))
    assert results.classes == student.classes == trained.data.classes
    assert results.samples["labelled"] < results.samples["train"]


def test_results_of_before_several_labels_were_retrieved_are_read(trained: Trained, tmp_path: Path) -> None:
    """Without these measures, which are then not defined."""
    shutil.copytree(trained.folder, tmp_path / "run")
    file = tmp_path / "run" / "results.json"
    content = json.loads(file.read_text())
    for view in ("student", "teacher"):
        content[view] = {key: value for key, value in content[view].items() if key not in ("r1", "r5", "map_100")}
    file.write_text(json.dumps(content))
    (read,) = load_runs([tmp_path / "run"])
    assert read.scores["student"].headline == content["student"][headline(trained.task).key]
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0


def test_a_report_shows_what_a_picture_finds_that_shares_a_label(tmp_path: Path) -> None:
    """Queries with different sets of labels, none without any; of numbers there is no such section."""
    for task, data in DATA.items():
        pictures = np.zeros((len(data()), 4, 4, 3), dtype=np.uint8)
        source = write_manifest(tmp_path / task, replace(data(), pictures=pictures))
        run(recipe(task, source, epochs=1), tmp_path / f"{task}-run")
    found = retrieval_examples([tmp_path / "multilabel-run"], TrainedRuns())
    sets = [example.query_label for example in found]
    assert len(set(sets)) == len(sets) > 2
    assert "none" not in sets
    for example in found:
        for item in example.by_label["amid_u"]:
            assert item.hit == bool(set(item.label.split(", ")) & set(example.query_label.split(", ")))
    assert retrieval_examples([tmp_path / "regression-run"], TrainedRuns()) == []


def test_a_stopped_and_resumed_run_equals_one_never_stopped(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, stopped inside epochs."""
    again = partial(run, trained.recipe, tmp_path / "run", resume=True)
    steps, stops = run_with_stops(monkeypatch, 7, tmp_path / "run", again)
    assert len(stops) == steps // 7 > 1
    first, second = model_state(trained.folder), model_state(tmp_path / "run")
    assert all((first[key] == second[key]).all() for key in first)
    whole, resumed = (
        json.loads((folder / "results.json").read_text()) for folder in (trained.folder, tmp_path / "run")
    )
    assert whole["student"] == resumed["student"]
    assert whole["teacher"] == resumed["teacher"]


def test_predict_writes_what_the_student_says(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "told.csv"
    assert main(["predict", str(trained.folder), str(trained.source), "--out", str(out)]) == 0
    table, student = pd.read_csv(out, keep_default_na=False), load(trained.folder)
    inputs = trained.data.columns["body"].fetch(np.arange(len(trained.data))).numpy()
    if trained.task == "regression":
        assert [name for name in table if name.startswith("p")] == ["prediction"]
        np.testing.assert_allclose(table["prediction"], student.predict(inputs), rtol=1e-5)
    else:
        shares = table[["p_even", "p_high", "p_prime"]].to_numpy(dtype=float)
        np.testing.assert_allclose(shares, student.predict_proba(inputs), atol=1e-6)
        told = [";".join(np.array(student.classes)[row > 0.5]) or ";" for row in shares]
        assert table["prediction"].tolist() == told
    assert main(["predict", str(trained.folder), str(trained.source), "--top", "2"]) == 2


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("kind", ["manifest", "features"])
def test_predict_writes_labels_of_several_columns(
    kind: str, ending: str, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their names in the input, of a manifest and of a table with a column for each feature."""
    columns = [f"label:{name}" for name in ("u", "v")]
    values = trained.data.columns["body"].fetch(np.arange(3)).numpy()
    if kind == "manifest":
        np.save(tmp_path / "x.npy", values)
        made = pd.DataFrame({"body": [f"x.npy#{row}" for row in range(3)]})
    else:
        made = pd.DataFrame(values, columns=[f"body_{place}" for place in range(values.shape[1])])
    given = made.assign(**{"label:u": ["1", "", "0"], "label:v": ["0", "", "1"]})
    given.to_csv(tmp_path / "given.csv", index=False)
    out = tmp_path / f"told.{ending}"
    capsys.readouterr()
    assert main(["predict", str(trained.folder), str(tmp_path / "given.csv"), "--out", str(out)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("Labels of 2 samples not compared; the first: ")
    assert line.endswith(f"given.csv#0: no column 'label:{trained.data.classes[0]}'")
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": partial(pd.read_json, lines=True)}[ending]
    told = read(out)[columns].astype(float)
    np.testing.assert_array_equal(told.to_numpy(), [[1, 0], [np.nan, np.nan], [0, 1]])
    assert main(["predict", str(trained.folder), str(tmp_path / "given.csv")]) == 0
    assert "u 1, v 0" in " ".join(capsys.readouterr().out.split())


def test_an_exported_file_answers_as_the_student(trained: Trained, tmp_path: Path) -> None:
    """On a single sample, where export tried others."""
    file = tmp_path / "student.onnx"
    assert main(["export", str(trained.folder), "--out", str(file)]) == 0
    inputs, student = target_of(trained, "test")[0][:1], load(trained.folder)
    session = onnxruntime.InferenceSession(file.read_bytes())
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, student.arrays(inputs)), strict=True))
    np.testing.assert_allclose(answers["representation"], student.transform(inputs), atol=1e-4)
    if trained.task == "regression":
        assert names == ["standardized", "values", "representation"]
        np.testing.assert_allclose(answers["values"][:, 0], student.predict(inputs), rtol=1e-4)
    else:
        assert names == ["logits", "probabilities", "representation"]
        np.testing.assert_allclose(answers["probabilities"], student.predict_proba(inputs), atol=1e-4)


def test_int8_is_judged_by_the_task_s_own_measure(trained: Trained, tmp_path: Path) -> None:
    """On the run's test samples, or on those that are given, whose labels may stand in another order."""
    expected = json.loads((trained.folder / "results.json").read_text())["student"][headline(trained.task).key]
    cost = export(trained.folder, tmp_path / "own.onnx", int8=True, force=True).cost
    assert cost is not None
    assert (cost.measure, cost.samples) == (headline(trained.task), len(trained.data.rows("test")))
    assert cost.before == pytest.approx(expected, abs=1e-5)
    assert cost.after == pytest.approx(expected, abs=0.1)
    data, order = trained.data, np.arange(len(trained.data.classes))[::-1]
    turned = replace(data, labels=data.labels[:, order], classes=tuple(data.classes[place] for place in order))
    again = export(trained.folder, tmp_path / "given.onnx", dataset=turned, int8=True, force=True).cost
    assert again == cost
    others = replace(data, classes=tuple(f"{name}?" for name in data.classes))
    with pytest.raises(
        InputError, match=r"cannot be measured \(the test samples of .* have no labels that the student knows\)"
    ):
        export(trained.folder, tmp_path / "others.onnx", dataset=others, int8=True)


def test_a_comparison_and_its_report_say_what_was_measured(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for method in ("baseline", "teacher", "kd"):
        for seed in (0, 1) if trained.task == "regression" else (0,):
            folders.append(tmp_path / f"{method}{seed}")
            run(recipe(trained.task, method=method, epochs=2, seed=seed), folders[-1], dataset=trained.data)
    table = write_table([row_of(folder, read_recipe(folder)) for folder in folders], tmp_path / "results.parquet")
    key = {"regression": "r2", "multilabel": "map"}[trained.task]
    rows = table.set_index(["label", "seed"])
    kd, baseline, teacher = (rows.loc[label] for label in ("kd", "baseline", "teacher"))
    expected = (kd[f"student_{key}"] - baseline[f"student_{key}"]) / (
        teacher[f"teacher_{key}"] - baseline[f"student_{key}"]
    )
    alone = baseline[f"student_{key}"]
    expected = expected.where((alone >= 0) & (teacher[f"teacher_{key}"] > alone))
    np.testing.assert_allclose(kd["gap_recovered"].to_numpy(dtype=float), expected.to_numpy(dtype=float), atol=1e-9)
    said = repr(report_of(load_runs(folders), "report"))
    words = {"regression": ("R²", "RMSE", "MAE", "1 number"), "multilabel": ("mAP", "micro-F1", "3 labels")}
    assert all(word in said for word in words[trained.task])
    assert not re.search(r"top-1|accurac|confusion|class by class", said, flags=re.IGNORECASE)
    assert ("R@1" in said) == ("mAP@100" in said) == (trained.task == "multilabel")
    if trained.task == "regression":  # drawn as well: R² may be below 0
        assert main(["report", *map(str, folders), "--out", str(tmp_path / "report.html")]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "R² and gap in %, mean ± 95 % confidence interval over runs" in printed
        assert "RMSE and MAE in the label's units" in printed


def in_two_units() -> MultimodalDataset:
    """The disease's course beside the body mass, which is a thousandth of it."""
    data, other = diabetes(), load_diabetes().data[:, 2:3]
    return replace(data, labels=np.hstack([data.labels, other]), classes=("progression", "mass"))


def test_errors_of_several_numbers_are_never_shown_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mean over units is in none: tables, terminal and card have each number's own, as scikit-learn measures it."""
    monkeypatch.setenv("COLUMNS", "120")
    data, folder = in_two_units(), tmp_path / "run"
    results = run(recipe("regression", epochs=2), folder, dataset=data)
    test = data.rows("test")
    told = load(folder).predict(data.columns["body"].fetch(test).numpy())
    errors = root_mean_squared_error(data.labels[test], told, multioutput="raw_values")
    np.testing.assert_allclose(results["student"]["per_number_rmse"], errors, rtol=1e-5)
    assert "per_number_mae" in results["teacher"]
    runs = load_runs([folder])
    report = report_of(runs, "report")
    [headline_section, numbers] = [each for each in report.sections if each.name in ("headline", "numbers")]
    assert headline_section.table is not None
    assert numbers.table is not None
    assert not {"RMSE", "MAE"} & {*headline_section.table.columns}
    place = numbers.table.columns.index("RMSE")
    assert {row.cells[0]: row.cells[place] for row in numbers.table.rows} == {
        name: f"{error:.4g}" for name, error in zip(data.classes, errors, strict=True)
    }
    mean = f"{results['student']['rmse']:.4g}"
    assert mean not in repr(report)
    capsys.readouterr()
    assert main(["report", str(folder), "--out", str(tmp_path / "report.html")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "RMSE and MAE are each number's own" in printed
    assert mean not in printed
    text = (load(folder).save(tmp_path / "saved") / "README.md").read_text()
    assert f"| mass | {errors[1]:.3g} |" in text
    assert "rmse" not in text
    assert f"{results['student']['rmse']:.3g}" not in text


def test_results_of_before_each_number_had_errors_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They have no table of numbers, and say so."""
    folder, source = tmp_path / "run", write_manifest(tmp_path / "data", in_two_units())
    run(recipe("regression", source, method="baseline", epochs=1), folder)
    file = folder / "results.json"
    content = json.loads(file.read_text())
    for name in ("per_number_rmse", "per_number_mae"):
        del content["student"][name]
    file.write_text(json.dumps(content))
    assert dict(read_results(folder)) == content
    sections = report_of(load_runs([folder]), "report").sections
    assert "numbers" not in [section.name for section in sections]
    assert "do not say them" in sections[0].note
    capsys.readouterr()
    assert main(["evaluate", str(folder)]) == 0
    assert "The same predictions as when it was trained." in capsys.readouterr().out


def test_a_table_keeps_numbers_however_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One label that stands for none, and R² far below 0."""
    monkeypatch.setenv("COLUMNS", "80")
    data = diabetes()
    data.labels[np.flatnonzero(data.splits == "train")[0]] = 1e30
    run(recipe("regression", method="baseline", epochs=1), tmp_path / "run", dataset=data)
    capsys.readouterr()
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("baseline ")]
    assert re.search(r"−\d\.\de\+\d\d ", line)


@pytest.mark.parametrize("method", ["baseline", "amid"])
def test_a_change_of_unit_changes_predictions_by_that_unit_alone(method: str, tmp_path: Path) -> None:
    """By a power of two standardised numbers are the same to the bit, and with them all of the training."""
    made, data, unit = recipe("regression", method=method, epochs=2), diabetes(), 2.0**20
    inputs = data.columns["body"].fetch(data.rows("test")).numpy()
    run(made, tmp_path / "one", dataset=data)
    run(made, tmp_path / "other", dataset=diabetes(lambda y: unit * y))
    one, other = (load(tmp_path / name).predict(inputs) for name in ("one", "other"))
    np.testing.assert_array_equal(other, unit * one)
    assert one.std() > 0
    scores = [json.loads((tmp_path / name / "results.json").read_text())["student"] for name in ("one", "other")]
    assert scores[0]["r2"] == scores[1]["r2"]
    assert scores[1]["rmse"] == unit * scores[0]["rmse"]


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> tuple[MultimodalDataset, Path]:
    """A run of numbers that vary by 4 around 1.7e9, where float32 tells 128 from each other; its epoch is chosen."""
    data, folder = diabetes(lambda y: 1.7e9 + y / 20), tmp_path_factory.mktemp("far") / "run"
    made = recipe("regression", epochs=4)
    settings = replace(made.data, choose_epoch_on="validation")
    run(replace(made, data=settings), folder, dataset=data)
    return data, folder


def test_numbers_far_from_0_are_measured_as_scikit_learn_does(far: tuple[MultimodalDataset, Path]) -> None:
    data, folder = far
    test = data.rows("test")
    told, true = load(folder).predict(data.columns["body"].fetch(test).numpy()), data.labels[test, 0]
    for results in (read_results(folder), evaluate(folder, data)):
        assert results["student"]["r2"] == pytest.approx(r2_score(true, told), abs=1e-5)
        assert results["student"]["rmse"] == pytest.approx(root_mean_squared_error(true, told), rel=1e-5)
    assert r2_score(true, told) > 0.1, "it has learnt something"


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_an_exported_file_answers_numbers_far_from_0_as_the_student(
    format: Format, far: tuple[MultimodalDataset, Path], tmp_path: Path
) -> None:
    """In deviations of the labels as near as numbers around 0; the file says that they are float64."""
    data, folder = far
    file, student = tmp_path / f"student{ENDINGS[format]}", load(folder)
    exported = export(folder, file, dataset=data)
    inputs = data.columns["body"].fetch(data.rows("test")).numpy()
    made = (onnx_answer if format == "onnx" else torch_answer)(file.read_bytes())(student.arrays(inputs))
    deviation = data.labels[data.labelled_rows("train"), 0].std()
    np.testing.assert_allclose(made["values"][:, 0], student.predict(inputs), rtol=0, atol=1e-5 * deviation)
    assert made["values"][:, 0].std() > 0.1 * deviation
    assert {name: array.dtype.name for name, array in made.items()} == {
        "standardized": "float32",
        "values": "float64",
        "representation": "float32",
    }
    assert list(exported.outputs) == list(made)
    if format == "onnx":
        about = json.loads(onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map["crossdistill"])
        assert {name: told["dtype"] for name, told in about["outputs"].items()} == {
            name: array.dtype.name for name, array in made.items()
        }
        mean, unit = about["model"]["label_mean"][0], about["model"]["label_deviation"][0]
        told = made["standardized"].astype(np.float64) * unit + mean
        np.testing.assert_allclose(told, made["values"], rtol=0, atol=1e-5 * deviation)


def test_values_far_from_0_that_lose_what_labels_vary_by_are_refused(
    far: tuple[MultimodalDataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of a deviation is 2e-10 of the numbers themselves."""
    data, folder = far
    outputs, off = Regression.outputs, 0.1 * data.labels[data.labelled_rows("train"), 0].std()

    def shifted(task: Regression, logits: torch.Tensor) -> dict[str, torch.Tensor]:
        made = outputs(task, logits)
        return {**made, "values": made["values"] + (off if torch.compiler.is_exporting() else 0.0)}

    monkeypatch.setattr(Regression, "outputs", shifted)
    with pytest.raises(InputError, match=r"answers differ from the student's by \d\.\de-0[12]"):
        export(folder, tmp_path / "student.onnx", dataset=data)
    assert list(tmp_path.iterdir()) == []


def test_int8_of_numbers_far_from_0_is_measured(far: tuple[MultimodalDataset, Path], tmp_path: Path) -> None:
    data, folder = far
    cost = export(folder, tmp_path / "int8.onnx", dataset=data, int8=True, force=True).cost
    assert cost is not None
    assert cost.before == pytest.approx(read_results(folder)["student"]["r2"], abs=1e-5)
    assert cost.after == pytest.approx(cost.before, abs=0.1)
    made = onnx_answer((tmp_path / "int8.onnx").read_bytes())(
        load(folder).arrays(data.columns["body"].fetch(data.rows("test")).numpy())
    )
    assert r2_score(data.labels[data.rows("test")], made["values"]) == pytest.approx(cost.after, abs=0.05)


def beside_a_constant(constant: int) -> MultimodalDataset:
    """The disease's course and a number that is 7 in all test samples, or that alone; `constant`: how many numbers."""
    data = diabetes()
    seven = np.where(data.splits == "test", 7.0, data.labels[:, 0])
    return replace(
        data,
        labels=np.stack([data.labels[:, 0], seven], axis=1)[:, -constant:],
        classes=("progression", "seven")[-constant:],
    )


@pytest.mark.parametrize("task", DATA)
def test_teacher_and_student_are_compared_on_the_samples_that_have_all(task: TaskKind, tmp_path: Path) -> None:
    data = DATA[task]()
    there = np.random.default_rng(0).random(len(data)) < 0.6
    blood = PartialColumn(ReorderedColumn(data.columns["blood"], np.flatnonzero(there)), there)
    data = replace(data, columns={**data.columns, "blood": blood})
    rows = data.rows("test")[there[data.rows("test")]]
    folders = {tmp_path / name: recipe(task, "x", name, epochs=2) for name in ("baseline", "teacher", "kd")}
    for folder, made in folders.items():
        run(made, folder, dataset=data)
    runs = {each.label: each for each in load_runs(list(folders))}
    assert runs["teacher"].scores["teacher"].measured == len(rows)
    for name in ("baseline", "kd"):
        student, inputs = load(tmp_path / name), data.columns["body"].fetch(rows).numpy()
        if task == "regression":
            expected = r2_score(data.labels[rows], student.predict(inputs))
        else:
            expected = average_precision_score(data.labels[rows], student.predict_proba(inputs), average="macro")
        scores = runs[name].scores["student"]
        assert scores.complete == pytest.approx(expected, abs=1e-5)
        assert scores.complete != scores.headline
    gap = runs["kd"].scores["teacher"].headline - runs["kd"].scores["student"].complete
    assert headlines(list(runs.values()))["kd"].gap == pytest.approx(gap)
    table = write_table([row_of(*each) for each in folders.items()], tmp_path / "results.parquet")
    assert table.gap[2] == pytest.approx(gap)


def test_a_number_that_is_the_same_in_all_test_samples_is_no_end_of_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = beside_a_constant(2)
    for seed in (0, 1):
        for method in ("baseline", "kd"):
            run(recipe("regression", method=method, epochs=2, seed=seed), tmp_path / f"{method}{seed}", dataset=data)
    runs = load_runs([tmp_path / f"{method}{seed}" for seed in (0, 1) for method in ("baseline", "kd")])
    made, test = runs[0], data.rows("test")
    told = load(made.folder).predict(data.columns["body"].fetch(test).numpy())
    assert made.scores["student"].headline == pytest.approx(r2_score(data.labels[test, 0], told[:, 0]), abs=1e-5)
    said = "'seven' has one value in all test samples, so that R² and Pearson's r are not defined for it"
    assert said in " ".join(report_of(runs, "report").summary)
    assert main(["report", *(str(each.folder) for each in runs), "--out", str(tmp_path / "report.md")]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert "student trained without" in report_of(runs, "report").lead


def test_no_share_is_said_of_a_gap_below_0(tmp_path: Path) -> None:
    """Test samples far from what was learnt: all R² are below 0, a teacher's by less than the student alone's."""
    data, folders = diabetes(), []
    data.labels[data.rows("test")] += 1e6 - data.labels.mean()
    for method in ("baseline", "teacher", "kd"):
        for seed in (0, 1):
            folders.append(tmp_path / f"{method}{seed}")
            run(recipe("regression", method=method, epochs=2, seed=seed), folders[-1], dataset=data)
    runs = load_runs(folders)
    assert all(scores.headline < 0 for each in runs for scores in each.scores.values())
    assert all(math.isnan(row.gap_recovered) for row in headlines(runs).values())
    text = " ".join(report_of(runs, "report").summary)
    assert "no share is said" in text
    assert "recovers" not in text
    table = write_table([row_of(folder, read_recipe(folder)) for folder in folders], tmp_path / "results.parquet")
    assert table["gap_recovered"].isna().all()


@pytest.mark.parametrize("task", DATA)
def test_evaluate_says_that_a_model_is_the_same_where_a_measure_is_not_defined(
    task: TaskKind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a label that no test sample has, of a number that does not vary, and where nothing is left."""
    data = DATA[task]()
    test = data.splits == "test"
    for count, name in ((1, "one"), (len(data.classes), "all")):
        labels = data.labels.copy()
        labels[np.ix_(test, np.arange(count))] = 0.0
        source = write_manifest(tmp_path / f"{name}-data", replace(data, labels=labels))
        run(recipe(task, source, epochs=1), tmp_path / name)
        capsys.readouterr()
        assert main(["evaluate", str(tmp_path / name)]) == 0
        said = capsys.readouterr().out
        assert "The same predictions as when it was trained." in said
        assert "nan" not in said
        assert ("–" in said) == (count == len(data.classes))


def test_where_no_number_varies_that_is_the_reason_that_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folders = write_manifest(tmp_path / "data", beside_a_constant(1)), []
    for seed in (0, 1):
        for method in ("baseline", "kd"):
            folders.append(tmp_path / f"{method}{seed}")
            made = recipe("regression", source, method, epochs=2, seed=seed)
            run(made, folders[-1])
    said = "The label has one value in all test samples, so that R² and Pearson's r are not defined"
    found = report_of(load_runs(folders), "report")
    assert said in " ".join(found.summary)
    assert "measured in every run" not in " ".join(found.summary)
    assert found.steps == ("Measure on samples whose labels differ: of others R² is not defined.",)
    with pytest.raises(InputError, match=r"measured \(R² of 148 samples that are labelled alike is not defined\)"):
        export(folders[0], tmp_path / "student.onnx", int8=True)
    assert export(folders[0], tmp_path / "student.onnx", int8=True, force=True).cost is None
    capsys.readouterr()
    assert main(["evaluate", str(folders[0])]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("task", DATA)
def test_a_method_without_a_meaning_names_those_that_have_one(task: TaskKind, tmp_path: Path) -> None:
    refusing = [name for name, kind in METHODS.items() if task not in kind.tasks]
    assert {"crd", "dkd", "dist"} <= set(refusing)
    for name in refusing:
        with pytest.raises(InputError, match=rf"method: {name} has no meaning for {task}; .*baseline.*amid_u"):
            run(recipe(task, method=name), tmp_path / name, dataset=DATA[task]())


@pytest.mark.parametrize("option", [("kd", "standardize", True), ("amid", "divergence", "symmetric_kl")])
def test_an_option_of_classes_alone_is_refused_elsewhere(option: tuple[str, str, Any], tmp_path: Path) -> None:
    method, name, value = option
    made = recipe("regression", method=method, options={method: {name: value}})
    with pytest.raises(InputError, match=rf"{method}: {name}.*classes alone"):
        run(made, tmp_path / "run", dataset=diabetes())


def test_its_card_says_what_it_answers_and_what_was_measured(trained: Trained, tmp_path: Path) -> None:
    text = (load(trained.folder).save(tmp_path / "saved") / "README.md").read_text()
    results = json.loads((trained.folder / "results.json").read_text())
    student, samples = results["student"], results["student"]["measured"]
    if trained.task == "regression":
        row = f"{100 * student['r2']:.1f} % | {student['rmse']:.3g} | {student['mae']:.3g} | {student['pearson']:.3g}"
        assert "Predicts a number: progression." in text
        assert "pipeline_tag: tabular-regression" in text
        assert "predict_proba" not in text
        assert f"type: rmse\n      value: {round(student['rmse'], 4)}" in text
    else:
        keys = ("map", "micro_f1", "macro_f1", "r1", "r5", "map_100")
        row = " | ".join(f"{100 * student[key]:.1f} %" for key in keys)
        assert "Says which of 3 labels a sample has, any number of them: even, high, prime." in text
        assert "predict_proba" in text
    assert f"| student | {row} | {samples} |" in text
    assert "| teacher |" in text
    assert "accurac" not in text
    again = load(load(tmp_path / "saved").save(tmp_path / "again"))
    assert (tmp_path / "again" / "README.md").read_text() == text
    assert again.about["measured"]["student"]["samples"] == samples
