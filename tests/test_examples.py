"""Each script of examples/ runs by itself, in a folder of its own, and shows what it says that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.processes import run_script

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = ["compare", "own_arrays", "own_clips", "own_encoder", "own_method", "predict", "scikit_learn", "ship"]


def said(script: str, folder: Path, *arguments: str) -> list[str]:
    """The lines that the script prints, run as a reader would run it."""
    done = run_script(EXAMPLES / f"{script}.py", *arguments, folder=folder, errors=UserWarning)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def percent(line: str, name: str) -> float:
    """The accuracy that follows a name."""
    number = re.search(rf"{name} ([\d.]+)%", line)
    assert number, line
    return float(number[1])


def results_of(run: Path) -> dict[str, dict[str, float]]:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder in which own_arrays.py ran, and what it printed."""
    folder = tmp_path_factory.mktemp("arrays")
    return folder, said("own_arrays", folder)


def test_every_script_is_tested_and_short() -> None:
    modules = {"stroke_encoder"}  # what own_encoder.py imports
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, *modules}
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60, path.name


def test_own_arrays_prints_what_its_runs_hold(arrays: tuple[Path, list[str]]) -> None:
    folder, lines = arrays
    runs = folder / "runs/examples/own_arrays"
    for line, method in zip(lines[:2], ("baseline", "amid"), strict=True):
        assert line.startswith(method)
        top1 = results_of(runs / method)["student"]["top1"]
        assert percent(line, "student") == pytest.approx(100 * top1, abs=0.05)
        assert top1 > 0.6  # by chance: a third
    assert percent(lines[1], "teacher") > percent(lines[1], "student")  # it sees the camera


def test_own_arrays_run_again_says_the_same_without_training(arrays: tuple[Path, list[str]]) -> None:
    folder, lines = arrays
    metrics = folder / "runs/examples/own_arrays/amid/metrics.jsonl"
    before = metrics.stat().st_mtime_ns
    assert said("own_arrays", folder) == lines
    assert metrics.stat().st_mtime_ns == before


def test_predict_shows_predictions_a_mistake_and_the_student_alone(arrays: tuple[Path, list[str]]) -> None:
    folder, _ = arrays
    lines = said("predict", folder)
    assert lines[0] == "trained by amid to tell push, turn, wave"
    predicted = [re.fullmatch(r"(\w+) +push ([\d.]+) turn ([\d.]+) wave ([\d.]+)", line) for line in lines[2:6]]
    for match in predicted:
        assert match
        probabilities = dict(zip(("push", "turn", "wave"), map(float, match.groups()[1:]), strict=True))
        assert sum(probabilities.values()) == pytest.approx(1, abs=0.02)
        assert match[1] == max(probabilities, key=probabilities.__getitem__)
    assert lines[6].startswith("five features: wrist: expected")
    assert "found an array of shape (4, 5)" in lines[6]
    saved = folder / "runs/examples/predict"
    assert {path.name for path in saved.iterdir()} == {"README.md", "config.json", "student.safetensors"}
    assert lines[-1] == "the same predictions: True"


def test_ship_exports_what_answers_alike(tmp_path: Path) -> None:
    lines = said("ship", tmp_path)
    assert lines[0] == "wrist.onnx takes wrist ('batch', 'time', 3), wrist_lengths ('batch',)"
    assert lines[1] == "checked on 24 test samples of arrays"
    assert lines[2] == "the same predictions: True"
    assert (tmp_path / "runs/examples/ship/student/student.safetensors").is_file()


def test_predict_takes_its_folders_as_arguments(arrays: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = arrays
    lines = said("predict", folder, "runs/examples/own_arrays/baseline", str(tmp_path / "alone"))
    assert lines[0].startswith("trained by baseline")
    assert (tmp_path / "alone/student.safetensors").is_file()


def test_own_encoder_learns_by_name_and_by_module(tmp_path: Path) -> None:
    lines = said("own_encoder", tmp_path)
    assert lines[0] == "StrokeEncoder keeps the contract"
    assert percent(lines[1], "by name: student") > 80  # by chance: 33
    assert percent(lines[2], "by module: student") > 80
    assert lines[3] == "loaded: stroke_encoder:StrokeEncoder says 0, 1, 2"
    recipe = (tmp_path / "runs/examples/own_encoder/by-name/recipe.yaml").read_text(encoding="utf-8")
    assert "kind: stroke_encoder:StrokeEncoder" in recipe


def test_own_method_is_compared_with_the_baseline(tmp_path: Path) -> None:
    lines = said("own_method", tmp_path, "compared")
    assert [line.split()[:2] for line in lines[1:]] == [[m, s] for s in "01" for m in ("baseline", "regression")]
    table = pd.read_parquet(tmp_path / "compared/results.parquet")
    assert list(table["method"]) == ["baseline", "regression"] * 2
    assert table.query("method == 'regression'")["teacher_top1"].notna().all()
    distances = [
        next(value for key, value in json.loads(line).items() if key.endswith("distance"))
        for line in (tmp_path / "compared/regression-seed1/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(distances) == 2


def test_compare_prints_the_means_of_its_table(tmp_path: Path) -> None:
    lines = said("compare", tmp_path)
    assert sorted(lines[:9]) == sorted(
        f"{method} seed {seed}: done" for method in ("baseline", "teacher", "kd") for seed in range(3)
    )
    table = pd.read_parquet(tmp_path / "runs/examples/compare/results.parquet")
    assert len(table) == 9
    printed = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("baseline ", "kd "))}
    for method in ("baseline", "kd"):
        mean = table.query(f"label == '{method}'")["student_top1"].mean()
        assert float(printed[method][0]) == pytest.approx(mean, abs=5e-4)
        assert mean > 0.5


def test_scikit_learn_shows_what_the_other_half_is_worth_and_what_ships(tmp_path: Path) -> None:
    lines = said("scikit_learn", tmp_path)
    alone, helped = percent(lines[0], "alone"), percent(lines[1], "training")
    assert helped > alone + 5 > 40  # by chance: 10
    assert percent(lines[1], "teacher") > helped
    assert lines[2] in ("chosen by cross-validation: amid_u", "chosen by cross-validation: kd")
    assert re.fullmatch(r"loaded: (\d, ){4}\d", lines[3])
    files = {path.name for path in (tmp_path / "runs/examples/scikit_learn").iterdir()}
    assert files == {"README.md", "config.json", "student.safetensors"}


def test_own_clips_are_learnt_and_predicted_from_their_paths(tmp_path: Path) -> None:
    lines = said("own_clips", tmp_path)
    runs = tmp_path / "runs/examples/own_clips"
    assert len(list((runs / "clips").glob("*.mp4"))) == 24
    top1 = results_of(runs / "run")["student"]["top1"]
    assert percent(lines[0], "student") == pytest.approx(100 * top1, abs=0.05)
    assert top1 > 0.7  # by chance: a half
    assert [line.split()[0] for line in lines[1:]] == ["20.mp4", "21.mp4", "22.mp4", "23.mp4"]
    assert {line.split()[1] for line in lines[1:]} == {"up", "down"}
