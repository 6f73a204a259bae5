"""Features that float32 cannot hold: found wherever their numbers lie, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data import ArrayColumn, SequenceColumn, from_arrays
from crossdistill.data.columns import Column, FileColumn, KeptColumn, RowColumn
from crossdistill.data.precision import rounded_away, sampled_numbers
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import ReorderedColumn

SAMPLES = 40
ROWS = np.arange(SAMPLES)


def columns(folder: Path, values: np.ndarray) -> dict[str, Column]:
    """The same sequences (N, T, F), or vectors (N, F), in memory and in files."""
    paths = [folder / f"{row}.npy" for row in range(len(values))]
    for path, value in zip(paths, values, strict=True):
        np.save(path, value)
    np.save(folder / "all.npy", values)
    places = [str(path) for path in paths]
    files = FileColumn(paths, places)
    found: dict[str, Column] = {
        "array": ArrayColumn(values),
        "memory-mapped": ArrayColumn(np.load(folder / "all.npy", mmap_mode="r")),
        "files": files,
        "kept": KeptColumn(files, np.arange(len(values)), "kept"),
        "rows": RowColumn([folder / "all.npy"] * len(values), range(len(values)), places),
    }
    return found | ({"sequences": SequenceColumn(list(values))} if values.ndim == 3 else {})


@pytest.mark.parametrize("shape", [(SAMPLES, 3), (SAMPLES, 5, 3)])
def test_the_feature_is_found_in_every_kind_of_column(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    assert {rounded_away("wrist", column, ROWS) for column in columns(tmp_path, values).values()} == {""}
    values[..., 1] += 1.6e9
    for kind, column in columns(tmp_path, values).items():
        assert "wrist: float32 loses most of feature 1, which varies by" in rounded_away("wrist", column, ROWS), kind


@given(st.floats(-30, 25), st.floats(-3, 12))
def test_it_is_said_where_rounding_is_as_large_as_the_feature(unit: float, offset: float) -> None:
    """By definition: the numbers' deviation in float64, and that of what float32 makes of them."""
    spread = np.random.default_rng(1).normal(size=(200, 1))
    values = (spread + 10**offset) * 10**unit
    kept = np.corrcoef(values[:, 0], values[:, 0].astype(np.float32).astype(np.float64))[0, 1] if offset < 7 else 0.0
    said = rounded_away("wrist", ArrayColumn(values), ROWS) != ""
    assert said or kept > 0.99
    assert not (said and offset < 5)


def test_whole_numbers_and_small_types() -> None:
    counts = np.arange(SAMPLES)[:, None]
    assert rounded_away("wrist", ArrayColumn(counts), ROWS) == ""
    assert rounded_away("wrist", ArrayColumn(counts.astype(np.uint8)), ROWS) == ""
    assert rounded_away("wrist", ArrayColumn(counts + 2**40), ROWS) != ""
    assert rounded_away("wrist", ArrayColumn(np.full((SAMPLES, 2), 1e9)), ROWS) == "", (
        "a constant says nothing to begin with"
    )


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_too_small_for_float32_are_named_whatever_type_they_come_in(kind: type) -> None:
    values = np.random.default_rng(0).normal(size=(SAMPLES, 2))
    for scale in (1e-45, 1e-42, 1e-40):
        said = rounded_away("wrist", ArrayColumn((values * scale).astype(kind)), ROWS)
        assert "wrist: float32 loses most of feature 0" in said
    for scale in (1e-36, 1e37):
        assert rounded_away("wrist", ArrayColumn((values * scale).astype(kind)), ROWS) == ""


def test_only_rows_that_are_asked_for_are_looked_at() -> None:
    """Of samples for testing nothing is read; those that lack the modality have no numbers."""
    values = np.random.default_rng(0).normal(size=(SAMPLES, 2))
    values[30:] = 1e9 + values[30:]
    whole = ArrayColumn(values)
    there = np.arange(SAMPLES + 8) >= 8
    partial = PartialColumn(whole, there)
    backwards = ReorderedColumn(partial, np.arange(SAMPLES + 8)[::-1].copy())
    assert rounded_away("wrist", whole, ROWS[:30]) == rounded_away("wrist", partial, np.arange(38)) == ""
    assert rounded_away("wrist", backwards, np.arange(10, SAMPLES + 8)) == ""
    for column, rows in ((whole, ROWS[30:]), (partial, np.arange(38, 48)), (backwards, np.arange(10))):
        assert rounded_away("wrist", column, rows) != ""
    assert rounded_away("wrist", partial, np.arange(8)) == "", "no sample is there"


def test_what_reading_will_refuse_is_its_to_tell(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.where(np.eye(SAMPLES, 2) > 0, [np.nan, np.inf], 1.0))
    assert rounded_away("wrist", ArrayColumn(np.load(tmp_path / "x.npy", mmap_mode="r")), ROWS) == ""


def test_of_many_numbers_some_are_sampled() -> None:
    """Of samples of any length, in no more than the numbers asked for."""
    sequences = [np.arange(2.0 * steps).reshape(steps, 2) for steps in (3, 1000, 7)]
    column = from_arrays({"x": sequences}, [0, 1, 0]).columns["x"]
    found = sampled_numbers(column, np.arange(3), most_values=60)
    assert found is not None
    assert found.size <= 60
    assert found.shape[1] == 2
    assert sampled_numbers(column, np.arange(3), most_values=1) is None, "more features than numbers"
    whole = sampled_numbers(column, np.arange(3))
    assert whole is not None
    assert len(whole) == 1010
