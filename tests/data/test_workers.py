"""Reading processes that stay: what they read is what this process reads, and none outlives its block."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crossdistill.data import MultimodalDataset, from_arrays, read_manifest, training_batches
from crossdistill.data.columns import Rows
from crossdistill.data.loading import Workers, evaluation_batches, windows_of
from crossdistill.types import Batch, InputError, Padded, Pixels
from tests.processes import children
from tests.runs.small import folder_of, gestures


class Reader:
    """A column whose values are the process that reads them."""

    shape = (1,)

    def __len__(self) -> int:
        return 40

    def fetch(self, rows: Rows) -> torch.Tensor:
        return torch.full((len(rows), 1), float(os.getpid()))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> MultimodalDataset:
    return read_manifest(folder_of(gestures(), tmp_path_factory.mktemp("data")))


def flat(batches: Iterable[Batch]) -> list[bytes]:
    found = []
    for batch in batches:
        tensors = [batch.labels, batch.rows, batch.chance]
        for value in batch.modalities.values():
            tensors += [value] if isinstance(value, torch.Tensor) else list(value)
        found.append(b"".join(tensor.numpy().tobytes() for tensor in tensors))
    return found


def passes(dataset: MultimodalDataset, workers: int | Workers) -> list[list[bytes]]:
    """As a training has them: epochs, one of them gone on with, and the test samples between them."""
    train, test = dataset.rows("train"), dataset.rows("test")
    made = []
    for epoch in range(2):
        made.append(flat(training_batches(dataset, train, 5, seed=1, epoch=epoch, workers=workers)))
        made.append(flat(training_batches(dataset, train, 5, seed=1, epoch=epoch, workers=workers, first_step=3)))
        part = dataset.only(["eye"])
        made.append(flat(evaluation_batches(part, *windows_of(part, test, ["eye"]), 3, workers)))
    return made


@pytest.mark.parametrize("count", [0, 1, 2])
def test_all_passes_read_what_this_process_reads(dataset: MultimodalDataset, count: int) -> None:
    with Workers(dataset, count) as workers:
        found = passes(dataset, workers)
        assert len(children()) == count
    assert children() == []
    assert found == passes(dataset, 0)
    assert found[0] != found[3], "another epoch has another order"


def test_the_processes_stay_for_all_passes() -> None:
    own = from_arrays({"who": Reader()}, np.arange(40) % 2)
    rows = own.rows("train")

    def readers(workers: int | Workers, epoch: int) -> set[float]:
        batches = training_batches(own, rows, 4, seed=0, epoch=epoch, workers=workers)
        return {float(batch.modalities["who"][0]) for batch in batches}  # type: ignore[index]

    with Workers(own, 2) as workers:
        seen = [readers(workers, epoch) for epoch in range(3)]
    assert len(set().union(*seen)) == 2
    assert os.getpid() not in set().union(*seen)
    assert readers(2, 0).isdisjoint(readers(2, 0)), "without them, each pass starts its own"


def test_a_pass_that_is_left_harms_no_other_and_cannot_be_gone_on_with(dataset: MultimodalDataset) -> None:
    rows = dataset.rows("train")

    def epoch(workers: int | Workers) -> Iterator[Batch]:
        return training_batches(dataset, rows, 4, seed=0, epoch=0, workers=workers)

    with Workers(dataset, 2) as workers:
        for taken in range(3):
            left = epoch(workers)
            for _ in range(taken):
                next(left)
            assert flat(epoch(workers)) == flat(epoch(0))
        next(left := epoch(workers))
        next(epoch(workers))
        with pytest.raises(RuntimeError, match="after the next had begun"):
            next(left)
    assert children() == []


def test_no_process_outlives_an_error(dataset: MultimodalDataset) -> None:
    def fail() -> None:
        with Workers(dataset, 2) as workers:
            for _ in training_batches(dataset, dataset.rows("train"), 4, seed=0, epoch=0, workers=workers):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fail()
    assert caught.traceback, "its frames are alive"
    assert children() == []
    with closing(training_batches(dataset, dataset.rows("train"), 4, seed=0, epoch=0, workers=1)) as batches:
        next(batches)
    assert children() == []


def test_what_a_sample_should_not_hold_is_raised_here_and_the_processes_read_on(tmp_path: Path) -> None:
    folder = folder_of(gestures(), tmp_path)
    broken = read_manifest(folder)
    (path,) = folder.glob("wrist/s3.npy")
    path.write_bytes(b"nothing")
    rows = broken.rows("train")
    with Workers(broken, 2) as workers:
        with pytest.raises(InputError, match=r"s3\.npy"):
            list(training_batches(broken, rows, 4, seed=0, epoch=0, workers=workers))
        eyes = broken.only(["eye"])
        assert flat(training_batches(eyes, rows, 4, seed=0, epoch=0, workers=workers)) == flat(
            training_batches(eyes, rows, 4, seed=0, epoch=0)
        )


def test_workers_of_another_data_set_are_refused(dataset: MultimodalDataset) -> None:
    with Workers(gestures(), 0) as workers, pytest.raises(ValueError, match="another data set"):
        training_batches(dataset, dataset.rows("train"), 4, seed=0, epoch=0, workers=workers)


def test_a_batch_is_pinned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """DataLoader asks a batch for it where the model is on a GPU; without one there is no such memory."""
    pinned: list[tuple[int, ...]] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: pinned.append(tuple(self.shape)) or self)
    there, labels = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.int64)
    pixels = Pixels(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), there, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    sequences = Padded(torch.zeros(2, 7, 5), labels + 7)
    batch = Batch({"steps": sequences, "vector": torch.zeros(2, 6)}, labels, labels, {}, pixels={"photo": pixels})
    assert batch.pin_memory().to("cpu").modalities.keys() == {"steps", "vector", "photo"}
    assert {(2, 3, 4, 4), (2, 7, 5), (2,), (2, 6)} == set(pinned)
