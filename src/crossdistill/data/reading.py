"""Columns whose samples may be absent, or longer than what a model takes at once: what reading some rows gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from crossdistill.data.columns import Column, Rows, pad
from crossdistill.types import Modality, Note, Padded, Pixels

Mask = npt.NDArray[np.bool_]


class Parts(NamedTuple):
    """Which part of each of B samples is read, where there is more of it than a model takes at once.

    positions: (B,) in [0, 1], where in time, among all places that the part could have: 0 first, 1 last
    seeds: (B,) uint64, for what else chance decides (crop, mirroring) in training; none in evaluation
    """

    positions: npt.NDArray[np.float64]
    seeds: npt.NDArray[np.uint64] | None = None

    def of(self, mask: Mask) -> Parts:
        """The parts of those of the B samples that the mask marks."""
        return Parts(self.positions[mask], None if self.seeds is None else self.seeds[mask])


def middle(count: int) -> Parts:
    """The middle of each of so many samples, nothing left to chance."""
    return Parts(np.full(count, 0.5))


class Reading(NamedTuple):
    """B samples of a modality, 0 where `present` (B,) is False; and what went wrong in reading them."""

    modality: Modality | Pixels
    present: Bool[Tensor, " batch"]
    notes: tuple[Note, ...]

    @property
    def numbers(self) -> Modality:
        """The samples as an encoder sees them."""
        return self.modality.numbers() if isinstance(self.modality, Pixels) else self.modality


@runtime_checkable
class Reader(Column, Protocol):
    """A column that cannot promise a sample for each row.

    present: (N,) bool, False for samples that are known to lack the modality
    windows: row numbers (B,) -> (B,) how many parts that do not overlap each sample has, at least 1
    read: row numbers (B,) and which part of each -> the samples; raises InputError only where it was told to be strict
    """

    present: Mask

    def windows(self, rows: Rows) -> Rows: ...
    def read(self, rows: Rows, parts: Parts) -> Reading: ...


class PartialColumn:
    """A modality that some samples lack.

    column: of the samples that have it, in order; present: (N,) bool, as many True as `column` has rows.
    """

    def __init__(self, column: Column, present: Mask) -> None:
        self.column, self.present, self.shape = column, present, column.shape
        self._position = np.cumsum(present, dtype=np.int64) - 1

    def __len__(self) -> int:
        return len(self.present)

    def positions(self, rows: Rows) -> Rows:
        """The row numbers in `column` of those of `rows` that are there."""
        return self._position[rows[self.present[rows]]]

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).numbers

    def windows(self, rows: Rows) -> Rows:
        counts = np.ones(len(rows), dtype=np.int64)
        has_sample = self.present[rows]
        if has_sample.any():
            counts[has_sample] = windows(self.column, self.positions(rows))
        return counts

    def read(self, rows: Rows, parts: Parts) -> Reading:
        has_sample = self.present[rows]
        if not has_sample.any():
            return Reading(nothing(self.shape, len(rows)), torch.from_numpy(has_sample), ())
        reading = read(self.column, self.positions(rows), parts.of(has_sample))
        present = torch.from_numpy(has_sample)
        values = _spread(reading.modality, present)
        notes = places_in(np.flatnonzero(has_sample), reading.notes)
        return Reading(values, present.masked_scatter(present, reading.present), notes)


def places_in(places: Rows, notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes on samples that were a part of others, with their places among all: places (B,) of each of the part."""
    return tuple(note._replace(place=int(places[note.place])) if note.place >= 0 else note for note in notes)


def read(column: Column, rows: Rows, parts: Parts) -> Reading:
    """Rows of any column. One that is no `Reader` has every sample, as a whole."""
    if isinstance(column, Reader):
        return column.read(rows, parts)
    return Reading(column.fetch(rows), torch.ones(len(rows), dtype=torch.bool), ())


def windows(column: Column, rows: Rows) -> Rows:
    """(B,) how many parts that do not overlap each sample has; 1 for one that is read as a whole."""
    return column.windows(rows) if isinstance(column, Reader) else np.ones(len(rows), dtype=np.int64)


def known_present(column: Column) -> Mask:
    """(N,) bool, False for samples that are known to lack the modality."""
    return column.present if isinstance(column, Reader) else np.ones(len(column), dtype=np.bool_)


def assemble(
    samples: Sequence[npt.NDArray[np.float32 | np.uint8] | None], shape: tuple[int, ...], notes: Sequence[Note]
) -> Reading:
    """One reading from B samples of a column's `shape`, None where there is none."""
    given = [sample for sample in samples if sample is not None]
    present = torch.tensor([sample is not None for sample in samples])
    if not given:
        return Reading(nothing(shape, len(samples)), present, tuple(notes))
    modality = pad(cast(list[npt.NDArray[np.float32]], given)) if shape[0] == -1 else torch.from_numpy(np.stack(given))
    return Reading(_spread(modality, present), present, tuple(notes))


def join(readings: Sequence[Reading], shape: tuple[int, ...]) -> Reading:
    """The samples of several readings of one sample each, in order."""
    samples = [_values(reading.numbers) if bool(reading.present[0]) else None for reading in readings]
    notes = [note._replace(place=place) for place, reading in enumerate(readings) for note in reading.notes]
    return assemble(samples, shape, notes)


def _values(modality: Modality) -> npt.NDArray[np.float32]:
    """The first sample, without its padding."""
    if isinstance(modality, Padded):
        return modality.values[0, : int(modality.lengths[0])].numpy()
    return modality[0].numpy()


def nothing(shape: tuple[int, ...], count: int) -> Modality:
    """Zeros in the place of samples that are absent; sequences of one step."""
    if shape[0] == -1:
        return Padded(torch.zeros(count, 1, shape[1]), torch.ones(count, dtype=torch.int64))
    return torch.zeros(count, *shape)


def _spread(modality: Modality | Pixels, present: Tensor) -> Modality | Pixels:
    """The samples at the places where `present` is True; 0 elsewhere, as sequences of one step."""
    if bool(present.all()):
        return modality
    if isinstance(modality, Pixels):
        values, there = modality.values.new_zeros(len(present), *modality.values.shape[1:]), present.clone()
        values[present], there[present] = modality.values, modality.present
        return modality._replace(values=values, present=there)
    if isinstance(modality, Padded):
        values = modality.values.new_zeros(len(present), *modality.values.shape[1:])
        lengths = torch.ones(len(present), dtype=torch.int64)
        values[present], lengths[present] = modality.values, modality.lengths
        return Padded(values, lengths)
    full = modality.new_zeros(len(present), *modality.shape[1:])
    full[present] = modality
    return full
