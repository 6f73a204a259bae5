"""Labels that are no classes: in memory, in a manifest's columns, in splits, and what is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill import InputError, from_arrays, read_manifest
from crossdistill.data import MultimodalDataset, with_class_weights, with_labels, with_validation, write_manifest
from crossdistill.data.inspection import CacheSettings, check_manifest
from crossdistill.data.unlearnt_labels import unlearnt_labels
from crossdistill.types import TaskKind

NAN = np.nan
SEVERAL = np.array([[1, 0], [NAN, NAN], [0, 0], [1, 1], [0, 1], [1, 0]])
NUMBERS = np.array([[0.1, -5], [NAN, NAN], [1 / 3, 2], [1e30, 0], [7, 7], [-0.0, 1e-30]])
LABELS: dict[TaskKind, np.ndarray] = {"multilabel": SEVERAL, "regression": NUMBERS}
SPLITS = np.array(["train"] * 4 + ["test"] * 2)


def data(task: TaskKind, **changes: object) -> MultimodalDataset:
    given = {"splits": SPLITS, "classes": ("x", "y; z"), **changes}
    return from_arrays({"gyro": np.eye(6)}, LABELS[task], task=task, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", LABELS)
def test_what_is_written_is_read_again_to_the_bit(task: TaskKind, tmp_path: Path) -> None:
    made = data(task)
    read = read_manifest(write_manifest(tmp_path / "data", made), task=task)
    assert (read.classes, read.task) == (made.classes, task)
    assert read.labels.dtype == made.labels.dtype
    np.testing.assert_array_equal(read.labels, made.labels)
    np.testing.assert_array_equal(read.labels, LABELS[task].astype(read.labels.dtype))


@pytest.mark.parametrize("task", LABELS)
def test_batches_know_who_has_a_label(task: TaskKind) -> None:
    batch = data(task).__getitems__([1, 3])
    assert batch.labelled.tolist() == [False, True]
    assert batch.labels.shape == (2, 2)
    assert data(task).labelled_rows("train").tolist() == [0, 2, 3]


def table(tmp_path: Path, header: str, *cells: str) -> Path:
    np.save(tmp_path / "g.npy", np.eye(len(cells)))
    rows = [f"{row},{'test' if row == len(cells) - 1 else 'train'},g.npy#{row},{c}" for row, c in enumerate(cells)]
    (tmp_path / "manifest.csv").write_text("\n".join([f"id,split,gyro,{header}", *rows]))
    return tmp_path


def test_a_cell_holds_a_set_of_labels(tmp_path: Path) -> None:
    """Empty: nobody has looked; a separator alone: none of them."""
    read = read_manifest(table(tmp_path, "label", "dog; outdoors", "", ";", "outdoors|dog", "dog"), task="multilabel")
    assert read.classes == ("dog", "outdoors")
    np.testing.assert_array_equal(read.labels, [[1, 1], [NAN, NAN], [0, 0], [1, 1], [1, 0]])


def test_truth_values_are_labels(tmp_path: Path) -> None:
    read = read_manifest(table(tmp_path, "label:a,label:b", "True,true", ",", "false,TRUE"), task="multilabel")
    np.testing.assert_array_equal(read.labels, [[1, 1], [NAN, NAN], [0, 1]])


def test_a_cell_holds_a_number(tmp_path: Path) -> None:
    read = read_manifest(table(tmp_path, "label", "3", "", "-1e-3", "-1"), task="regression")
    assert read.classes == ("value",)
    np.testing.assert_array_equal(read.labels, [[3], [NAN], [-1e-3], [-1]])


@pytest.mark.parametrize(
    ("task", "header", "cells", "problem"),
    [
        ("regression", "label", ("3", "wave"), r"row 3, column 'label': expected a number .*found 'wave'"),
        (
            "regression",
            "label",
            ("3", "-1e39"),
            r"row 3, column 'label': expected a number within float32's range, found '-1e39'",
        ),
        ("regression", "label", ("3", "nan"), r"row 3, column 'label': expected a number .*found 'nan'"),
        ("multilabel", "label:a,label:b", ("1,0", "0,2"), r"row 3, column 'label:b': expected 0 or 1 .*found '2'"),
        ("regression", "label", ("3", "True"), r"row 3, column 'label': expected a number .*found 'True'"),
        ("regression", "label:a,label:b", ("1,0", "0,", "1,1"), r"row 3, column 'label:b': empty cell beside filled"),
        ("regression", "label,label:b", ("1,0", "0,1"), r"row 1: expected the column 'label' or 'label:b'.*found both"),
        (
            "regression",
            "label",
            ("3", '"5,251"'),
            r"row 3.*found '5,251'; .*nothing else: 5\.251 or 5251$",
        ),
        ("regression", "label", ("4", "4.5%"), r"row 3, column 'label': .*found '4.5%'$"),
        ("regression", "label:", ("1", "2"), r"row 1: 'label:': expected a name"),
        ("classification", "label:a,label:b", ("1,0", "0,1"), r"'label:a': a class has one column.*data\.task"),
        ("regression", "label", ("3", ""), r"row 3, column 'label': empty cell in split test"),
        ("multilabel", "label", (";", ";"), r"column 'label': expected labels such as 'dog;outdoors', found none"),
    ],
)
def test_a_mistake_in_a_label_is_one_line(
    tmp_path: Path, task: TaskKind, header: str, cells: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_manifest(table(tmp_path, header, *cells), task=task)


@pytest.mark.parametrize(
    ("task", "labels", "problem"),
    [
        ("classification", [0.5, 1.5], r"whole numbers or strings.*task='regression'"),
        ("classification", np.eye(2), r"expected one per sample.*task='multilabel'"),
        ("regression", ["a", "b"], r"expected numbers \(task regression\)"),
        ("regression", [1.0, np.inf], r"expected finite numbers"),
        ("regression", [1.0, 1e39], r"expected numbers within float32's range, found 1e\+39"),
        ("regression", [NAN, NAN], r"found none: every sample is unlabelled"),
        ("regression", [[1.0, NAN], [1.0, 2.0]], r"sample 0: expected all of its 2 entries or none"),
        ("multilabel", [[1, 0], [0.5, 1]], r"expected 0 or 1 for each label, found 0.5"),
        ("multilabel", [0, 1], r"expected \(N, C\)"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(task: TaskKind, labels: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        from_arrays({"gyro": np.eye(2)}, labels, task=task)  # type: ignore[arg-type]


def test_rare_labels_that_no_labelled_training_sample_has_are_said(tmp_path: Path) -> None:
    """Where few have a label, one rare label would else stop all; a class that is never learnt is refused still."""
    has = ["a", "a", "ab", "bdef", "bf"]
    labels = np.array([[name in sample for name in "abcdef"] for sample in has], dtype=int)
    made = from_arrays({"gyro": np.eye(5)}, labels, splits=np.arange(5) >= 3, classes=list("abcdef"), task="multilabel")
    (line,) = unlearnt_labels(made)
    assert line.startswith("no labelled training sample has 'd' (1), 'e' (1), 'f' (2), as so many validation or test")
    few = replace(made, labels=np.where(np.arange(5)[:, None] == 2, np.nan, made.labels))
    (line,) = unlearnt_labels(few)
    assert "has 'b' (2), 'd' (1), 'e' (1) and 1 more, as" in line
    assert unlearnt_labels(replace(made, splits=np.full(5, "train"))) == []
    read = read_manifest(table(tmp_path, "label", "dog", "dog;cat", "cat"), task="multilabel")
    assert unlearnt_labels(read) == []
    (line,) = check_manifest(table(tmp_path, "label", "dog", "cat"), CacheSettings(), task="multilabel").doubts
    assert line.startswith("no labelled training sample has 'cat' (1), as so many")


def test_a_row_of_minus_ones_has_no_labels() -> None:
    made = from_arrays({"gyro": np.eye(3)}, [[1, 0], [-1, -1], [0, 1]], task="multilabel")
    assert made.labelled_rows("train").tolist() == [0, 2]


@pytest.mark.parametrize("task", LABELS)
def test_splits_are_drawn_without_classes(task: TaskKind) -> None:
    values = np.random.default_rng(0).integers(0, 2, (40, 2)).astype(float)
    values[::4] = NAN
    made = from_arrays({"gyro": np.eye(40)}, values, task=task)
    few = with_labels(made, 0.5, 0, seed=0)
    assert len(few.labelled_rows("train")) == 15
    known = few.labelled_rows("train")
    np.testing.assert_array_equal(few.labels[known], made.labels[known])
    held_out = with_validation(made, 0.2, seed=0).rows("validation")
    assert len(held_out) == 6
    assert not np.isnan(values[held_out]).any(), "only labelled samples are measured"


def test_numbers_have_no_class_weights() -> None:
    made = from_arrays({"gyro": np.eye(4)}, [1.0, 2.0, 3.0, 4.0], task="regression")
    with pytest.raises(InputError, match=r"weigh classes or labels, and arrays has numbers"):
        with_class_weights(made)
