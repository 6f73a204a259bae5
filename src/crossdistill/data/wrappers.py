"""Columns around other columns: reordered samples, noise of the same shapes."""

from __future__ import annotations

import numpy as np
import torch

from crossdistill.data.columns import Column, Rows
from crossdistill.data.reading import PartialColumn, Parts, Reading, known_present, middle, read, windows
from crossdistill.types import Modality, Padded


class ReorderedColumn:
    """Another column's samples in another order; source: (N,) which of its rows stands for each row."""

    def __init__(self, column: Column, source: Rows) -> None:
        self.column, self.source, self.shape = column, source, column.shape
        self.present = known_present(column)[source]

    def __len__(self) -> int:
        return len(self.source)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).modality

    def windows(self, rows: Rows) -> Rows:
        return windows(self.column, self.source[rows])

    def read(self, rows: Rows, parts: Parts) -> Reading:
        return read(self.column, self.source[rows], parts)


class NoiseColumn:
    """Standard normal numbers in the shapes of another column's samples; the same for a row whenever it is fetched,
    and absent where those are."""

    def __init__(self, column: Column, seed: int, place: int) -> None:
        self.column, self.shape, self._key = column, column.shape, (seed, place)
        self.present = known_present(column)

    def __len__(self) -> int:
        return len(self.column)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).modality

    def windows(self, rows: Rows) -> Rows:
        return windows(self.column, rows)

    def read(self, rows: Rows, parts: Parts) -> Reading:
        real = read(self.column, rows, parts)
        return Reading(self._like(real.modality, rows), real.present, real.notes)

    def _like(self, real: Modality, rows: Rows) -> Modality:
        if not isinstance(real, Padded):
            return torch.stack([self._noise(row, tuple(real.shape[1:])) for row in rows])
        values = torch.zeros_like(real.values)
        for place, (row, length) in enumerate(zip(rows, real.lengths.tolist(), strict=True)):
            values[place, :length] = self._noise(row, (length, real.values.shape[2]))
        return Padded(values, real.lengths)

    def _noise(self, row: int, shape: tuple[int, ...]) -> torch.Tensor:
        random = np.random.default_rng([2, *self._key, int(row)])
        return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))


def content_of(column: Column) -> Column:
    """The column that reads the samples, inside those that leave out or exchange some."""
    while isinstance(column, PartialColumn | ReorderedColumn | NoiseColumn):
        column = column.column
    return column
