"""What methods remember of the latest training samples, first in, first out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class LatestRows(nn.Module):
    """Rows of named tensors of the latest `size` samples; of a batch the first sample is the latest.

    A ring: a new row takes the oldest one's place, and nothing else is written or moved.
    empty: name -> the row (...) that is in an empty place
    Raises ValueError when size < 1.

    >>> import torch
    >>> from crossdistill.methods.latest_rows import LatestRows
    >>> queue = LatestRows(3, {"labels": torch.tensor(-1)})
    >>> queue.push({"labels": torch.tensor([1, 2])})
    >>> torch.cat(queue.latest("labels", 3)).tolist(), queue.filled
    ([1, 2, -1], 2)
    >>> queue.push({"labels": torch.tensor([3, 4])})
    >>> torch.cat(queue.latest("labels", 3)).tolist(), queue.filled
    ([3, 4, 1], 3)
    """

    def __init__(self, size: int, empty: Mapping[str, Tensor]) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"expected a queue of at least 1 sample, got {size}")
        self.size, self.names = size, tuple(empty)
        self.start = self.filled = 0  # the place of the latest row, whose elders follow it around the ring
        for name, row in empty.items():
            self.register_buffer(name, row.repeat(size, *[1] * row.ndim))

    def latest(self, name: str, count: int) -> list[Tensor]:
        """The latest rows, at most `size` of them, the latest first and empty places last: two parts of the ring,
        which are to be read before the next `push`."""
        rows, end = self.get_buffer(name), self.start + count
        return [rows[self.start : end], rows[: max(end - self.size, 0)]]

    @torch.no_grad()
    def push(self, rows: Mapping[str, Tensor]) -> None:
        """Remembers a batch, (B, ...) of each name; the oldest beyond `size` are forgotten."""
        count = min(len(rows[self.names[0]]), self.size)
        self.start, self.filled = (self.start - count) % self.size, min(self.filled + count, self.size)
        for name in self.names:
            first, second = self.latest(name, count)
            first.copy_(rows[name][: len(first)])
            second.copy_(rows[name][len(first) : count])

    def get_extra_state(self) -> Tensor:
        """Where the ring starts and how much of it is filled, which are no buffers: reading them would wait for the
        device."""
        return torch.tensor([self.start, self.filled])

    def set_extra_state(self, state: Tensor) -> None:
        self.start, self.filled = state.tolist()
