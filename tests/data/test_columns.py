from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data import ArrayColumn, SequenceColumn, from_arrays
from crossdistill.data.columns import FileColumn, RowColumn
from crossdistill.types import InputError, Padded

lengths_and_rows = st.lists(st.integers(1, 7), min_size=1, max_size=6).flatmap(
    lambda lengths: st.tuples(st.just(lengths), st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
)


def sequences(lengths: list[int], features: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(length, features)).astype(np.float32) for length in lengths]


def save_all(folder: Path, arrays: list[np.ndarray]) -> tuple[list[Path], list[str]]:
    paths = [folder / f"{row}.npy" for row in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return paths, [f"m.csv row {row + 2}" for row in range(len(arrays))]


@given(lengths_and_rows)
def test_a_fetched_sequence_is_the_original_followed_by_zeros(case: tuple[list[int], list[int]]) -> None:
    lengths, rows = case
    originals = sequences(lengths)
    fetched = SequenceColumn(originals).fetch(np.array(rows))
    assert isinstance(fetched, Padded)
    assert fetched.lengths.tolist() == [lengths[row] for row in rows]
    assert fetched.values.shape == (len(rows), max(lengths[row] for row in rows), 3)
    for values, length, row in zip(fetched.values, fetched.lengths, rows, strict=True):
        assert np.array_equal(values[:length].numpy(), originals[row])
        assert not values[length:].any()


@given(lengths_and_rows)
def test_files_and_sequences_in_memory_fetch_the_same(tmp_path_factory, case: tuple[list[int], list[int]]) -> None:
    lengths, rows = case
    originals = sequences([*lengths, 8])  # one more of another length: never all equal
    column = FileColumn(*save_all(tmp_path_factory.mktemp("clips"), originals))
    assert column.shape == (-1, 3)
    found, expected = column.fetch(np.array(rows)), SequenceColumn(originals).fetch(np.array(rows))
    assert torch.equal(found.values, expected.values)
    assert torch.equal(found.lengths, expected.lengths)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8, np.int32, np.bool_, ">f4"])
def test_arrays_become_float32_with_their_values(dtype: str) -> None:
    values = np.array([[0, 1, 2], [3, 200, 1]]).astype(dtype)
    fetched = ArrayColumn(values).fetch(np.array([1, 0, 1]))
    assert fetched.dtype == torch.float32
    assert fetched.tolist() == values.astype(float)[[1, 0, 1]].tolist()


def test_a_fetched_batch_is_a_copy() -> None:
    array = np.ones((3, 2), dtype=np.float32)
    ArrayColumn(array).fetch(np.arange(3)).zero_()
    assert array.all()


def test_files_of_equal_shape_are_stacked(tmp_path: Path) -> None:
    arrays = list(np.arange(24.0).reshape(3, 2, 2, 2))
    column = FileColumn(*save_all(tmp_path, arrays))
    assert column.shape == (2, 2, 2)
    assert np.array_equal(column.fetch(np.array([2, 0])).numpy(), np.stack([arrays[2], arrays[0]]))


def test_rows_of_several_files(tmp_path: Path) -> None:
    arrays = [np.arange(6.0).reshape(3, 2), np.arange(10.0, 14.0).reshape(2, 2)]
    paths, _ = save_all(tmp_path, arrays)
    column = RowColumn([paths[1], paths[0], paths[1]], [0, 2, 1], ["a", "b", "c"])
    assert column.shape == (2,)
    assert len(column) == 3
    assert column.fetch(np.array([2, 1, 0, 1])).tolist() == [[12, 13], [4, 5], [10, 11], [4, 5]]


def test_file_columns_survive_pickling_without_their_data(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((1000, 100)))
    column = RowColumn([tmp_path / "a.npy"] * 3, [0, 1, 2], ["a", "b", "c"])
    pickled = pickle.dumps(column)
    assert len(pickled) < 5000
    assert pickle.loads(pickled).fetch(np.array([1])).sum() == 100


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_nan_and_infinity_are_refused(tmp_path: Path, bad: float) -> None:
    array = np.zeros((4, 3))
    array[2, 1] = bad
    with pytest.raises(InputError, match="heat: row 2"):
        ArrayColumn(array, "heat")
    with pytest.raises(InputError, match="heat: row 1"):
        SequenceColumn([np.zeros((5, 3)), array], "heat")
    np.save(tmp_path / "a.npy", array)
    mapped = ArrayColumn(np.load(tmp_path / "a.npy", mmap_mode="r"), "heat")
    with pytest.raises(InputError, match="heat: row 2"):
        mapped.fetch(np.array([0, 2]))
    rows = RowColumn([tmp_path / "a.npy"] * 4, [0, 1, 2, 3], list("pqrs"))
    rows.fetch(np.array([0, 1, 3]))
    with pytest.raises(InputError, match=r"^r: NaN"):
        rows.fetch(np.array([0, 3, 2]))
    with pytest.raises(InputError, match=r"^p: .*a\.npy: NaN"):
        FileColumn([tmp_path / "a.npy"], ["p"]).fetch(np.array([0]))


def test_nan_is_found_beyond_the_first_chunk() -> None:
    array = np.zeros((9, 1 << 20), dtype=np.float16)
    array[8, -1] = np.nan
    with pytest.raises(InputError, match="row 8"):
        ArrayColumn(array)


@pytest.mark.parametrize(
    "array",
    [np.zeros(4), np.zeros((4, 0)), np.array([["a"]]), np.array([[{}]], dtype=object), np.zeros((2, 2), complex)],
)
def test_arrays_that_are_no_numbers_per_sample_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="pose"):
        ArrayColumn(array, "pose")


@pytest.mark.parametrize("second", [np.zeros((4, 2)), np.zeros(3), np.zeros((0, 3)), np.zeros((4, 3, 1))])
def test_sequences_of_other_features_are_refused(tmp_path: Path, second: np.ndarray) -> None:
    with pytest.raises(InputError, match="row 1"):
        SequenceColumn([np.zeros((5, 3)), second])
    with pytest.raises(InputError, match="row 3"):
        FileColumn(*save_all(tmp_path, [np.zeros((5, 3)), second]))


def test_a_sequence_without_a_step_is_said_to_be_one(tmp_path: Path) -> None:
    """Of as many features as the others it has the shape (time, features), too."""
    wanted = r"expected a sequence of at least one step, found \(0, 3\); .* an empty cell"
    for values in ([np.zeros((5, 3)), np.zeros((0, 3))], [np.zeros((0, 3))] * 2):
        with pytest.raises(InputError, match=wanted):
            SequenceColumn(values)
        with pytest.raises(InputError, match=wanted):
            FileColumn(*save_all(tmp_path, values))
    paths, places = save_all(tmp_path, [np.zeros((0, 3))])
    with pytest.raises(InputError, match=r"row 2.*: expected an array of at least one row, found \(0, 3\)"):
        RowColumn(paths, [0], places)


def test_no_sequences_are_refused() -> None:
    with pytest.raises(InputError, match="none"):
        SequenceColumn([])


def test_a_file_that_changes_while_in_use_is_reported(tmp_path: Path) -> None:
    paths, places = save_all(tmp_path, sequences([2, 3]))
    column = FileColumn(paths, places)
    np.save(paths[1], np.zeros((4, 5)))
    with pytest.raises(InputError, match="changed"):
        column.fetch(np.array([0, 1]))
    paths[1].unlink()
    with pytest.raises(InputError, match="not found"):
        column.fetch(np.array([1]))


def test_tensors_with_a_gradient_are_numbers_too() -> None:
    learning = torch.arange(6.0).reshape(3, 2).requires_grad_()
    for values in (learning, list(learning)):
        assert ArrayColumn(values, "a").array.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert SequenceColumn([learning, learning[:2].bfloat16()], "a").sequences[1].tolist() == [[0, 1], [2, 3]]


def test_what_is_no_number_is_named() -> None:
    table = pd.DataFrame({"age": [1, 2], "when": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(InputError, match="a: expected real numbers, found column 'when' of datetime64"):
        from_arrays({"a": table}, [0, 1])
    with pytest.raises(InputError, match="a: row 1: expected a sample, found None; `present` says"):
        from_arrays({"a": [[1.0], None]}, [0, 1])  # type: ignore[list-item]
