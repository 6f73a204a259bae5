"""Lists of numbers in a Parquet table's cells, one modality of vectors, sequences or whatever has more axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import Array
from crossdistill.data.columns import ArrayColumn, SequenceColumn, float32_of
from crossdistill.data.table import Table
from crossdistill.types import InputError

Lengths = npt.NDArray[np.int64]

_NOT_FINITE = (
    "NaN or infinity (in float32); replace or drop these values; the cell of a sample that lacks the modality is null"
)


def are_numbers(kind: Any) -> bool:
    """Whether an Arrow type is that of lists of numbers, or of lists of these."""
    import pyarrow as pa

    if not _is_list(kind):
        return False
    while _is_list(kind):
        kind = kind.value_type
    return any(holds(kind) for holds in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean))


def list_column(table: Table, header: str, rows: Sequence[int]) -> ArrayColumn | SequenceColumn:
    """The lists in these rows, none of which is null: an array where all are of one shape, sequences (T_i, F) where
    lists of lists differ in length. Raises InputError with the place of the first that does not fit."""
    levels, values = _unnested(table, header, rows)
    name = f"{table.path}, column '{header}'"
    odd = [int(np.argmax(lengths != lengths[0])) for lengths in levels]  # the first of another length, 0 for none
    if not any(odd):
        return ArrayColumn(values.reshape(len(rows), *(int(lengths[0]) for lengths in levels)), name)
    if len(levels) == 2 and not odd[1]:
        return SequenceColumn(np.split(values.reshape(len(levels[1]), -1), np.cumsum(levels[0])[:-1]), name)
    depth = max(depth for depth, position in enumerate(odd) if position)  # sequences may differ in the outer one
    expected, found = (int(levels[depth][place]) for place in (0, odd[depth]))
    hint = "; sequences of different length are lists of steps, each a list of features" if len(levels) == 1 else ""
    raise InputError(
        f"{table.place(rows[_row_of(levels, depth, odd[depth])], header)}: expected a list of {expected} as in row "
        f"{table.numbers[rows[0]]}, found one of {found}{hint}"
    )


def list_arrays(table: Table, header: str, rows: Sequence[int]) -> list[Array]:
    """Each of the lists in these rows as an array. Raises InputError as `list_column` does."""
    column = list_column(table, header, rows)
    return list(column.array) if isinstance(column, ArrayColumn) else column.sequences


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return any(holds(kind) for holds in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _unnested(table: Table, header: str, rows: Sequence[int]) -> tuple[list[Lengths], Array]:
    """How long the lists are at each depth, and all their numbers in a row. Raises InputError for an empty list, and
    for a list or a number in one that is null, NaN or infinite in float32."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inner = table.nested[header].take(pa.array(rows, type=pa.int64())).combine_chunks()
    levels: list[Lengths] = []

    def require(fine: npt.NDArray[np.bool_], words: str) -> None:
        if not fine.all():
            row = rows[_row_of(levels, len(levels), int(np.argmin(fine)))]
            raise InputError(f"{table.place(row, header)}: {words}")

    while _is_list(inner.type):
        lengths = pc.list_value_length(inner).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        require(lengths >= 0, "expected lists everywhere in the list, found null")
        require(lengths > 0, "found an empty list; the cell of a sample that lacks the modality is null")
        levels.append(lengths)
        inner = inner.flatten()
    require(inner.is_valid().to_numpy(zero_copy_only=False), "expected numbers everywhere in the list, found null")
    values: Array = inner.to_numpy(zero_copy_only=False)
    require(np.isfinite(float32_of(values)), _NOT_FINITE)
    return levels, values


def _row_of(levels: Sequence[Lengths], depth: int, position: int) -> int:
    """Which cell holds what is at this position of this depth."""
    for lengths in reversed(levels[:depth]):
        position = int(np.searchsorted(np.cumsum(lengths), position, side="right"))
    return position
