"""Modalities that are the same in all training samples, of which nothing can be learnt."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.columns import (
    ArrayColumn,
    Column,
    FileColumn,
    RowColumn,
    Rows,
    SequenceColumn,
    open_array,
)
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import few_of
from crossdistill.data.readers import MediaColumn, TextColumn
from crossdistill.data.wrappers import as_given

_LEAST = 3
"""Samples below which it says nothing that they are the same."""

_CHUNK_VALUES = 1 << 16
"""Numbers compared at once: few, for the first samples that differ end the comparison."""

_LARGE = 1 << 22
"""Numbers of a sample in a file from which it is not looked into: constant ones would have to be read to their end."""

_NAMED = 5
"""Modalities that a line names; of more it says how many there are."""


def same_samples(dataset: MultimodalDataset, together: Mapping[str, Sequence[str]] = MappingProxyType({})) -> list[str]:
    """A sentence where a modality is the same in all training samples that have it.

    together: NAME -> modalities that may be read as one of that name, of which single ones may be the same
    """
    return sentences_of(dataset, as_one(same_modalities(dataset), together))


def as_one(same: Mapping[str, int], together: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Those of the modalities, with those that may be read as one under its name where all of them are the same, and
    else left out."""
    parts = {part for named in together.values() for part in named}
    whole = {name: named for name, named in together.items() if all(part in same for part in named)}
    alone = {name: count for name, count in same.items() if name not in parts}
    return alone | {name: max(same[part] for part in named) for name, named in whole.items()}


def same_modalities(dataset: MultimodalDataset, split: str = "train") -> dict[str, int]:
    """The modalities that are the same in all samples of a split that have them, and how many these are: by numbers,
    texts, or file, row and segment. Media are not decoded for that, arrays in files of which a sample is large are not
    read, and columns of a class that is not ours are not looked into."""
    found = {name: rows_with(dataset, name, split) for name in dataset.columns}
    return {name: len(rows) for name, rows in found.items() if _are_same(dataset.columns[name], rows)}


def sentences_of(dataset: MultimodalDataset, same: Mapping[str, int]) -> list[str]:
    """What is said of these modalities, or columns together, of which so many samples are the same."""
    alike: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for name, count in same.items():
        column = dataset.columns.get(name)
        alike[count, _rows_meant(column, rows_with(dataset, name)) if column is not None else ""].append(name)
    samples = len(dataset.rows("train"))
    return [_sentence(names, count, samples, hint) for (count, hint), names in alike.items()]


def rows_with(dataset: MultimodalDataset, name: str, split: str = "train") -> Rows:
    """The samples of a split that have the modality."""
    rows = dataset.rows(split)
    return rows[dataset.present([name])[rows]]


def _sentence(names: Sequence[str], count: int, samples: int, hint: str) -> str:
    verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
    which = f" that have {them}" if count < samples else ""
    return (
        f"{few_of(names, _NAMED, 'more modalities')} {verb} the same in all {count:,} training samples{which}, so that "
        f"nothing can be learnt from {them}{hint}"
    )


def _rows_meant(column: Column, rows: Rows) -> str:
    """What to write where each cell names one array as a whole, of which each may have meant a row."""
    files, rows = as_given(column, rows)
    if not isinstance(files, FileColumn) or len(files.shape) < 2 or len({files.paths[row] for row in rows}) > 1:
        return ""
    name = files.paths[rows[0]].name
    return f"; rows of an array are {name}#0, {name}#1, ..."


def _are_same(column: Column, rows: Rows) -> bool:
    """Whether these samples, which have the modality, are several and all like the first."""
    if len(rows) < _LEAST:
        return False
    column, rows = as_given(column, rows)
    if isinstance(column, ArrayColumn):
        return _are_rows_like(column.array[rows[0]], column.array, rows)
    if isinstance(column, SequenceColumn):
        return all(np.array_equal(column.sequences[rows[0]], column.sequences[row]) for row in rows)
    if isinstance(column, RowColumn):
        return _are_same_rows(column, rows)
    if isinstance(column, FileColumn):
        if len({column.paths[row] for row in rows}) == 1:
            return True
        return _are_same_files(column, rows)
    if isinstance(column, TextColumn):
        return all(column.text(row) == column.text(rows[0]) for row in rows)
    if isinstance(column, MediaColumn):
        clips = [column.clips[row] for row in rows]
        return len({(clip.path, clip.start, clip.end, clip.crop) for clip in clips}) == 1
    return False


def _are_same_files(column: FileColumn, rows: Rows) -> bool:
    samples = (open_array(column.paths[row], column.places[row]) for row in rows)
    first = next(samples)
    return first.size < _LARGE and all(np.array_equal(first, sample) for sample in samples)


def _are_same_rows(column: RowColumn, rows: Rows) -> bool:
    """Chunk by chunk, each file opened anew: what is mapped of one counts as memory as long as it is open."""
    files, numbers = column.file_numbers[rows], column.row_numbers[rows]
    if (files == files[0]).all() and (numbers == numbers[0]).all():
        return True
    size = math.prod(column.shape)
    if size >= _LARGE:
        return False
    first = np.array(open_array(column.files[files[0]], column.places[rows[0]])[numbers[0]])
    step = max(1, _CHUNK_VALUES // size)
    for start in range(0, len(rows), step):
        chunk = slice(start, start + step)
        for file in np.unique(files[chunk]):
            array = open_array(column.files[file], column.places[rows[0]])
            if not (array[numbers[chunk][files[chunk] == file]] == first).all():
                return False
    return True


def _are_rows_like(first: Array, array: Array, rows: Rows) -> bool:
    step = max(1, _CHUNK_VALUES // math.prod(array.shape[1:]))
    return all((array[rows[start : start + step]] == first).all() for start in range(0, len(rows), step))
