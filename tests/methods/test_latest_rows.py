"""What is remembered of the latest samples, held against a list that does the same slowly."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.methods.latest_rows import LatestRows

NOBODY = -1


def queue_of(size: int) -> LatestRows:
    return LatestRows(size, {"vectors": torch.full((2,), 0.5), "labels": torch.tensor(NOBODY)})


def push(queue: LatestRows, numbers: list[int]) -> None:
    labels = torch.tensor(numbers, dtype=torch.int64)
    queue.push({"vectors": labels[:, None] * torch.tensor([1.0, -2.0]), "labels": labels})


def remembered(queue: LatestRows, count: int) -> list[int]:
    """The latest labels; vectors are of the same samples."""
    labels = torch.cat(queue.latest("labels", count))
    vectors = torch.cat(queue.latest("vectors", count))
    expected = torch.where(labels[:, None] == NOBODY, 0.5, labels[:, None] * torch.tensor([1.0, -2.0]))
    assert torch.equal(vectors, expected)
    return labels.tolist()  # type: ignore[no-any-return]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=12))
def test_a_queue_is_a_list_whose_end_is_cut_off(size: int, batches: list[int]) -> None:
    """Whatever the batches' sizes, some of them larger than the queue and some empty."""
    queue, latest, pushed = queue_of(size), list[int](), 0
    for count in batches:
        numbers = list(range(pushed, pushed + count))
        push(queue, numbers)
        latest, pushed = [*numbers, *latest][:size], pushed + count
        assert queue.filled == len(latest)
        assert remembered(queue, size) == latest + [NOBODY] * (size - len(latest))
        for fewer in range(size):
            assert remembered(queue, fewer) == (latest + [NOBODY] * size)[:fewer]


def test_a_push_writes_what_is_new_and_moves_nothing() -> None:
    queue = queue_of(5)
    push(queue, [1, 2, 3])
    before = queue.labels.clone()
    push(queue, [4])
    assert (queue.labels != before).sum() == 1


@pytest.mark.parametrize("count", [0, 2, 5, 9])
def test_a_restored_queue_goes_on_where_it_was(count: int) -> None:
    queue, resumed = queue_of(5), queue_of(5)
    push(queue, list(range(10, 10 + count)))
    resumed.load_state_dict(copy.deepcopy(queue.state_dict()))
    for each in (queue, resumed):
        push(each, [1, 2])
    assert resumed.filled == queue.filled
    assert remembered(resumed, 5) == remembered(queue, 5)


def test_what_is_remembered_has_no_gradient_and_is_a_copy() -> None:
    queue, vectors = LatestRows(4, {"vectors": torch.zeros(2)}), torch.randn(3, 2, requires_grad=True)
    queue.push({"vectors": vectors})
    found = torch.cat(queue.latest("vectors", 3))
    assert not found.requires_grad
    with torch.no_grad():
        vectors.zero_()
    assert torch.equal(torch.cat(queue.latest("vectors", 3)), found)
    assert found.any()


def test_a_queue_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 sample"):
        queue_of(0)
