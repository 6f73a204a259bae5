"""Measuring a finished run again: what stays, what is measured, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossdistill.runs.evaluate import evaluate
from crossdistill.runs.results import read_results, to_json
from crossdistill.runs.run import run
from crossdistill.types import InputError
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
