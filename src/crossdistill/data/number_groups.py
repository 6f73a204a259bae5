"""Which columns of numbers belong together: imu_x and imu_y are read as one modality, `imu`, of vectors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from crossdistill.data.cells import (
    MODALITY_NAME,
    RESERVED,
    ModalityHeader,
    looks_like,
    modalities,
    number_of,
    shortened,
)
from crossdistill.data.fillers import is_filler
from crossdistill.data.number_advice import hint
from crossdistill.data.table import Table
from crossdistill.types import InputError

_PARTS = tuple(map(re.compile, (r"_.+", r"\..+", r" .+", r"-.+", r"[0-9]+(\.[0-9]+)?")))
"""What may follow the name that several columns have in common: imu_x, acc.x, acc x, acc-x, pixel12 or wl400.5."""

_NO_END = re.compile(r"[_. -].|[0-9]{2}")
"""The last character of what is no name in common, and the next: imu_ of imu__x, w4 of w400."""

_OF_FILLERS = "; in the row of a sample that lacks them leave all of them empty, else fill the cell"
"""What to write in the place of a word for that a number is missing."""

_MEANT = ("", "number")
"""The kinds by which a header does not say that a column is something else."""


def together(table: Table, names: Iterable[str]) -> dict[str, list[str]]:
    """NAME -> the headers of the columns that as one modality are called so, in order; empty where there are none.

    A column whose header gives it another kind is none of them. Raises InputError where a cell of one is no number, and
    where there are columns NAME_x and others NAME.x or NAME1: a feature must not be lost.
    """
    forms = _forms(modalities(table))
    return {name: _headers(table, name, forms.get(name, [])) for name in names}


def number_groups(table: Table) -> dict[str, list[str]]:
    """NAME -> the modalities, two or more columns of numbers, that may be read as one of that name.

    Of several names that columns have in common it is the longest, but for those of which one column would be left that
    no modality can be called as: city_St. Louis makes city_New_York and city_New_Orleans a part of `city`.
    """
    columns = modalities(table)
    named = {column.name for column in columns}
    numeric = {column.name for column in columns if column.kind in _MEANT and _all_numbers(table, column)}
    joined: dict[str, list[str]] = {}
    for common, forms in _forms(columns).items():
        of_numbers = [names for form in forms if numeric.intersection(names := [column.name for column in form])]
        if common not in named and len(of_numbers) == 1 and len(of_numbers[0]) > 1 and numeric >= set(of_numbers[0]):
            joined[common] = of_numbers[0]
    by_length = sorted(joined, key=len)
    longest = {name: common for common in by_length for name in joined[common]}
    needed = {common for name, common in longest.items() if not MODALITY_NAME.fullmatch(name)}
    chosen = longest | {name: common for common in reversed(by_length) if common in needed for name in joined[common]}
    return {common: names for common, names in joined.items() if all(chosen[name] == common for name in names)}


def beginnings(name: str) -> Iterator[tuple[str, int]]:
    """What a column's name may have in common with others, where a modality may be called so, and which of `_PARTS`
    follows it."""
    for place in range(1, len(name)):
        follows = [number for number, part in enumerate(_PARTS) if part.fullmatch(name, place)]
        if follows and not _NO_END.fullmatch(name, place - 1, place + 1):
            common = name[:place]
            if MODALITY_NAME.fullmatch(common) and common not in RESERVED:
                yield common, follows[0]


def listed(headers: Sequence[str]) -> str:
    """The headers of some columns in words; of many the first and the last."""
    return ", ".join(headers if len(headers) < 7 else [*headers[:3], "...", headers[-1]])


def _forms(columns: Iterable[ModalityHeader]) -> dict[str, list[list[ModalityHeader]]]:
    """NAME -> the columns that it may stand for, by each of `_PARTS` that there is: all NAME_x; all NAME.x; ..."""
    forms: defaultdict[str, dict[int, list[ModalityHeader]]] = defaultdict(dict)
    for column in columns:
        if column.kind in _MEANT:
            for common, part in beginnings(column.name):
                forms[common].setdefault(part, []).append(column)
    return {common: [parts[part] for part in sorted(parts)] for common, parts in forms.items()}


def _headers(table: Table, name: str, forms: Sequence[Sequence[ModalityHeader]]) -> list[str]:
    """Of the forms of columns that NAME may stand for, the headers of the one that has numbers."""
    of_numbers = [form for form in forms if any(_has_number(table, column) for column in form)]
    if len(of_numbers) > 1:
        one, other = (listed([column.header for column in form]) for form in of_numbers[:2])
        raise InputError(
            f"{table.path} row 1: '{name}' may mean the columns {one}, or {other}, too; rename those that are not meant"
        )
    joined = of_numbers[0] if of_numbers else []
    for column in joined:
        for row, cell in enumerate(table.columns[column.header]):
            if cell and number_of(cell) is None:
                meant = hint(cell, table.columns[column.header], column.name)
                raise InputError(
                    f"{table.place(row, column.header)}: expected a number, found '{shortened(cell)}'; the columns "
                    f"{listed([each.header for each in joined])} are taken together as '{name}'"
                    + (_OF_FILLERS if is_filler(cell) else meant or _of_others(column, cell))
                )
    return [column.header for column in joined]


def _of_others(column: ModalityHeader, cell: str) -> str:
    """What to write where a column among these has a cell that is no number."""
    return (
        f", unless a header names another kind, e.g. {column.name}:{looks_like(cell)}; categories are numbers as "
        "one-hot columns (pandas.get_dummies)"
    )


def _all_numbers(table: Table, column: ModalityHeader) -> bool:
    filled = [cell for cell in table.columns[column.header] if cell]
    return bool(filled) and all(number_of(cell) is not None for cell in filled)


def _has_number(table: Table, column: ModalityHeader) -> bool:
    return any(number_of(cell) is not None for cell in table.columns[column.header])
