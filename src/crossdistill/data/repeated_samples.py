"""Samples that are measured and trained on, too, under another id."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.columns import ArrayColumn, Column, FileColumn, KeptColumn, RowColumn, Rows, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import few_of
from crossdistill.data.readers import MediaColumn, TextColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import ReorderedColumn

_VALUES = 64
"""Numbers of an array by which samples are told apart at first, so that few large ones are compared as a whole."""

_TELLING = 16
"""Different numbers among these that no two samples share by chance, as the few of a table's row may be."""

_ERRORS = 4
"""Standard errors above what chance makes of values that occur again and again, such as an age's."""

_UNSEEN = 4
"""What is added to the variance of few values, of which few training samples say little: that none of them are alike
does not tell that none could be."""

_NAMED = 5
"""Modalities that the line names; of more it says how many there are."""

_MEASURED = ("validation", "test", "held_out")


class _Telling(NamedTuple):
    """What no two samples share by chance: a place in a file, or many numbers."""

    what: Hashable


def repeated_samples(dataset: MultimodalDataset) -> list[str]:
    """A sentence where measured samples are the same as training samples in every modality: numbers, texts, or file,
    row and segment. Nothing of columns that say no such thing of their samples, such as memory-mapped ones."""
    trained, measured = dataset.rows("train"), np.flatnonzero(np.isin(dataset.splits, _MEASURED))
    known, asked = (_sample_keys(dataset, rows, whole=False) for rows in (trained, measured))
    of_known, of_asked = Counter(known), set(asked) - {()}
    if of_known.keys().isdisjoint(of_asked):
        return []
    count, counted = len(known) - of_known.pop((), 0), len(asked) - asked.count(())
    trained = trained[[key in of_asked or of_known[key] > 1 for key in known]]
    measured = measured[[of_known[key] > 0 for key in asked]]
    known = _sample_keys(dataset, trained, whole=True)
    twins = dict(zip(known, trained.tolist(), strict=True))
    twins.pop((), None)
    keys = zip(measured.tolist(), _sample_keys(dataset, measured, whole=True), strict=True)
    found = [(row, key) for row, key in keys if key in twins]
    unseen = 0 if all(any(isinstance(part, _Telling) for part in key) for _, key in found) else _UNSEEN
    if len(found) <= _most_by_chance(Counter(filter(None, known)), count, counted, unseen):
        return []
    same = [(row, twins[key]) for row, key in found]
    of_splits = Counter(dataset.splits[[row for row, _ in same]].tolist())
    counts = " and ".join(f"{count:,} of {len(dataset.rows(split)):,} {split}" for split, count in of_splits.items())
    first, twin = same[0]
    return [
        f"{counts} samples are training samples, too, the same in {few_of(list(dataset.columns), _NAMED)}: "
        f"'{dataset.ids[first]}' is '{dataset.ids[twin]}', say; what was learnt by heart is right on them, so leave "
        "them out of one"
    ]


def _most_by_chance(alike: Counter[tuple[Hashable, ...]], trained: int, measured: int, unseen: int) -> float:
    """How many measured samples may be as a training sample is where all were drawn alike: the share of training
    samples that another one is like (after Good and Turing), with the errors of this share and of the draw.

    alike: key -> its training samples, at least where these are several; trained, measured: all samples' numbers
    """
    repeated = sum(count for count in alike.values() if count > 1)
    share, pairs = repeated / trained, sum(count == 2 for count in alike.values())
    of_share = ((trained - repeated) * share + 2 * pairs + unseen) / trained**2
    return measured * share + _ERRORS * math.sqrt(measured * share + measured**2 * of_share)


def _sample_keys(dataset: MultimodalDataset, rows: Rows, whole: bool) -> list[tuple[Hashable, ...]]:
    """What a sample is in all modalities, () where that is not known or it has none."""
    columns = [_keys(column, rows, whole) for column in dataset.columns.values()]
    if not all(columns):
        return [()] * len(rows)
    return [() if all(key is None for key in keys) else keys for keys in zip(*columns, strict=True)]


def _keys(column: Column, rows: Rows, whole: bool) -> list[Hashable]:
    """What tells each sample from others, None where there is none; nothing at all where the column does not say it.

    whole: by all numbers of an array, instead of some
    """
    if isinstance(column, PartialColumn):
        there = iter(_keys(column.column, column.positions(rows), whole))
        return [next(there, None) if present else None for present in column.present[rows].tolist()]
    if isinstance(column, ReorderedColumn):
        return _keys(column.column, column.source[rows], whole)
    if isinstance(column, KeptColumn):
        return _keys(column.source, rows, whole)
    if isinstance(column, ArrayColumn) and not isinstance(column.array, np.memmap):
        return _of_arrays(column.array.reshape(len(column), -1), rows, whole)
    if isinstance(column, SequenceColumn):
        return [key for row in rows.tolist() for key in _of_arrays(column.sequences[row].reshape(1, -1), [0], whole)]
    if isinstance(column, FileColumn):
        return [_Telling(column.paths[row]) for row in rows.tolist()]
    if isinstance(column, RowColumn):
        places = zip(column.file_numbers[rows].tolist(), column.row_numbers[rows].tolist(), strict=True)
        return [_Telling(place) for place in places]
    if isinstance(column, TextColumn):
        return [column.texts[row] for row in rows.tolist()]
    if isinstance(column, MediaColumn):
        clips = [column.clips[row] for row in rows.tolist()]
        return [_Telling((clip.path, clip.start, clip.end, clip.crop)) for clip in clips]
    return []


def _of_arrays(values: Array, rows: Rows | Sequence[int], whole: bool) -> list[Hashable]:
    """Of (N, F) numbers: how many they are, and these, as a digest, or some of them."""
    size, places = values.shape[1], _places(values.shape[1])
    if not whole:
        return [(size, some.tobytes()) for some in values[np.asarray(rows)[:, None], places]]
    return [_of_array(values[row], places) for row in rows]


def _of_array(numbers: Array, places: Rows) -> Hashable:
    key = (len(numbers), blake2b(numbers.tobytes(), digest_size=16).digest())
    return _Telling(key) if len(np.unique(numbers[places])) >= _TELLING else key


@lru_cache
def _places(size: int) -> Rows:
    """Where an array's numbers are looked at first: all over it, as those at equal steps may be its border alone."""
    if size <= _VALUES:
        return np.arange(size)
    return np.unique(np.random.default_rng(0).integers(size, size=_VALUES))
