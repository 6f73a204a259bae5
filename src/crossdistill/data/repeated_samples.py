"""Samples that are measured and trained on, too, under another id."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

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

_ERRORS = 3
"""Standard errors above what chance makes of values that occur again and again, such as an age's."""

_NAMED = 5
"""Modalities that the line names; of more it says how many there are."""

_MEASURED = ("validation", "test", "held_out")


def repeated_samples(dataset: MultimodalDataset) -> list[str]:
    """A sentence where measured samples are the same as training samples in every modality: numbers, texts, or file,
    row and segment. Nothing of columns that say no such thing of their samples, such as memory-mapped ones."""
    trained, measured = dataset.rows("train"), np.flatnonzero(np.isin(dataset.splits, _MEASURED))
    known, asked = (_sample_keys(dataset, rows, whole=False) for rows in (trained, measured))
    seemingly = set(known).intersection(asked) - {()}
    if not seemingly:
        return []
    chance = (len(known) - len(set(known))) / len(known) * len(asked)  # as often as training samples are alike
    trained = trained[[key in seemingly for key in known]]
    measured = measured[[key in seemingly for key in asked]]
    twins = dict(zip(_sample_keys(dataset, trained, whole=True), trained.tolist(), strict=True))
    keys = zip(measured.tolist(), _sample_keys(dataset, measured, whole=True), strict=True)
    same = [(row, twins[key]) for row, key in keys if key in twins]
    if len(same) <= chance + _ERRORS * math.sqrt(chance):
        return []
    of_splits = Counter(dataset.splits[[row for row, _ in same]].tolist())
    counts = " and ".join(f"{count:,} of {len(dataset.rows(split)):,} {split}" for split, count in of_splits.items())
    first, twin = same[0]
    return [
        f"{counts} samples are training samples, too, the same in {few_of(list(dataset.columns), _NAMED)}: "
        f"'{dataset.ids[first]}' is '{dataset.ids[twin]}', say; what was learnt by heart is right on them, so leave "
        "them out of one"
    ]


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
        return [column.paths[row] for row in rows.tolist()]
    if isinstance(column, RowColumn):
        return list(zip(column.file_numbers[rows].tolist(), column.row_numbers[rows].tolist(), strict=True))
    if isinstance(column, TextColumn):
        return [column.texts[row] for row in rows.tolist()]
    if isinstance(column, MediaColumn):
        clips = [column.clips[row] for row in rows.tolist()]
        return [(clip.path, clip.start, clip.end, clip.crop) for clip in clips]
    return []


def _of_arrays(values: Array, rows: Rows | Sequence[int], whole: bool) -> list[Hashable]:
    """Of (N, F) numbers: how many they are, and these or some of them."""
    step = 1 if whole else max(1, values.shape[1] // _VALUES)
    return [(values.shape[1], values[row, ::step].tobytes()) for row in rows]
