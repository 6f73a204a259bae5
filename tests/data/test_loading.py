from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data import from_arrays, training_batches
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.loading import EpochBatches, evaluation_batches
from crossdistill.types import InputError

seeds = st.integers(0, 2**31)


def numbers(count: int) -> MultimodalDataset:
    values = np.arange(count, dtype=np.float32)[:, None]
    clips = [np.full((1 + row % 3, 2), row, dtype=np.float32) for row in range(count)]
    return from_arrays({"value": values, "clip": clips}, np.arange(count) % 2, splits=np.zeros(count, bool))


@given(st.integers(1, 40), st.integers(1, 10), st.integers(1, 4), seeds, st.integers(0, 3))
def test_the_ranks_slices_joined_are_the_batches_of_one_process(
    count: int, share: int, world: int, seed: int, epoch: int
) -> None:
    rows = np.arange(100, 100 + max(count, world))
    alone = list(EpochBatches(rows, share * world, seed, epoch))
    ranks = [list(EpochBatches(rows, share * world, seed, epoch, rank, world)) for rank in range(world)]
    joined = [list(chain(*slices)) for slices in zip(*ranks, strict=True)]
    if len(rows) >= share * world:
        assert joined == alone
    else:
        assert joined == [alone[0][: len(rows) // world * world]]


@given(st.integers(1, 60), st.integers(1, 20), seeds)
def test_batches_are_full_and_share_no_row(count: int, size: int, seed: int) -> None:
    batches = list(EpochBatches(np.arange(count), size, seed, 0))
    assert len(batches) == len(EpochBatches(np.arange(count), size, seed, 0)) == max(1, count // size)
    assert {len(batch) for batch in batches} == {min(size, count)}
    drawn = list(chain(*batches))
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(range(count))


def test_every_row_is_drawn_over_the_epochs_and_the_order_depends_on_seed_and_epoch() -> None:
    rows = np.arange(10)
    orders = {(s, e): tuple(chain(*EpochBatches(rows, 4, s, e))) for s in range(3) for e in range(8)}
    assert len(set(orders.values())) == len(orders)
    assert set().union(*orders.values()) == set(range(10))


def test_shuffling_is_uniform_enough() -> None:
    firsts = [next(iter(EpochBatches(np.arange(4), 4, 0, epoch)))[0] for epoch in range(2000)]
    assert (np.abs(np.bincount(firsts, minlength=4) - 500) < 5 * np.sqrt(2000 * 0.25 * 0.75)).all()


def test_the_global_random_states_are_neither_read_nor_changed() -> None:
    dataset, rows = numbers(12), np.arange(12)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = [batch.rows.tolist() for batch in training_batches(dataset, rows, 4, seed=3, epoch=2)]
    list(evaluation_batches(dataset, rows, np.full(12, 0.5), 4))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.random.seed(5)  # noqa: NPY002  the global state is what must not matter
    assert [batch.rows.tolist() for batch in training_batches(dataset, rows, 4, seed=3, epoch=2)] == first


@pytest.mark.parametrize("workers", [0, 2])
def test_training_batches_hold_the_rows_they_name(workers: int) -> None:
    dataset = numbers(11)
    batches = list(training_batches(dataset, np.arange(1, 11), 4, seed=0, epoch=0, workers=workers))
    assert [len(batch.labels) for batch in batches] == [4, 4]
    for batch in batches:
        assert torch.equal(batch.modalities["value"][:, 0], batch.rows.float())
        assert torch.equal(batch.modalities["clip"].values[:, 0, 0], batch.rows.float())
        assert torch.equal(batch.modalities["clip"].lengths, 1 + batch.rows % 3)
        assert torch.equal(batch.labels, batch.rows % 2)


def test_evaluation_keeps_order_and_the_last_partial_batch() -> None:
    rows = np.array([5, 3, 9, 0, 7])
    batches = list(evaluation_batches(numbers(10), rows, np.full(5, 0.5), 2))
    assert [batch.rows.tolist() for batch in batches] == [[5, 3], [9, 0], [7]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rows": np.arange(9), "batch_size": 5, "seed": 0, "epoch": 0, "rank": 0, "world_size": 2},
            "multiple of the 2",
        ),
        ({"rows": np.arange(9), "batch_size": 0, "seed": 0, "epoch": 0}, "batch size"),
        ({"rows": np.arange(0), "batch_size": 4, "seed": 0, "epoch": 0}, "0 rows"),
        ({"rows": np.arange(1), "batch_size": 4, "seed": 0, "epoch": 0, "rank": 1, "world_size": 2}, "1 rows for 2"),
        ({"rows": np.arange(9), "batch_size": 4, "seed": -1, "epoch": 0}, "seed"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EpochBatches(**arguments)
    with pytest.raises(InputError, match="batch size"):
        evaluation_batches(numbers(3), np.arange(3), np.full(3, 0.5), 0)
