"""A column whose samples are opened when they are read, and are absent, with a note, where they cannot be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from crossdistill.data.columns import Column, Rows
from crossdistill.data.reading import Parts, Reading, join, middle, nothing, read, windows
from crossdistill.types import InputError, Modality, Note


class LazyColumn:
    """N samples of a modality, whatever goes wrong with some of them.

    shape: of one sample, as of `Column`; opened: row numbers -> a column of these rows, in order; may raise InputError.
    Rows are opened together; where that fails, each alone, so that one bad sample costs no other.
    """

    def __init__(self, shape: tuple[int, ...], count: int, opened: Callable[[Rows], Column]) -> None:
        self.shape, self.opened = shape, opened
        self.present = np.ones(count, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.present)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).numbers

    def windows(self, rows: Rows) -> Rows:
        try:
            return windows(self.opened(rows), np.arange(len(rows)))
        except InputError:  # reading will say what is wrong
            return (
                np.ones(1, dtype=np.int64) if len(rows) == 1 else np.concatenate([self.windows(r) for r in _each(rows)])
            )

    def read(self, rows: Rows, parts: Parts) -> Reading:
        distinct, places = np.unique(rows, return_inverse=True)
        try:
            return read(self.opened(distinct), places, parts)
        except InputError as error:
            if len(distinct) == 1:
                note = Note(str(error), skipped=True, place=0)
                return Reading(nothing(self.shape, len(rows)), torch.zeros(len(rows), dtype=torch.bool), (note,))
        alone = [np.arange(len(rows)) == place for place in range(len(rows))]
        return join([self.read(rows[mask], parts.of(mask)) for mask in alone], self.shape)


def _each(rows: Rows) -> list[Rows]:
    return [rows[place : place + 1] for place in range(len(rows))]
