"""Measuring a finished run again: what stays, what is measured, what is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import crossdistill
from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, read_manifest, write_manifest
from crossdistill.data import fingerprint as fingerprints
from crossdistill.exports.samples import batches, samples_for
from crossdistill.runs.evaluate import evaluate
from crossdistill.runs.results import read_results, to_json
from crossdistill.runs.run import run
from crossdistill.student import load
from crossdistill.types import InputError
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe, with_data
from tests.saved import model_bytes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`files` was trained from a manifest, `arrays` from Python; two epochs leave mistakes to be counted."""
    root = tmp_path_factory.mktemp("runs")
    run(recipe(folder_of(gestures(), root), epochs=2), root / "files")
    run(recipe(epochs=2), root / "arrays", dataset=gestures())
    return root


@pytest.mark.parametrize("name", ["files", "arrays"])
def test_the_saved_model_gives_the_stored_results(name: str, root: Path) -> None:
    before = {path.name: path.read_bytes() for path in (root / name).iterdir()}
    again = evaluate(root / name, gestures() if name == "arrays" else None)
    assert to_json(again) == to_json(read_results(root / name))
    assert {path.name: path.read_bytes() for path in (root / name).iterdir()} == before, "nothing is written"


def test_scores_are_measured_and_not_copied(root: Path, tmp_path: Path) -> None:
    """On other test samples the scores are others; what the training cost is what it was."""
    again = evaluate(root / "arrays", gestures(lambda values: -values))
    stored = read_results(root / "arrays")
    assert not np.array_equal(again.scores["student"].confusion, stored.scores["student"].confusion)
    assert again.cosine_pair != stored.cosine_pair
    assert (again.seconds, again.peak_memory_mb, again.files) == (stored.seconds, stored.peak_memory_mb, stored.files)


def test_data_that_were_given_may_be_others_which_is_said(root: Path) -> None:
    heard = Heard()
    evaluate(root / "arrays", gestures(), listener=heard)
    assert heard.lines == []
    evaluate(root / "arrays", gestures(lambda values: -values), listener=heard)
    assert heard.lines == [
        "Perhaps measured on other data than in training: modality wrist, modality eye may have changed"
    ]


CHANGES: dict[str, Callable[[MultimodalDataset], MultimodalDataset]] = {
    "labels": lambda data: replace(data, labels=np.roll(data.labels, 1)),
    "splits": lambda data: replace(data, splits=np.roll(data.splits, 4)),
    "modality wrist, modality eye": lambda data: gestures(lambda values: values + 1),
}


@pytest.mark.parametrize("parts", CHANGES)
def test_numbers_of_other_data_are_not_the_run_s(
    parts: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies at data.source now is asked whether it is what the run was trained and measured on."""
    other = write_manifest(tmp_path / "other", CHANGES[parts](gestures()))
    assert main(["evaluate", str(root / "files"), "--data.source", str(other)]) == 2
    message = f"{other}: expected the data of training, found others: {parts} differ"
    assert message in capsys.readouterr().err
    shutil.copytree(root / "files", tmp_path / "run")
    written = (root / "files" / "recipe.yaml").read_text(encoding="utf-8")
    moved = written.replace(str(root / "gestures"), str(other))
    (tmp_path / "run" / "recipe.yaml").write_text(moved, encoding="utf-8")
    tried = samples_for(load(tmp_path / "run"), tmp_path / "run", None)
    assert message in tried.why_random


def test_data_that_have_moved(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = shutil.copytree(root / "gestures", tmp_path / "copied", copy_function=shutil.copy)
    assert main(["evaluate", str(root / "files"), "--data.source", str(copied)]) == 0
    said = capsys.readouterr().out
    assert "The same predictions as when it was trained." in said
    assert "Perhaps" not in said


def test_of_files_too_large_to_compare_it_is_said_that_they_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_MOST_READ", 50)
    source, heard = folder_of(gestures(), tmp_path), Heard()
    run(recipe(source, method="baseline", epochs=1), tmp_path / "run")
    evaluate(tmp_path / "run", listener=heard)
    assert heard.lines == []
    for file in source.rglob("*.npy"):
        os.utime(file, (1, 1))
    evaluate(tmp_path / "run", listener=heard)
    (line,) = heard.lines
    assert line.startswith("Perhaps measured on other data than in training: modality wrist")


def test_a_run_that_measured_nothing_has_nothing_to_measure(tmp_path: Path) -> None:
    made = with_data(recipe(method="baseline", epochs=1), evaluate_on="none")
    trained = run(made, tmp_path / "run", dataset=gestures())
    assert (trained.scores, trained.split, trained.samples) == ({}, "none", {"train": 32})
    assert np.isnan(trained.cosine_pair)
    assert to_json(evaluate(tmp_path / "run", gestures())) == to_json(trained)


def test_without_its_data_or_its_results(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from Python, pass it again as dataset="):
        evaluate(root / "arrays")
    shutil.copytree(root / "files", tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    with pytest.raises(InputError, match="not a finished run"):
        evaluate(tmp_path / "run")
    assert model_bytes(tmp_path / "run") == model_bytes(root / "files")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A run on a table of numbers, read by their columns' names, and the table."""
    folder, random = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    labels, split = np.arange(80) % 2, np.repeat(["train", "test"], 40)
    numbers = random.normal(size=(80, 3)) * [1, 10, 100] + labels[:, None] * [0.5, 0, 200]
    frame = pd.DataFrame(numbers, columns=["wrist_x", "wrist_y", "wrist_z"])
    frame = frame.assign(eye_a=labels + 0.1, eye_b=-labels, split=split, label=labels)
    frame.loc[[3, 41], ["eye_a", "eye_b"]] = np.nan
    frame.to_csv(folder / "manifest.csv", index=False)
    own = replace(crossdistill.own(("wrist",), ("eye",)), method="kd", epochs=3, batch_size=8)
    made = with_data(own, source=str(folder / "manifest.csv"), control="shuffled")
    run(made, folder / "run")
    return folder, frame


@pytest.mark.parametrize("added", [[], ["wrist_w"]])
def test_features_are_known_by_name_wherever_their_columns_stand(
    table: tuple[Path, pd.DataFrame], added: list[str]
) -> None:
    folder, frame = table
    order = ["eye_b", "wrist_z", "label", *added, "wrist_x", "split", "eye_a", "wrist_y"]
    frame.assign(wrist_w=1.5)[order].to_csv(folder / "manifest.csv", index=False)
    assert to_json(evaluate(folder / "run")) == to_json(read_results(folder / "run"))
    data, student = read_manifest(folder, ["wrist"]), load(folder / "run")
    by_name = student.predict_proba(frame[["wrist_x", "wrist_y", "wrist_z"]])
    assert np.array_equal(student.predictions(data).probabilities, by_name)
    tried = samples_for(student, folder / "run", None)
    assert tried.why_random == ""
    (batch, *_), _ = batches(student, tried)
    assert np.array_equal(
        batch["wrist"], student.arrays(frame.loc[tried.rows[:1], ["wrist_x", "wrist_y", "wrist_z"]])["wrist"]
    )


@pytest.mark.parametrize("control", ["noise", "zeroed"])
def test_made_up_numbers_are_those_of_training_where_there_are_more_features(
    control: str, table: tuple[Path, pd.DataFrame]
) -> None:
    folder, frame = table
    frame.to_csv(folder / "manifest.csv", index=False)
    made = replace(crossdistill.own(("wrist",), ("eye",)), method="kd", epochs=1, batch_size=8)
    run(with_data(made, source=str(folder / "manifest.csv"), control=control), folder / control)
    frame.assign(eye_c=2 * frame["eye_a"])[["eye_c", *frame.columns[::-1]]].to_csv(folder / "manifest.csv", index=False)
    assert to_json(evaluate(folder / control)) == to_json(read_results(folder / control))


def test_a_feature_of_training_that_is_not_there(table: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = table
    frame.rename(columns={"wrist_y": "wrist_w"}).to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(
        InputError, match="wrist: expected the column 'wrist_y' that training had, found wrist_x, wrist_w, wri"
    ):
        evaluate(folder / "run")
