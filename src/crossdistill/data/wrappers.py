"""Columns around other columns: reordered samples, noise or zeros of the same shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from crossdistill.data.columns import Column, KeptColumn, Rows
from crossdistill.data.reading import PartialColumn, Parts, Reading, known_present, middle, read, windows
from crossdistill.types import Modality, Padded

Shape = tuple[int, ...]


class ReorderedColumn:
    """Another column's samples in another order; source: (N,) which of its rows stands for each row."""

    def __init__(self, column: Column, source: Rows) -> None:
        self.column, self.source, self.shape = column, source, column.shape
        self.present = known_present(column)[source]

    def __len__(self) -> int:
        return len(self.source)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).numbers

    def windows(self, rows: Rows) -> Rows:
        return windows(self.column, self.source[rows])

    def read(self, rows: Rows, parts: Parts) -> Reading:
        return read(self.column, self.source[rows], parts)


class StandInColumn:
    """Made-up numbers in the shapes of another column's samples, absent where those are.

    fill: (row, shape) -> float32 numbers; the same for a row whenever it is fetched.
    """

    def __init__(self, column: Column, fill: Callable[[int, Shape], torch.Tensor]) -> None:
        self.column, self.shape, self.fill = column, column.shape, fill
        self.present = known_present(column)

    def __len__(self) -> int:
        return len(self.column)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).numbers

    def windows(self, rows: Rows) -> Rows:
        return windows(self.column, rows)

    def read(self, rows: Rows, parts: Parts) -> Reading:
        real = read(self.column, rows, parts)
        return Reading(self._like(real.numbers, rows), real.present, real.notes)

    def _like(self, real: Modality, rows: Rows) -> Modality:
        if not isinstance(real, Padded):
            return torch.stack([self.fill(int(row), tuple(real.shape[1:])) for row in rows])
        values = torch.zeros_like(real.values)
        for place, (row, length) in enumerate(zip(rows, real.lengths.tolist(), strict=True)):
            values[place, :length] = self.fill(int(row), (length, real.values.shape[2]))
        return Padded(values, real.lengths)


@dataclass(frozen=True)
class Noise:
    """Standard normal numbers, fixed for each row by a seed and the modality's place."""

    seed: int
    place: int

    def __call__(self, row: int, shape: Shape) -> torch.Tensor:
        random = np.random.default_rng([2, self.seed, self.place, row])
        return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))


def zeros(row: int, shape: Shape) -> torch.Tensor:
    """Nothing but zeros, for every row."""
    return torch.zeros(shape)


def content_of(column: Column) -> Column:
    """The column that reads the samples, inside those that leave out or exchange some."""
    while isinstance(column, PartialColumn | ReorderedColumn | StandInColumn):
        column = column.column
    return column


def read_from(column: Column) -> Column:
    """The content, and of one that is kept in memory the column that was read."""
    content = content_of(column)
    return content.source if isinstance(content, KeptColumn) else content


def as_given(column: Column, rows: Rows) -> tuple[Column, Rows]:
    """The column that has the samples as they were given, and which of its rows these are, of those that are there; of
    one that is kept in memory, the column that was read."""
    while isinstance(column, PartialColumn | ReorderedColumn):
        rows = column.positions(rows) if isinstance(column, PartialColumn) else column.source[rows]
        column = column.column
    return column.source if isinstance(column, KeptColumn) else column, rows
