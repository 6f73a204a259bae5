"""Numbers in a table's own cells, of one column or of several that belong together, as a modality of vectors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import (
    ModalityHeader,
    are_times,
    modalities,
    number_of,
    numbers_meant,
    shortened,
)
from crossdistill.data.columns import ArrayColumn, Column, float32_of
from crossdistill.data.notations import ONE, Meant
from crossdistill.data.number_groups import listed
from crossdistill.data.odd_numbers import TIMES, Odd, odd_number
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import Table
from crossdistill.types import InputError

_PARTED = re.compile(r"(?<![0-9.,'_])(?<![0-9]\s)([1-9][0-9]{0,2})([.,])([0-9]{3})(?![0-9.,eE])")
"""Digits with a comma or point that parts thousands, or that is a decimal one."""


def doubt_of(table: Table, column: ModalityHeader) -> str:
    """Why a column that is read as text may not be meant as such, naming the first cell that makes it one: most of its
    cells are numbers, or would be with a decimal point, or they are times. Empty where its header says its kind."""
    if column.kind or column.header in table.nested:
        return ""
    filled = [(row, cell) for row, cell in enumerate(table.columns[column.header]) if cell]
    cells, meant = [cell for _, cell in filled], f"('{column.name}:text' as its header says that texts are meant)"
    odd = odd_number(cells)
    if odd is None and not are_times(cells):
        return ""
    row, cell = filled[odd.place] if odd else next(each for each in filled if number_of(each[1]) is None)
    place = f"{table.place(row, column.header)}: '{shortened(cell)}'"
    if odd is None:
        return f"{place} is a time, read as text; make numbers of times, such as seconds since the first {meant}"
    return f"{place} is no number, so all of the column is read as text; {_mended(cell, odd, column.name)} {meant}"


def _mended(cell: str, odd: Odd, name: str) -> str:
    """What to do about a cell that is no number in a column of numbers."""
    meant = odd.meant
    number, *more = meant.numbers or ("",)
    point, plain = numbers_meant(cell)
    if point and plain:
        return f"numbers have no comma: write {plain} where it parts thousands, {point} where it is a decimal comma"
    if plain:
        return f"numbers have no comma between thousands: {plain}"
    if point:
        return f"numbers have a decimal point: {point}"
    kind = "unit" if meant.unit or meant.form == "units" else "currency" if meant.currency else ""
    readings = _two_readings(cell, meant)
    each = f"a column for each number, {name}_1, {name}_2, or .npy files"
    if meant.form == "units" or (odd.several and kind):
        mended = f"numbers have no {kind}: write all in one {kind}, and that in the column's name, if anywhere"
        if meant.form in ONE and (factor := TIMES.get(meant.unit)) and not readings:
            number = f"{(Decimal(number) * factor).normalize():f}"
            mended += f"; where {meant.unit} means {factor:,}, this is {_in_brackets(number, cell)}"
    elif meant.form in ONE:
        number = readings or _in_brackets(number, cell)
        between = "numbers have nothing between thousands:"
        mended = {
            "points": f"{between} {number}; take such points away in all cells (12.500 would be 12.5)",
            "spaces": f"{between} {number}, or write {each}",
            "thousands": f"{between} {number}",
        }.get("" if readings else meant.form, f"write {number}")
        if kind:
            mended = f"numbers have no {kind}: {number}, and the {kind} in the column's name, if anywhere"
    else:
        mended = {
            "error": f"write {number}, and {''.join(more)} in a column of its own",
            "fraction": f"write {number or 'it as a decimal number'}, or {each}",
            "pair": f"write {each}",
            "several": f"write {each}",
        }.get(meant.form, "mend it, or leave the cell empty")
    return f"{mended}, and what its sign says in a column of its own" if meant.bound else mended


def _in_brackets(number: str, cell: str) -> str:
    """A number as it is said where a cell may have it in brackets in the place of a minus."""
    may_be_less = cell.startswith("(") and not number.startswith("-")
    return f"{number}, or -{number} where brackets mean less than 0" if may_be_less else number


def _two_readings(cell: str, meant: Meant) -> str:
    """The two numbers that a cell may mean whose only comma or point is before three digits; empty for another, and
    where the point has neither unit nor currency."""
    match = _PARTED.search(cell) if meant.form in ONE else None
    if not match or not (match[2] == "," or meant.unit or meant.currency):
        return ""
    sign = "-" if meant.numbers[0].startswith("-") else ""
    called = "comma" if match[2] == "," else "point"
    minus = ", with a minus where brackets mean less than 0" if cell.startswith("(") else ""
    return (
        f"{sign}{match[1]}{match[3]} where the {called} parts thousands, {sign}{match[1]}.{match[3]} where it is a "
        f"decimal {called}{minus}"
    )


def doubts_of_gaps(table: Table, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each group of columns of which a row has some numbers and lacks others: no sample may, where the group
    is trained on as one modality, and any may, where each column is one.

    groups: as of `number_groups`
    """
    headers = {column.name: column.header for column in modalities(table)}
    lines = []
    for name, columns in groups.items():
        joined = [headers[column] for column in columns]
        filled = np.column_stack([np.fromiter(map(bool, table.columns[header]), np.bool_) for header in joined])
        rows = np.flatnonzero(filled.any(1) & ~filled.all(1))
        for row in rows[:1]:
            place = table.place(int(row), joined[int(filled[row].argmin())])
            more = f", in {len(rows):,} rows" if len(rows) > 1 else ""
            lines.append(
                f"{place}: empty cell beside filled ones{more}; as one modality, '{name}', a sample has "
                f"{listed(joined)} all together, or lacks them all: fill it; only a column that is a modality of its "
                "own may have such gaps"
            )
    return lines


def filled_rows(table: Table, headers: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(N,) whether a row has numbers in these columns."""
    return np.array([any(cells) for cells in zip(*(table.columns[header] for header in headers), strict=True)])


def numbers(table: Table, headers: Sequence[str], rows: Sequence[int]) -> npt.NDArray[np.float64]:
    """(rows, headers) the numbers in these cells. Raises InputError, naming the cell, where there is none, and
    for one beyond float32."""
    values = np.zeros((len(rows), len(headers)))
    for place, row in enumerate(rows):
        for feature, header in enumerate(headers):
            cell = table.columns[header][row]
            number = number_of(cell)
            if number is None:
                hint = "" if cell else f"; a sample has {listed(headers)} all together, or lacks them all"
                raise InputError(f"{table.place(row, header)}: expected a number, found '{shortened(cell)}'{hint}")
            values[place, feature] = number
    for place, feature in np.argwhere(~np.isfinite(float32_of(values)))[:1]:
        where = table.place(rows[place], headers[feature])
        cell = table.columns[headers[feature]][rows[place]]
        raise InputError(f"{where}: expected a number within float32's range, found '{shortened(cell)}'")
    return values


def number_column(table: Table, name: str, headers: Sequence[str]) -> Column:
    """The vectors of the numbers in these columns, with gaps where all of their cells are empty; their features are
    called as the headers, without a kind after a colon."""
    present = filled_rows(table, headers)
    values = numbers(table, headers, np.flatnonzero(present).tolist())
    column = ArrayColumn(values, name, [header.removesuffix(":number") for header in headers])
    return column if present.all() else PartialColumn(column, present)


def headers_of(features: Sequence[str], header: Sequence[str]) -> list[str]:
    """The columns of a table that have these features, in their order; fewer where it lacks some."""
    named = {**{column.removesuffix(":number"): column for column in header}, **{column: column for column in header}}
    return [named[feature] for feature in features if feature in named]
