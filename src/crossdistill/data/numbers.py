"""Numbers in a table's own cells: a column of them, or several that belong together, as one modality of vectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import (
    MODALITY_NAME,
    RESERVED,
    ModalityHeader,
    is_number,
    looks_like,
    modalities,
    number_of,
    shortened,
)
from crossdistill.data.columns import ArrayColumn, Column, float32_of
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import Table
from crossdistill.types import InputError

_PARTS = tuple(map(re.compile, (r"_.+", r"\..+", r" .+", r"-.+", r"[0-9]+(\.[0-9]+)?")))
"""What may follow the name that several columns have in common: imu_x, acc.x, acc x, acc-x, pixel12 or wl400.5."""


def together(table: Table, name: str) -> list[str]:
    """The headers of the columns that as one modality are called NAME, in order; empty where there are none.

    A column whose header gives it another kind is none of them. Raises InputError where a cell of one is no number, and
    where there are columns NAME_x and others NAME.x or NAME1: a feature must not be lost.
    """
    forms = [form for form in _forms(modalities(table), name) if any(_has_number(table, column) for column in form)]
    if len(forms) > 1:
        one, other = (_listed([column.header for column in form]) for form in forms[:2])
        raise InputError(
            f"{table.path} row 1: '{name}' may mean the columns {one}, or {other}, too; rename those that are not meant"
        )
    joined = forms[0] if forms else []
    for column in joined:
        for row, cell in enumerate(table.columns[column.header]):
            if cell and number_of(cell) is None:
                raise InputError(
                    f"{table.place(row, column.header)}: expected a number, found '{shortened(cell)}'; the columns "
                    f"{_listed([each.header for each in joined])} are taken together as '{name}', unless a header "
                    f"names another kind, e.g. {column.name}:{looks_like(cell)}; categories are numbers as one-hot "
                    "columns (pandas.get_dummies)"
                )
    return [column.header for column in joined]


def number_groups(table: Table) -> dict[str, list[str]]:
    """NAME -> the modalities, two or more columns of numbers, that may be read as one of that name: of several names
    that columns have in common, the longest."""
    named = {column.name: column for column in modalities(table)}
    beginnings = {
        name: [beginning for beginning in _beginnings(name) if beginning not in named]
        for name, column in named.items()
        if column.kind in ("", "number") and _all_numbers(table, column)
    }
    shared = Counter(beginning for several in beginnings.values() for beginning in several)
    columns = list(named.values())
    joined = {beginning: _one_form(columns, beginning, beginnings) for beginning, count in shared.items() if count > 1}
    groups: dict[str, list[str]] = {}
    for name, several in beginnings.items():
        for beginning in several:
            if len(joined.get(beginning, ())) > 1 and name in joined[beginning]:
                groups.setdefault(beginning, []).append(name)
                break
    return {common: names for common, names in groups.items() if names == list(joined[common])}


def nearly_numbers(table: Table) -> list[str]:
    """A line for each column that is read as text although most of its cells are numbers, or would be with a decimal
    point, naming the first that is none. A header that says its kind means it."""
    lines = []
    for column in modalities(table):
        filled = [(row, cell) for row, cell in enumerate(table.columns[column.header]) if cell]
        others = [(row, cell) for row, cell in filled if number_of(cell) is None]
        texts = [cell for _, cell in others if not is_number(cell.replace(",", ".", 1))]
        if column.kind or not others or 2 * len(texts) >= len(filled):
            continue
        (row, cell), point = others[0], others[0][1].replace(",", ".", 1)
        fix = f"numbers have a decimal point: {point}" if is_number(point) else "mend it, or leave the cell empty"
        lines.append(
            f"{table.place(row, column.header)}: '{shortened(cell)}' is no number, so all of the column is read as "
            f"text; {fix} ('{column.name}:text' as its header says that texts are meant)"
        )
    return lines


def _forms(columns: Sequence[ModalityHeader], name: str) -> list[list[ModalityHeader]]:
    """The columns that NAME stands for, by each of `_PARTS` that there is: all NAME_x, all NAME.x, and so on."""
    if name in RESERVED:
        return []
    beginning = [column for column in columns if column.name.startswith(name) and column.kind in ("", "number")]
    parts = _PARTS[:-1] if name[-1:].isdigit() else _PARTS  # w4 is no beginning of w400
    forms = [[column for column in beginning if part.fullmatch(column.name.removeprefix(name))] for part in parts]
    return [form for form in forms if form]


def _one_form(columns: Sequence[ModalityHeader], name: str, numeric: Container[str]) -> dict[str, None]:
    """The names of the columns that NAME stands for where only one form of them has numbers; else none."""
    forms = [form for form in _forms(columns, name) if any(column.name in numeric for column in form)]
    return dict.fromkeys(column.name for column in forms[0]) if len(forms) == 1 else {}


def _beginnings(name: str) -> list[str]:
    """What a column's name may have in common with others, where a modality may be called so; the longest first."""
    places = [place for place in range(len(name) - 1, 0, -1) if any(part.fullmatch(name[place:]) for part in _PARTS)]
    ends = [place for place in places if not re.fullmatch(r"[_. -].|[0-9]{2}", name[place - 1 : place + 1])]
    return [name[:end] for end in ends if MODALITY_NAME.fullmatch(name[:end]) and name[:end] not in RESERVED]


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(headers if len(headers) < 7 else [*headers[:3], "...", headers[-1]])


def _all_numbers(table: Table, column: ModalityHeader) -> bool:
    filled = [cell for cell in table.columns[column.header] if cell]
    return bool(filled) and all(number_of(cell) is not None for cell in filled)


def _has_number(table: Table, column: ModalityHeader) -> bool:
    return any(number_of(cell) is not None for cell in table.columns[column.header])


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
                hint = "" if cell else f"; a sample has {_listed(headers)} all together, or lacks them all"
                raise InputError(f"{table.place(row, header)}: expected a number, found '{shortened(cell)}'{hint}")
            values[place, feature] = number
    for place, feature in np.argwhere(~np.isfinite(float32_of(values)))[:1]:
        where = table.place(rows[place], headers[feature])
        raise InputError(f"{where}: infinity (in float32); replace or drop these values")
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
