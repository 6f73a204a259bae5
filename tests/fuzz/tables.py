"""Changes to tables of text, and their writing as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests.fuzz.octets import damaged
from tests.fuzz.values import odd_text

Rows = list[list[str]]
"""The header first."""

HEADERS = (
    "id",
    "split",
    "label",
    "fold",
    "group",
    "start",
    "end",
    "crop",
    "caption",
    "thumbnail",
    "wrist:start",
    "x:",
    "",
)


def changed(rows: Rows, random: Random) -> Rows:
    """The table with one to four changes: cells, rows or columns replaced, doubled, exchanged or removed."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice((1, 1, 2, 4))):
        if len(rows) < 2 or not rows[0]:
            return rows
        _change(rows, random)
    return rows


def _change(rows: Rows, random: Random) -> None:
    row, column, other = (
        random.randrange(len(rows)),
        random.randrange(min(map(len, rows)) or 1),
        random.randrange(len(rows)),
    )
    how = random.randrange(16)
    if how == 0:
        del rows[row]
    elif how == 1:
        rows.insert(other, list(rows[row]))
    elif how == 2:
        rows[row], rows[other] = rows[other], rows[row]
    elif how == 3:
        for each in rows:
            del each[column : column + 1]
    elif how == 4:
        name = random.choice(HEADERS)
        for number, each in enumerate(rows):
            each.append(name if number == 0 else odd_text(random))
    elif how == 5:
        rows[row] = rows[row][:column] if random.random() < 0.5 else [*rows[row], "more"]
    elif how == 6:
        rows[0][column : column + 1] = [random.choice(HEADERS)]
    elif how == 7 and len(rows[row]) > column:
        rows[row][column] = damaged(rows[row][column].encode(errors="replace") or b"x", random).decode(errors="replace")
    else:
        rows[row][column : column + 1] = [odd_text(random)]


def write_csv(path: Path, rows: Rows, random: Random) -> None:
    """As CSV, mostly of the usual form."""
    text = io.StringIO()
    delimiter = random.choice((*[","] * 20, ";", "\t"))
    csv.writer(text, delimiter=delimiter, lineterminator=random.choice((*["\n"] * 6, "\r\n", "\r"))).writerows(rows)
    encoding = random.choice((*["utf-8"] * 12, "utf-8-sig", "latin-1", "utf-16"))
    path.write_bytes(text.getvalue().encode(encoding, errors="replace"))


TYPES: tuple[Any, ...] = (
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.binary(), pa.large_string(), pa.null()),
    *(pa.date32(), pa.timestamp("s"), pa.timestamp("ns", tz="Mars/Olympus"), pa.timestamp("us"), pa.duration("ns")),
    *(pa.time64("ns"), pa.decimal128(38, 3), pa.list_(pa.int64()), pa.struct([("a", pa.int64())])),
    pa.dictionary(pa.int8(), pa.string()),
)


def write_parquet(path: Path, rows: Rows, random: Random) -> None:
    """As Parquet: texts, and perhaps a column of another type, null here and there."""
    width = max(len(row) for row in rows)
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    cells = [[text.encode(errors="replace").decode() for text in row] for row in rows]
    columns = [pa.array([row[place] or None for row in cells[1:]], pa.string()) for place in range(width)]
    odd = list(columns)
    odd[random.randrange(width)] = _of_type(random.choice(TYPES), len(rows) - 1, random)
    try:
        pa.parquet.write_table(pa.Table.from_arrays(odd if random.random() < 0.6 else columns, names=cells[0]), path)
    except pa.ArrowException:  # bits that no such value has
        pa.parquet.write_table(pa.Table.from_arrays(columns, names=cells[0]), path)


def _of_type(kind: Any, count: int, random: Random) -> Any:
    """Cells of this type with whatever bits there are."""
    chosen = np.random.default_rng(random.randrange(1 << 30))
    if pa.types.is_list(kind):
        return pa.array([[1, 2]] * count, kind)
    if pa.types.is_struct(kind):
        return pa.array([{"a": 1}] * count, kind)
    if pa.types.is_null(kind):
        return pa.nulls(count)
    if pa.types.is_dictionary(kind):
        return pa.array(["a"] * count).dictionary_encode()
    if pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        return (
            pa.array([b"\xff\xfe"] * count, pa.binary()) if pa.types.is_binary(kind) else pa.array(["a"] * count, kind)
        )
    if pa.types.is_boolean(kind):
        return pa.array(chosen.random(count) < 0.5)
    if pa.types.is_decimal(kind):
        return pa.array(range(count)).cast(kind)
    bits = kind.bit_width // 8
    buffer = pa.py_buffer(chosen.bytes(bits * count))
    return pa.Array.from_buffers(kind, count, [None, buffer])
