"""Which features lose what they say when their numbers become float32, as training reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

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
from crossdistill.data.wrappers import as_given

_LOST = 0.1
"""Rounding's deviation beside a feature's own, from which a handful of steps hold all that it says."""
_LEAST = float(np.finfo(np.float32).tiny)
"""The least number that float32 holds with all its digits; some devices take what is less for 0."""
_MOST, _MOST_VALUES = 1000, 1 << 22
"""Samples that are looked at, and about how many numbers."""


def rounded_away(name: str, column: Column, rows: Rows) -> str:
    """A sentence on the features whose differences in these rows float32 hardly holds, "" where there are none.

    Times since 1970 are such, metres from the equator, and whatever varies by less than 1e-38: every model sees a
    constant.
    """
    given = sampled_numbers(column, rows)
    if given is None or np.can_cast(given.dtype, np.float16):
        return ""
    values = given.astype(np.float64)
    lost, deviation = _lost(values)
    if not len(lost):
        return ""
    worst, features = int(lost[0]), getattr(as_given(column, rows)[0], "features", ())
    called = f"feature {worst}" + (f" ('{features[worst]}')" if features else "")
    more = f", and of {len(lost) - 1} more" if len(lost) > 1 else ""
    return (
        f"{name}: float32 loses most of {called}, which varies by {deviation[worst]:.2g} around "
        f"{values[:, worst].mean():.6g}{more}; take an offset away, or choose another unit"
    )


def sampled_numbers(
    column: Column, rows: Rows, least: int = 1, most: int = _MOST, most_values: int = _MOST_VALUES
) -> Array | None:
    """(steps, features) the numbers of these rows as they were given, the steps of all together; of more rows than
    `most`, and of more numbers, some at equal distances. None of a column that has no numbers, of fewer rows than
    `least`, and where so many numbers are of fewer."""
    content, rows = as_given(column, rows)
    read = _reader(content)
    if read is None or len(rows) < max(1, least):
        return None
    features = read(int(rows[0])).shape[-1]
    count = min(len(rows), most, max(2, most_values // features))
    if count < least or features > most_values:
        return None
    steps = max(1, most_values // (count * features))
    chosen = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)].tolist()
    return np.concatenate([_thinned(read(row), steps) for row in chosen])


def _thinned(sample: Array, steps: int) -> Array:
    """(at most so many steps, features) of a sample."""
    every = sample.reshape(-1, sample.shape[-1])
    return every[:: max(1, -(-len(every) // steps))]


def _lost(values: Array) -> tuple[Rows, Array]:
    """Which of the features of these rows are lost, and the deviation of each."""
    with np.errstate(all="ignore"):  # of NaN and infinity in files reading itself will tell
        errors = values - values.astype(np.float32)
        scale = np.abs(values).max(0)
        scale = np.where(scale > 0, scale, 1.0)  # else squares of the smallest numbers would be 0
        deviation = (values / scale).std(0)
        kept = ((errors / scale).std(0) <= _LOST * deviation) & (deviation * scale >= _LEAST)
        lost = (deviation > 0) & ~kept
        return np.flatnonzero(lost), deviation * scale


def _reader(content: Column) -> Callable[[int], Array] | None:
    """Row -> its numbers as they were given, of columns that have such."""
    if isinstance(content, ArrayColumn):
        return lambda row: np.asarray(content.array[row])
    if isinstance(content, SequenceColumn):
        return lambda row: content.sequences[row]
    if isinstance(content, FileColumn):
        return lambda row: open_array(content.paths[row], content.places[row])
    if isinstance(content, RowColumn):
        files, numbers = content.file_numbers, content.row_numbers

        @lru_cache(maxsize=1)  # rows of one file follow each other, and opening it is most of the time
        def opened(file: int) -> Array:
            return open_array(content.files[file], content.places[int(np.argmax(files == file))])

        return lambda row: np.array(opened(int(files[row]))[numbers[row]])
    return None
