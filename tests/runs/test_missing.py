"""Whole runs on data in which some samples lack a modality."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill import load
from crossdistill.cli.headline import show_headline
from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, from_arrays, write_manifest
from crossdistill.data.controls import Control
from crossdistill.recipes.recipe import DataSettings
from crossdistill.reports.runs import load_runs
from crossdistill.reports.sections import report_of
from crossdistill.reports.tables import headlines
from crossdistill.runs.build import build
from crossdistill.runs.data import split_dataset
from crossdistill.runs.folder import read_recipe
from crossdistill.runs.results import read_results
from crossdistill.runs.run import run
from crossdistill.runs.statistics import feature_statistics
from crossdistill.studies.table import row_of, write_table
from crossdistill.training import Optimization
from crossdistill.types import InputError
from tests.runs.small import SAMPLES, gestures, recipe, with_data
from tests.saved import model_bytes

TEST = np.arange(SAMPLES) >= SAMPLES * 2 // 3


def lacking(modality: str, lacks: np.ndarray, filler: float = 0.0) -> MultimodalDataset:
    whole = gestures()
    values = {name: [np.asarray(v) for v in column_values(whole, name)] for name in whole.columns}
    values[modality] = [np.full_like(v, filler) if gone else v for v, gone in zip(values[modality], lacks, strict=True)]
    return from_arrays(
        values, whole.labels, splits=TEST, ids=whole.ids, present={modality: ~lacks}, classes=whole.classes
    )


def column_values(dataset: MultimodalDataset, name: str) -> list[np.ndarray]:
    column = dataset.columns[name]
    return column.sequences if hasattr(column, "sequences") else list(column.array)  # type: ignore[union-attr]


EYE = np.arange(SAMPLES) % 5 < 2


@pytest.mark.parametrize("method", ["amid", "baseline", "teacher"])
def test_what_stands_in_the_place_of_what_is_missing_changes_no_result(method: str, tmp_path: Path) -> None:
    for name, filler in (("a", 0.0), ("b", np.nan)):
        run(recipe(method=method), tmp_path / name, dataset=lacking("eye", EYE, filler))
    weights = [model_bytes(tmp_path / name) for name in ("a", "b")]
    assert weights[0] == weights[1]


def test_the_student_is_measured_on_all_and_the_teacher_on_complete_samples(tmp_path: Path) -> None:
    results = run(recipe(), tmp_path / "run", dataset=lacking("eye", EYE))
    assert results["student"]["measured"] == TEST.sum()
    assert results["teacher"]["measured"] == (TEST & ~EYE).sum()
    assert np.sum(results["teacher"]["confusion"]) == (TEST & ~EYE).sum()
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert "training/loss/classification_incomplete" in record
    assert "skipped" not in record, "nothing is read from files that could break"


@pytest.mark.parametrize("width", [40, 80])
def test_each_view_says_on_how_many_samples_it_was_measured_where_these_are_not_all(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name, data in (("whole", gestures()), ("parts", lacking("eye", EYE))):
        run(recipe(write_manifest(tmp_path / f"{name}-data", data)), tmp_path / name)
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "whole")]) == 0
    assert " of 16" not in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "parts")]) == 0
    said = capsys.readouterr().out
    assert "16 of 16" in said
    assert f"{(TEST & ~EYE).sum()} of 16" in said
    results = repr(read_results(tmp_path / "parts"))
    assert re.search(r"student top-1 [0-9.]+ % on 16, teacher top-1 [0-9.]+ % on 10 of 16 test samples\)", results)


def test_a_test_split_without_the_auxiliary_modality_measures_the_student_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And terminal and report say why there is no more, of results of before as far as these tell."""
    results = run(recipe(), tmp_path / "run", dataset=lacking("eye", TEST))
    assert results["student"]["measured"] == TEST.sum()
    assert set(results.scores) == {"student"}
    assert results["absent"] == ["eye"]
    runs, said = load_runs([tmp_path / "run"]), "No test sample has eye, so the teacher and the gap cannot be measured."
    report = report_of(runs, "report")
    assert said in report.summary
    assert said in report.sections[0].note
    show_headline(runs)
    assert said in capsys.readouterr().out
    file = tmp_path / "run" / "results.json"
    content = json.loads(file.read_text())
    del content["absent"]
    file.write_text(json.dumps(content))
    of_before = report_of(load_runs([tmp_path / "run"]), "report").summary
    assert any("has all of wrist and eye, so the teacher and the gap cannot be measured" in each for each in of_before)


def test_where_the_teacher_is_measured_nothing_is_said_of_why_it_is_not(tmp_path: Path) -> None:
    results = run(recipe(), tmp_path / "run", dataset=lacking("eye", EYE))
    assert "absent" not in results
    assert "cannot be measured" not in repr(report_of(load_runs([tmp_path / "run"]), "report"))


def test_a_baseline_has_no_teacher_that_could_be_missed(tmp_path: Path) -> None:
    run(recipe(method="baseline"), tmp_path / "run", dataset=lacking("eye", TEST))
    assert "cannot be measured" not in repr(report_of(load_runs([tmp_path / "run"]), "report"))


def test_a_baseline_does_not_notice(tmp_path: Path) -> None:
    made = recipe(method="baseline")
    run(made, tmp_path / "whole", dataset=gestures())
    run(made, tmp_path / "lacking", dataset=replace(lacking("eye", EYE), name="gestures"))
    whole, some = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "lacking"))
    right = some["student"].pop("complete")  # so that others are compared with it, on the same samples
    assert some["student"].pop("complete_measured") == (TEST & ~EYE).sum()
    assert whole["student"] == some["student"]
    student, rows = load(tmp_path / "lacking"), np.flatnonzero(TEST & ~EYE)
    told = student.predict({"wrist": [column_values(gestures(), "wrist")[row] for row in rows]})
    assert right == pytest.approx(np.mean(told == np.array(gestures().classes)[gestures().labels[rows]]))


def test_the_gap_is_of_complete_samples_after_each_epoch_and_at_the_end(tmp_path: Path) -> None:
    results = run(recipe(), tmp_path / "run", dataset=lacking("eye", EYE))
    student, teacher = results.scores["student"], results.scores["teacher"]
    assert math.isnan(teacher.complete)
    assert teacher.on_complete == teacher.headline
    assert student.on_complete == student.complete != student.headline
    assert "complete" not in results["teacher"]
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert record["evaluation/student/top1"] == pytest.approx(student.headline)
    assert record["evaluation/gap"] == pytest.approx(teacher.headline - student.complete)


def test_whole_samples_leave_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(recipe(), folder, dataset=gestures())
    assert '"complete"' not in (folder / "results.json").read_text()
    assert "student_complete" not in write_table([row_of(folder, read_recipe(folder))], tmp_path / "table.parquet")


def blind_where_it_matters() -> MultimodalDataset:
    """A wrist that cannot tell c from d, and a camera that is noise; of test samples only those of a and b have one."""
    random, count = np.random.default_rng(0), 400
    labels, test = random.integers(0, 4, count), np.arange(count) >= 300
    wrist = np.array([[4, 0], [-4, 0], [0, 4], [0, 4]])[labels] + random.normal(size=(count, 2))
    present = {"eye": ~(test & (labels > 1))}
    samples = {"wrist": wrist, "eye": random.normal(size=(count, 3))}
    return from_arrays(samples, np.array(list("abcd"))[labels], splits=test, present=present)


def test_a_camera_of_noise_recovers_no_gap_where_it_was_on_for_easy_samples_alone(tmp_path: Path) -> None:
    data, folders = blind_where_it_matters(), {}
    made = recipe(epochs=6, data=DataSettings("own", ("wrist",), ("eye",)))
    made = replace(made, model=replace(made.model, encoders={}), optimization=Optimization(learning_rate=1e-2))
    for name in ("baseline", "teacher", "kd", "kd, capacity-matched"):
        control: Control = "target" if ", " in name else "none"
        asked = with_data(replace(made, method=name.split(",")[0], label=name), control=control)
        folders[tmp_path / name] = asked
        run(asked, tmp_path / name, dataset=data)
    runs = load_runs(list(folders))
    there = runs[1].scores["teacher"].measured
    assert [scores.measured for each in runs for scores in each.scores.values()] == [100, there, 100, there, 100, there]
    assert runs[1].scores["teacher"].headline - runs[0].scores["student"].headline > 0.2, "of other samples"
    table = headlines(runs)
    assert all(abs(table[name].gap) < 0.05 for name in ("kd", "kd, capacity-matched"))
    assert abs(table["kd"].way.teacher - table["kd"].way.baseline) < 0.05
    report, on = report_of(runs, "report"), f"the {there} test samples that have all modalities"
    assert f"On {on}, " in " ".join(report.summary)
    assert f"Gaps are of {on}." in report.sections[0].note
    assert report.picture is not None
    assert f"on {on}, one run each; the teacher also sees" in report.picture.caption
    written = write_table([row_of(*each) for each in folders.items()], tmp_path / "results.parquet").set_index("label")
    for name, row in table.items():
        assert written.gap[name] == pytest.approx(row.gap, nan_ok=True)
        assert written.gap_recovered[name] == pytest.approx(row.gap_recovered, nan_ok=True)
        assert written.student_complete[name] == pytest.approx(row.complete, nan_ok=True)


def test_statistics_are_those_of_samples_that_are_there() -> None:
    dataset, whole = lacking("eye", EYE, np.nan), gestures()
    mean, std = feature_statistics(dataset, "eye", center=False)
    there = np.stack(column_values(whole, "eye"))[~TEST & ~EYE]
    np.testing.assert_allclose(mean, there.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, there.std(0), rtol=1e-6)


def test_methods_are_prepared_for_the_samples_that_they_will_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdistill.methods import AMID, Baseline

    seen: dict[str, list[int]] = {}
    for kind in (AMID, Baseline):
        monkeypatch.setattr(
            kind, "prepare", lambda self, samples: seen.update({type(self).__name__: samples.rows.tolist()})
        )
    for name in ("amid", "baseline"):
        made, dataset = recipe(method=name), lacking("eye", EYE)
        build(made, dataset)
    assert seen["AMID"] == np.flatnonzero(~TEST & ~EYE).tolist()
    assert seen["Baseline"] == np.flatnonzero(~TEST).tolist()


def test_a_missing_target_modality_is_refused_and_the_sample_named() -> None:
    with pytest.raises(InputError, match="sample 's3' lacks the target modality 'wrist'"):
        split_dataset(lacking("wrist", np.arange(SAMPLES) == 3), recipe().data, 0)


def test_an_auxiliary_modality_that_no_training_sample_has_is_refused() -> None:
    made, dataset = recipe(), lacking("eye", ~TEST)
    with pytest.raises(InputError, match="no training sample has the modality 'eye'"):
        build(made, dataset)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("kd", r"^kd: its stage 'auxiliary' learns labels, and none of the 20 labelled training samples has .*\(eye\)"),
        ("amid", "no labelled training sample has all modalities that amid learns from"),
    ],
)
def test_labelled_samples_of_which_none_has_the_auxiliary_modality_are_refused(method: str, message: str) -> None:
    """Where something learns labels with it; the unlabelled samples have it."""
    dataset = lacking("eye", np.arange(SAMPLES) < 20)
    dataset = replace(dataset, labels=np.where((np.arange(SAMPLES) >= 20) & ~TEST, -1, dataset.labels))
    with pytest.raises(InputError, match=message):
        build(recipe(method=method), dataset)
    made = recipe(method="kd", auxiliary_epochs=0)
    made = replace(made, model=replace(made.model, auxiliary_encoders="trained"))
    with pytest.raises(InputError, match=r"kd: its stage 'teacher' learns labels, .* reads \(wrist, eye\); label some"):
        build(made, dataset)


@pytest.mark.parametrize("method", ["baseline", "amid_u"])
def test_training_samples_without_any_label_are_refused(method: str) -> None:
    dataset = gestures()
    labels = np.where(TEST, dataset.labels, -1)
    unlabelled = from_arrays(
        {name: column_values(dataset, name) for name in dataset.columns}, labels, splits=TEST, classes=dataset.classes
    )
    with pytest.raises(InputError, match="no training sample has a label"):
        build(recipe(method=method), unlabelled)
