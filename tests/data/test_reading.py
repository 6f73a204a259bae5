"""Modalities that some samples lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crossdistill.data import SequenceColumn, from_arrays, training_batches
from crossdistill.data.columns import Column, FileColumn, Rows
from crossdistill.data.dataset import in_memory
from crossdistill.data.lazy import LazyColumn
from crossdistill.data.loading import random_seeds
from crossdistill.data.reading import PartialColumn, Parts, Reading, assemble, middle, read, windows
from crossdistill.types import InputError, Note, Padded

THERE = np.array([True, False, True, False, True])


def clips() -> list[np.ndarray]:
    return [np.full((1 + row, 2), row, dtype=np.float32) for row in range(3)]


def test_rows_that_are_there_keep_their_values_and_others_are_zero() -> None:
    dataset = from_arrays(
        {"a": np.arange(10.0).reshape(5, 2), "b": [np.full((1 + row, 2), row) for row in range(5)]},
        [0, 1, 0, 1, 0],
        splits=np.zeros(5, bool),
        present={"a": THERE, "b": ~THERE},
    )
    batch = dataset.__getitems__([4, 1, 0, 3])
    assert batch.present["a"].tolist() == [True, False, True, False]
    assert batch.modalities["a"].tolist() == [[8, 9], [0, 0], [0, 1], [0, 0]]
    assert batch.present["b"].tolist() == [False, True, False, True]
    sequences = batch.modalities["b"]
    assert isinstance(sequences, Padded)
    assert sequences.lengths.tolist() == [1, 2, 1, 4]
    assert sequences.values[:, 0, 0].tolist() == [0, 1, 0, 3]
    assert dataset.present(["a"]).tolist() == THERE.tolist()
    assert not dataset.present(["a", "b"]).any()
    assert dataset.shapes == {"a": (2,), "b": (-1, 2)}


def test_a_batch_in_which_every_sample_lacks_it() -> None:
    batch = read(PartialColumn(SequenceColumn(clips()), THERE), np.array([1, 3]), middle(2))
    assert isinstance(batch.modality, Padded)
    assert batch.modality.values.shape == (2, 1, 2)
    assert batch.modality.lengths.tolist() == [1, 1]
    assert not batch.present.any()


def test_what_stands_in_an_absent_sample_s_place_is_not_looked_at() -> None:
    values = np.arange(10.0).reshape(5, 2)
    values[~THERE] = np.nan
    dataset = from_arrays({"a": values}, [0] * 5, splits=np.zeros(5, bool), present={"a": THERE})
    assert torch.isfinite(dataset.__getitems__(range(5)).modalities["a"]).all()


@pytest.mark.parametrize("present", [np.zeros(5, bool), np.ones(4, bool), np.ones(5, int)])
def test_a_mask_that_does_not_fit_is_refused(present: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"present\['a'\]"):
        from_arrays({"a": np.zeros((5, 2))}, [0] * 5, splits=np.zeros(5, bool), present={"a": present})


def test_kept_in_memory_they_are_the_same(tmp_path: Path) -> None:
    for row, clip in enumerate(clips()):
        np.save(tmp_path / f"{row}.npy", clip)
    column = PartialColumn(FileColumn([tmp_path / f"{row}.npy" for row in range(3)], list("pqr")), THERE)
    dataset = from_arrays({"a": np.zeros((5, 1))}, [0] * 5, splits=np.zeros(5, bool))
    dataset.columns["b"] = column
    kept = in_memory(dataset, np.array([0, 1, 4]))
    expected = dataset.__getitems__([4, 1, 0]).modalities["b"]
    for path in tmp_path.iterdir():
        path.unlink()
    found = kept.__getitems__([4, 1, 0])
    assert torch.equal(found.modalities["b"].values, expected.values)  # type: ignore[union-attr]
    assert found.present["b"].tolist() == [True, False, True]
    with pytest.raises(KeyError, match="not kept"):
        kept.__getitems__([2])
    none = in_memory(dataset, np.array([1, 3])).__getitems__([1, 3])
    assert not none.present["b"].any()


def test_a_column_that_finds_a_file_broken_inside_one_with_gaps() -> None:
    class Broken:
        shape, present = (2,), np.ones(3, dtype=bool)

        def __len__(self) -> int:
            return 3

        def fetch(self, rows: np.ndarray) -> torch.Tensor:
            raise NotImplementedError

        def windows(self, rows: np.ndarray) -> np.ndarray:
            return 5 + rows

        def read(self, rows: np.ndarray, parts: Parts) -> Reading:
            assert parts.seeds is not None
            values = parts.seeds + parts.positions
            samples = [
                None if row == 1 else np.full(2, value, np.float32) for row, value in zip(rows, values, strict=True)
            ]
            return assemble(samples, self.shape, [Note("b.mp4: broken", True)])

    parts = Parts(np.array([0.25, 0.5, 0.75, 1]), np.array([10, 20, 30, 40], dtype=np.uint64))
    rows = np.array([4, 3, 2, 0])
    found = read(PartialColumn(Broken(), THERE), rows, parts)
    assert found.present.tolist() == [True, False, False, True]
    assert found.modality.tolist() == [[10.25, 10.25], [0, 0], [0, 0], [41, 41]]
    assert found.notes == (Note("b.mp4: broken", True),)
    assert windows(PartialColumn(Broken(), THERE), rows).tolist() == [7, 1, 6, 5]


def test_seeds_depend_on_seed_epoch_and_row_alone() -> None:
    rows = np.arange(1000)
    all_draws = [random_seeds(seed, epoch, rows) for seed in range(4) for epoch in range(4)]
    assert len(np.unique(np.concatenate(all_draws))) == 16_000
    assert np.array_equal(random_seeds(3, 2, rows[::-1]), random_seeds(3, 2, rows)[::-1])
    bits = np.unpackbits(random_seeds(0, 0, rows).view(np.uint8)).reshape(1000, 64).mean(0)
    assert (np.abs(bits - 0.5) < 0.08).all(), "every bit is as often 1 as 0"


def test_a_mistake_found_by_a_worker_is_the_same_line(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.array([[0.0, np.nan]]))
    dataset = from_arrays({"a": np.zeros((4, 1))}, [0] * 4, splits=np.zeros(4, bool))
    dataset.columns["b"] = FileColumn([tmp_path / "0.npy"] * 4, list("pqrs"))
    messages = []
    for workers in (0, 1):
        with pytest.raises(InputError) as caught:
            list(training_batches(dataset, np.arange(4), 4, 0, 0, workers=workers))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "\n" not in messages[1]


def test_of_samples_that_all_lack_it_nothing_is_opened() -> None:
    def opened(rows: Rows) -> Column:
        raise AssertionError(rows)

    column = PartialColumn(LazyColumn((3,), 0, opened), np.zeros(2, dtype=np.bool_))
    assert column.windows(np.arange(2)).tolist() == [1, 1]
    assert not column.read(np.arange(2), middle(2)).present.any()
