"""Lists of numbers in a Parquet table: arrays in training and in prediction, and what is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import crossdistill
from crossdistill import read_manifest
from crossdistill.cli.main import main
from crossdistill.data.label_cells import label_texts
from crossdistill.data.table import read_table
from crossdistill.types import InputError, Padded

COUNT = 12
LABELS = [f"{'ab'[row % 2]}" for row in range(COUNT)]
SPLITS = ["train"] * 8 + ["test"] * 4


def written(folder: Path, rows_in_a_group: int = 5, **columns: Any) -> Path:
    """A manifest with several row groups, so that columns have chunks."""
    cells = {"id": list(map(str, range(COUNT))), "split": SPLITS, "label": LABELS} | columns
    path = folder / "manifest.parquet"
    parquet.write_table(pa.table(cells), path, row_group_size=rows_in_a_group)
    return path


def vectors(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(COUNT, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 3), pa.list_(pa.float64())]
)
def test_lists_of_one_length_are_vectors(kind: Any, tmp_path: Path) -> None:
    values = vectors()
    cells: list[Any] = values.tolist()
    cells[1] = cells[9] = None
    dataset = read_manifest(written(tmp_path, emb=pa.array(cells, type=kind)))
    assert dataset.shapes == {"emb": (3,)}
    assert np.flatnonzero(~dataset.present(["emb"])).tolist() == [1, 9]
    there = [row for row in range(COUNT) if row not in (1, 9)]
    fetched = dataset.__getitems__(there).modalities["emb"]
    assert torch.equal(fetched, torch.from_numpy(values[there]))  # type: ignore[arg-type]


def test_whole_numbers_and_truths_stay_what_they_are(tmp_path: Path) -> None:
    whole, truths = [[row, 2, 3] for row in range(COUNT)], [[True, row % 2 == 0] for row in range(COUNT)]
    dataset = read_manifest(written(tmp_path, whole=pa.array(whole, pa.list_(pa.uint8())), truths=truths))
    batch = dataset.__getitems__([4, 5]).modalities
    assert batch["whole"].tolist() == [[4, 2, 3], [5, 2, 3]]  # type: ignore[union-attr]
    assert batch["truths"].tolist() == [[1, 1], [1, 0]]  # type: ignore[union-attr]


def test_lists_of_lists_are_arrays_and_of_different_length_sequences(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    sequences = [random.normal(size=(2 + row % 3, 4)) for row in range(COUNT)]
    pictures = random.normal(size=(COUNT, 2, 5, 3))
    path = written(tmp_path, imu=[each.tolist() for each in sequences], picture=pictures.tolist())
    dataset = read_manifest(path)
    assert dataset.shapes == {"imu": (-1, 4), "picture": (2, 5, 3)}
    batch = dataset.__getitems__([7, 2, 11]).modalities
    assert isinstance(batch["imu"], Padded)
    for place, row in enumerate((7, 2, 11)):
        length = len(sequences[row])
        assert batch["imu"].lengths[place] == length
        assert np.array_equal(batch["imu"].values[place, :length].numpy(), sequences[row].astype(np.float32))
    assert np.array_equal(batch["picture"].numpy(), pictures[[7, 2, 11]].astype(np.float32))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("cell", "kind", "message"),
    [
        (
            [1.0, 2.0],
            None,
            r"row 5, column 'emb': expected a list of 3 as in row 1, found one of 2; sequences of differ",
        ),
        ([], None, r"row 5, column 'emb': found an empty list"),
        ([1.0, None, 2.0], None, r"row 5, column 'emb': expected numbers everywhere in the list, found null"),
        ([1.0, float("nan"), 2.0], None, r"row 5, column 'emb': NaN or infinity"),
        ([1.0, float("inf"), 2.0], None, r"row 5, column 'emb': NaN or infinity"),
        ([1.0, 1e300, 2.0], pa.list_(pa.float64()), r"row 5, column 'emb': NaN or infinity \(in float32\)"),
        (
            ["a", "b", "c"],
            pa.list_(pa.string()),
            r"column 'emb': expected texts, numbers or lists .* found list<.*string>",
        ),
        ({"bytes": 1}, None, r"column 'emb': expected texts, numbers or lists of numbers, found struct<bytes: int64>"),
        (b"\x89PNG", None, r"column 'emb': expected texts, numbers or lists of numbers, found binary"),
    ],
)
def test_what_is_no_array_is_named(cell: Any, kind: Any, message: str, tmp_path: Path) -> None:
    alike = isinstance(cell, dict | bytes) or "a" in cell
    cells: list[Any] = [cell] * COUNT if alike else vectors().tolist()
    cells[4] = cell
    path = written(tmp_path, emb=pa.array(cells, type=kind), age=list(range(COUNT)))
    with pytest.raises(InputError, match=message):
        read_manifest(path)
    assert read_manifest(path, only=["age"]).shapes == {"age": (1,)}, "of a column that is not opened nothing is wrong"


def test_bytes_of_any_arrow_type_are_no_texts(tmp_path: Path) -> None:
    of_bytes = pa.array([b"\x89PNG"] * COUNT)
    for cells in (of_bytes.cast(pa.large_binary()), of_bytes.cast(pa.binary_view()), of_bytes.dictionary_encode()):
        with pytest.raises(InputError, match="column 'emb': expected texts, numbers or lists of numbers, found"):
            read_manifest(written(tmp_path, emb=cells))


def test_a_place_counts_the_rows_without_the_modality(tmp_path: Path) -> None:
    """Of sequences, the step that has another number of features is what does not fit, not the sequence's length."""
    cells: list[Any] = [[[1.0, 2.0]] * (1 + row % 2) for row in range(COUNT)]
    cells[0] = cells[3] = None
    cells[6] = [[1.0, 2.0], [1.0], [1.0, 2.0]]
    with pytest.raises(InputError, match=r"row 7, column 'imu': expected a list of 2 as in row 2, found one of 1$"):
        read_manifest(written(tmp_path, imu=cells))


def test_a_header_may_say_array_and_nothing_else(tmp_path: Path) -> None:
    assert read_manifest(written(tmp_path, **{"emb:array": vectors().tolist()})).shapes == {"emb": (3,)}
    with pytest.raises(InputError, match="column 'emb:text': expected a text, found list<"):
        read_manifest(written(tmp_path, **{"emb:text": vectors().tolist()}))
    with pytest.raises(InputError, match=r"column 'emb:array': expected lists of numbers, found list<.*string>"):
        read_manifest(written(tmp_path, **{"emb:array": [["a"]] * COUNT}))


@pytest.mark.parametrize("name", ["id", "split", "group", "caption", "fold"])
def test_a_column_that_is_no_modality_holds_no_lists(name: str, tmp_path: Path) -> None:
    columns = {"emb": vectors().tolist(), name: [[row] for row in range(COUNT)]}
    with pytest.raises(InputError, match=rf"column '{name}': expected texts, found list<"):
        read_manifest(written(tmp_path, **columns))


def test_labels_may_be_lists_of_texts_where_a_sample_has_several(tmp_path: Path) -> None:
    labels: list[Any] = [["dog", "out;doors"], ["dog"], [], None] + [["dog"], ["out;doors"]] * 4
    path = written(tmp_path, emb=vectors().tolist(), label=labels)
    dataset = read_manifest(path, task="multilabel")
    assert dataset.classes == ("dog", "out;doors")
    assert np.array_equal(dataset.labels[:3], [[1, 1], [1, 0], [0, 0]])
    assert dataset.labelled_rows("train").tolist() == [0, 1, 2, 4, 5, 6, 7]
    with pytest.raises(InputError, match=r"column 'label': expected texts, found list<.*need data.task multilabel"):
        read_manifest(path)
    with pytest.raises(InputError, match=r"column 'label': expected numbers \(several are columns label:NAME"):
        read_manifest(path, task="regression")
    numbers = written(tmp_path, emb=vectors().tolist(), label=[[0, 1]] * COUNT)
    with pytest.raises(InputError, match="column 'label': expected lists of labels, each a text, found list<"):
        read_manifest(numbers, task="multilabel")


def test_a_student_predicts_from_lists_as_from_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sequences = [np.random.default_rng(row).normal(size=(2 + row % 3, 4)) for row in range(COUNT)]
    path = written(tmp_path, imu=[each.tolist() for each in sequences], emb=vectors().tolist())
    options = ["--epochs", "1", "--machine.accelerator", "cpu", "--data.auxiliary", "[]", "--method", "baseline"]
    for target in ("emb", "imu"):
        arguments = ["--data.source", str(path), "--data.target", f"[{target}]", "--out", target]
        assert main(["train", "own", *options, *arguments]) == 0
        student = crossdistill.load(tmp_path / target)
        expected = student.predict_proba(vectors() if target == "emb" else sequences)
        assert main(["predict", target, str(path), "--out", f"{target}.csv"]) == 0
        lines = (tmp_path / f"{target}.csv").read_text().splitlines()[1:]
        found = np.array([[float(cell) for cell in line.split(",")[3:5]] for line in lines])
        assert found == pytest.approx(expected, abs=1e-5)
    capsys.readouterr()
    shorter = written(tmp_path, imu=[each.tolist() for each in sequences], emb=vectors()[:, :2].tolist())
    assert main(["predict", "emb", str(shorter), "--out", "short.csv"]) == 1
    assert re.search(r"\(3\).*found.*\(2,?\)", (tmp_path / "short.csv").read_text().splitlines()[1])


@pytest.mark.parametrize(
    "cell",
    [
        "[0.1, 0.2]",
        "[0.1 -0.2\n 3e-5]",
        "[[1, 2], [3, 4]]",
        "[nan, 1, 2]",
        "[0.5 1. ... 2.25]",
        "[-.5;3]",
        "[None, 1, 2]",
        "[np.float64(0.5), np.float64(-1.0)]",
        "[array([1., 2.], dtype=float32) array([3., 4.], dtype=float32)]",
        "tensor([0.5, 1.5])",
    ],
)
def test_a_list_as_a_text_is_refused_where_nobody_says_that_texts_are_meant(cell: str, tmp_path: Path) -> None:
    """What pandas writes of arrays as CSV, and of the same texts as Parquet."""
    path = written(tmp_path, emb=[cell] * COUNT)
    with pytest.raises(InputError, match=r"row 1, column 'emb': found a list of numbers as a text, .*emb\.npy#0"):
        read_manifest(path)
    assert read_manifest(written(tmp_path, **{"emb:text": [cell] * COUNT})).classes == ("a", "b")


@pytest.mark.parametrize("cell", ["[1]", "[citation needed]", "see [1, 2]", "[1] and [2]", "[]", "(1, 2)", "[a1, 2]"])
def test_brackets_alone_make_no_list(cell: str, tmp_path: Path) -> None:
    assert read_manifest(written(tmp_path, words=[cell] * COUNT)).classes == ("a", "b")


def test_whole_labels_in_a_column_with_gaps_are_called_as_whole_numbers(tmp_path: Path) -> None:
    labels = [0.0, 1.0, None, float("nan")] + [0.0, 1.0] * 4
    assert read_manifest(written(tmp_path, emb=vectors().tolist(), label=labels)).classes == ("0", "1")


def test_what_a_student_is_given_as_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Series of lists or a list of arrays of arrays, a table in which nobody has the modality, labels as pandas has
    written them, a list as an id."""
    steps: list[Any] = [[[float(row % 2), 1.0, -1.0]] * (1 + row % 3) for row in range(COUNT)]
    path = written(tmp_path, imu=steps, label=[None, None] + [float(row % 2) for row in range(2, COUNT)])
    options = ["--epochs", "1", "--machine.accelerator", "cpu", "--data.auxiliary", "[]", "--method", "baseline"]
    run = str(tmp_path / "run")
    assert main(["train", "own", *options, "--data.source", str(path), "--data.target", "[imu]", "--out", run]) == 0
    student = crossdistill.load(run)
    expected = student.predict_proba([np.array(each) for each in steps])
    read = pd.read_parquet(path)["imu"]
    for given in (pd.Series(steps), read, read.tolist()):
        assert np.array_equal(student.predict_proba(given), expected)
    assert np.array_equal(student.predict_proba(read.iloc[:1]), student.predict_proba(steps[:1]))

    arguments = ["predict", run, str(path), "--out", str(tmp_path / "out.csv")]
    assert main(arguments) == 0
    assert "does not know" not in capsys.readouterr().out
    as_written = pa.array([str(float(row % 2)) for row in range(COUNT)])
    written(tmp_path, imu=steps, label=as_written, split=["train"] * COUNT)
    assert main(arguments) == 0
    assert "does not know" not in capsys.readouterr().out, "1.0 is the class 1"
    written(tmp_path, imu=pa.array([None] * COUNT, pa.list_(pa.list_(pa.float64()))))
    assert main(arguments) == 1
    assert (tmp_path / "out.csv").read_text().count("lacks") == COUNT
    written(tmp_path, imu=steps, id=[[row] for row in range(COUNT)])
    assert main(arguments) == 2
    assert "column 'id': expected texts, found list<" in capsys.readouterr().err


def test_lists_of_labels_stand_beside_predictions_as_a_csv_file_has_them(tmp_path: Path) -> None:
    labels: list[Any] = [["dog", "out"], [], None] + [["dog"]] * (COUNT - 3)
    found = label_texts(read_table(written(tmp_path, emb=vectors().tolist(), label=labels)))
    assert found[:4] == ["dog;out", ";", "", "dog"]
