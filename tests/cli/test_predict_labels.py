"""What `crossdistill predict` says at its end: labels beside what is predicted are compared with it, whatever the task,
and what could not be read has a reason."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crossdistill.cli.main import main
from crossdistill.data import from_arrays
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import DataSettings, ModelSettings
from crossdistill.runs.results import read_results
from crossdistill.runs.run import run
from crossdistill.types import TaskKind
from tests.runs.small import recipe

N = 60
TEST = np.arange(N) >= 40
VALUES = np.random.default_rng(0).normal(size=(N, 3))
FRAME = pd.DataFrame(VALUES, columns=list("abc"))
HAS = (VALUES > 0).astype(int)
SETS = [";".join(name for name, there in zip(("ant", "bee", "cow"), row, strict=True) if there) or ";" for row in HAS]
TARGETS: dict[str, tuple[TaskKind, Any, tuple[str, ...]]] = {
    "load": ("regression", 3 * VALUES[:, 0] + 60, ("load",)),
    "two": ("regression", VALUES[:, :2] * (1, 100), ("h", "w")),
    "sets": ("multilabel", HAS, ("ant", "bee", "cow")),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Students of a table's three columns."""
    folder = tmp_path_factory.mktemp("runs")
    made = replace(
        recipe(),
        method="baseline",
        data=DataSettings("x", ("watch",), ()),
        model=ModelSettings(width=8, encoders={"watch": EncoderSettings("mlp", {"width": 8, "hidden": 8})}),
    )
    for name, (task, labels, classes) in TARGETS.items():
        data = from_arrays({"watch": FRAME}, labels, splits=TEST, task=task, classes=classes)
        run(made, folder / name, dataset=data)
    return {name: folder / name for name in TARGETS}


def ends(capsys: pytest.CaptureFixture[str], run: Path, table: pd.DataFrame, folder: Path, code: int = 0) -> list[str]:
    """The lines below what says where the predictions are."""
    table.to_csv(folder / "t.csv", index=False)
    capsys.readouterr()
    assert main(["predict", str(run), str(folder / "t.csv"), "--out", str(folder / "out.csv")]) == code
    first, *lines = capsys.readouterr().out.splitlines()
    assert "samples predicted" in first
    return lines


def beside(**columns: Any) -> pd.DataFrame:
    return FRAME.assign(**{name.replace("_", ":"): cells for name, cells in columns.items()})


def test_a_number_is_measured_as_training_did(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = beside(label_load=TARGETS["load"][1], split=np.where(TEST, "test", "train"))
    whole, train, test = ends(capsys, runs["load"], table, tmp_path)
    student = read_results(runs["load"])["student"]
    measures = f"R² {100 * student['r2']:.1f} %, RMSE {student['rmse']:.3g}, MAE {student['mae']:.3g}, Pearson's r "
    assert test.startswith(f"  test: {measures}")
    assert test.endswith(" on 20")
    assert train.startswith("  train: R² ")
    assert whole.endswith(" on 60 labelled samples")
    (alone,) = ends(capsys, runs["load"], beside(label=TARGETS["load"][1])[TEST], tmp_path)
    assert alone.startswith(measures), "of a single number the column may be called label, too"
    assert alone.endswith(" on 20 labelled samples")


@pytest.mark.parametrize("width", [40, 80])
def test_several_numbers_have_measures_of_their_own(
    width: int,
    runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    whole, *lines = ends(capsys, runs["two"], beside(label_h=VALUES[:, 0], label_w=100 * VALUES[:, 1])[TEST], tmp_path)
    student = read_results(runs["two"])["student"]
    assert whole.startswith(f"R² {100 * student['r2']:.1f} %, Pearson's r ")
    assert "RMSE" not in whole, "of several units"
    said = " ".join(lines)
    for place in range(2):
        for key in ("per_number_rmse", "per_number_mae"):
            assert f"{student[key][place]:.3g}" in said
    assert max(map(len, lines)) <= width


def test_labels_that_cannot_be_compared_are_said_in_a_line(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heights = [*map(str, VALUES[:, 0])]
    heights[3:6] = "tall", "", ""
    weights = [*map(str, VALUES[:, 1])]
    weights[5] = ""
    *_, last = ends(capsys, runs["two"], beside(label_h=heights, label_w=weights), tmp_path)
    assert re.fullmatch(
        r"Labels of 2 samples not compared; the first: .*t.csv#3: label:h: expected a number, found 'tall'", last
    )
    (line,) = ends(capsys, runs["two"], beside(label_h=heights), tmp_path)
    assert line.startswith("Labels of 58 samples not compared; the first: ")
    assert line.endswith("t.csv#0: no column 'label:w'")
    (line,) = ends(capsys, runs["load"], beside(label_strain=heights), tmp_path)
    assert line.endswith("no column 'label:load'")
    assert not ends(capsys, runs["load"], beside(label=[""] * N), tmp_path)
    same = ends(capsys, runs["load"], beside(label=[7] * N), tmp_path)
    assert same[0].startswith("R² –, RMSE ")
    assert same[1].startswith("The label has one value in all labelled samples, so that R²")


def test_several_labels_are_measured_whether_in_one_column_or_in_many(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student = read_results(runs["sets"])["student"]
    measures = f"mAP {100 * student['map']:.1f} %, micro-F1 {100 * student['micro_f1']:.1f} %, macro-F1 "
    many = {f"label_{name}": HAS[:, place] for place, name in enumerate(("ant", "bee", "cow"))}
    for columns in ({"label": SETS}, many, {"label": [cell.replace(";", " | ") for cell in SETS]}):
        (line,) = ends(capsys, runs["sets"], beside(**columns)[TEST], tmp_path)
        assert line.startswith(measures)
        assert line.endswith(" on 20 labelled samples")
    lists = beside(label=[[name for name in cell.split(";") if name] for cell in SETS])[TEST]
    lists.to_parquet(tmp_path / "t.parquet")
    assert main(["predict", str(runs["sets"]), str(tmp_path / "t.parquet")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(measures), "lists, as Parquet files have them"
    strange = ["ant;fly", "", "['bee']", *SETS[3:]]
    whole, last = ends(capsys, runs["sets"], beside(label=strange), tmp_path)
    assert whole.endswith(" on 58 labelled samples; labels that the student does not know: 'fly'")
    assert last.endswith("t.csv#2: label: expected labels such as dog;outdoors, found '['bee']'")
    *_, last = ends(capsys, runs["sets"], beside(**{**many, "label_bee": ["yes", *HAS[1:, 1]]}), tmp_path)
    assert last.endswith("t.csv#0: label:bee: expected 0 or 1, found 'yes'")


def test_what_cannot_be_read_has_its_first_reason_where_no_table_shows_it(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = FRAME.astype(object)
    broken.iloc[::2, 1] = [f"twelve {row}" for row in range(30)]
    broken.iloc[1, 2] = "x"
    (line,) = ends(capsys, runs["load"], broken, tmp_path, code=1)
    assert line.startswith("The first that could not be read (and 29 like it): ")
    assert line.endswith("t.csv#0: column 'b': expected a number, found 'twelve 0'")
    (line,) = ends(capsys, runs["load"], broken[:1], tmp_path, code=1)
    assert line.startswith("The first that could not be read: ")
    for rows, count in ((broken[:9], 0), (broken, 1)):
        rows.to_csv(tmp_path / "t.csv", index=False)
        assert main(["predict", str(runs["load"]), str(tmp_path / "t.csv")]) == 1
        assert capsys.readouterr().out.count("The first that could not be read") == count
