"""Numbers in a table's own cells, of one column or of several that belong together, as a modality of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import (
    ModalityHeader,
    are_times,
    modalities,
    number_of,
    shortened,
)
from crossdistill.data.columns import ArrayColumn, Column, float32_of
from crossdistill.data.fillers import is_filler
from crossdistill.data.number_advice import OF_TIMES, advice, hint
from crossdistill.data.number_groups import beginnings, listed
from crossdistill.data.odd_numbers import odd_number
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import Table
from crossdistill.types import InputError


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
        return f"{place} is a time, read as text; {OF_TIMES} {meant}"
    mend = advice(cell, odd, column.name)
    if is_filler(cell) and (beginning := next(beginnings(column.name), None)):
        mend = (
            f"fill the cell, or leave it empty, and with it all of that row's columns that are one modality with it, "
            f"such as '{beginning[0]}'"
        )
    return f"{place} is no number, so all of the column is read as text; {mend} {meant}"


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
                is_gap = not cell or (is_filler(cell) and len(headers) > 1)
                together = f"; a sample has {listed(headers)} all together, or lacks them all"
                mend = together if is_gap else hint(cell, table.columns[header], header)
                raise InputError(f"{table.place(row, header)}: expected a number, found '{shortened(cell)}'{mend}")
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
