"""Controls: auxiliary inputs that cannot teach anything. A gain that survives them is not distillation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from crossdistill.data.columns import Column, Rows
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import PartialColumn, Parts, Reading, known_present, middle, read, windows
from crossdistill.types import Modality, Padded

Control = Literal["none", "shuffled", "noise", "target"]


def with_control(
    dataset: MultimodalDataset, control: Control, target: Sequence[str], auxiliary: Sequence[str], seed: int
) -> MultimodalDataset:
    """The data set with its auxiliary modalities replaced.

    shuffled: the training samples' auxiliary inputs are permuted among them, all modalities of a sample together; the
    samples of other splits keep theirs. noise: standard normal numbers, fixed for each sample, in the shapes of the
    shuffled inputs, as a sequence's length may tell its class; encoders standardise inputs, so their scale says
    nothing. target: the target modalities' own inputs once more, in turn: nothing new to learn from them.
    """
    if control == "none":
        return dataset
    columns = dict(dataset.columns)
    if control in ("shuffled", "noise"):
        source = np.arange(len(dataset))
        train = dataset.rows("train")
        source[train] = np.random.default_rng([seed, 1]).permutation(train)
        columns |= {name: ReorderedColumn(columns[name], source) for name in auxiliary}
        if control == "noise":
            columns |= {name: NoiseColumn(columns[name], seed, place) for place, name in enumerate(auxiliary)}
    else:
        columns |= {name: columns[target[place % len(target)]] for place, name in enumerate(auxiliary)}
    return replace(dataset, columns=columns)


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
