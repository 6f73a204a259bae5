"""The label columns of a manifest: classes, sets of labels, numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from crossdistill.data.cells import LABEL_PREFIX as PREFIX
from crossdistill.data.cells import is_number, number_of, numbers_meant, shortened
from crossdistill.data.columns import float32_of
from crossdistill.data.labels import natural_order
from crossdistill.data.table import Table
from crossdistill.data.targets import Labels, encode, is_labelled
from crossdistill.types import InputError, TaskKind

LABEL = "label"
SEPARATORS = re.compile(r"[;|]")
"""Between the labels of a cell. One of them alone: the sample has none of the labels, as somebody has found; an empty
cell: nobody has looked."""

_MARKS = (",", " / ", " + ", " & ")
"""What somebody may have written between labels; without space around it a slash is as often in a unit or a date."""

_LIST = re.compile(r"(?s)[\[({]\s*['\"].*['\"],?\s*[\])}]")
"""How lists of labels look as texts: ['dog', 'outdoors'], as NumPy writes them ['dog' 'outdoors']."""

_EMPTY = re.compile(r"[\[({]\s*[\])}]|set\(\)")
"""How those of none of the labels look."""


def label_columns(table: Table, task: TaskKind) -> list[str]:
    """`label` alone, or all of `label:NAME`, in order. Raises InputError for both, none and one without a name."""
    several = [name for name in table.columns if name.startswith(PREFIX)]
    if several and LABEL in table.columns:
        raise InputError(
            f"{table.path} row 1: expected the column '{LABEL}' or '{several[0]}' and its like, found both"
        )
    if PREFIX in several:
        raise InputError(f"{table.path} row 1: '{PREFIX}': expected a name after the colon")
    if several and task == "classification":
        raise InputError(
            f"{table.path} row 1: '{several[0]}': a class has one column, '{LABEL}'; columns of numbers or of 0 and 1 "
            "need data.task regression or multilabel"
        )
    if not several and LABEL not in table.columns:
        raise InputError(f"{table.path}: no column '{LABEL}' (of each row, empty for none); found {table.found}")
    return several or [LABEL]


def has_labels(table: Table) -> bool:
    """Whether some row has a label."""
    return any(any(cells) for name, cells in table.columns.items() if name == LABEL or name.startswith(PREFIX))


def read_labels(table: Table, task: TaskKind) -> tuple[Labels, tuple[str, ...]]:
    """The labels and their names, as of `encode`. Raises InputError with the place of the first mistake."""
    columns = label_columns(table, task)
    if not has_labels(table):
        called = f"column '{columns[0]}'" if len(columns) == 1 else f"columns '{columns[0]}' and its like"
        raise InputError(f"{table.path}: {called}: expected labels, found none: every row is unlabelled")
    if task != "regression":
        _require_no_lists(table, columns, task)
    if task == "classification":
        return encode(np.array(table.columns[LABEL], dtype=np.str_), (), task)
    if columns == [LABEL] and task == "multilabel":
        return _sets(table)
    names = tuple(name.removeprefix(PREFIX) for name in columns) if columns != [LABEL] else ()
    rows = [[_number(table, row, name, task) for name in columns] for row in range(len(table.numbers))]
    return encode(_whole(table, np.array(rows), columns), names, task)


def doubts_of_labels(names: Sequence[str], task: TaskKind) -> list[str]:
    """A line for labels of which a part, between commas, slashes and their like, is in other labels, too."""
    if task != "multilabel":
        return []
    for mark in _MARKS:
        parts = Counter(part for name in names for part in _parts(name, mark))
        for name in names:
            if len(own := _parts(name, mark)) > 1 and any(parts[part] > 1 for part in own):
                return [f"'{name}' is taken for one label; write ; between labels where it is several"]
    return []


def _parts(name: str, mark: str) -> list[str]:
    return [part.strip() for part in name.split(mark)]


def write_labels(labels: Labels, names: Sequence[str], task: TaskKind) -> dict[str, list[str]]:
    """Column -> its cells, from which `read_labels` makes the same labels."""
    known = is_labelled(labels)
    if task == "classification":
        return {LABEL: [names[label] if there else "" for label, there in zip(labels, known, strict=True)]}
    cells = {}
    for place, name in enumerate(names):
        values = [repr(value) if task == "regression" else str(int(value > 0)) for value in labels[:, place].tolist()]
        cells[f"{PREFIX}{name}"] = [text if there else "" for text, there in zip(values, known, strict=True)]
    return cells


def _sets(table: Table) -> tuple[Labels, tuple[str, ...]]:
    """Of cells such as `dog; outdoors`."""
    cells = table.columns[LABEL]
    sets = _listed(table) if LABEL in table.nested else [parts_of(cell) for cell in cells]
    names = tuple(natural_order([name for found in sets for name in found]))
    if not names:
        raise InputError(f"{table.path}: column '{LABEL}': expected labels such as 'dog;outdoors', found none")
    rows = [
        [float(name in found) for name in names] if cell else [np.nan] * len(names)
        for cell, found in zip(cells, sets, strict=True)
    ]
    return encode(np.array(rows), names, "multilabel")


def _require_no_lists(table: Table, columns: Sequence[str], task: TaskKind) -> None:
    """Raise InputError for a list of labels as Python writes it, of which a table of lists has one in each cell when it
    is saved as CSV; for an empty one where a sample may have none of the labels."""
    if columns != [LABEL] or LABEL in table.nested:
        return
    for row, cell in enumerate(table.columns[LABEL]):
        if is_list(cell) if task == "multilabel" else _LIST.fullmatch(cell):  # a class may be called []
            raise InputError(
                f"{table.place(row, LABEL)}: found a list of labels as a text, '{shortened(cell)}'; write ; between "
                "labels (dog;outdoors) and ; alone for none, or save lists in a .parquet file (data.task multilabel)"
            )


def parts_of(cell: str) -> set[str]:
    """The labels of a cell such as `dog; outdoors`.

    >>> sorted(parts_of("dog; outdoors")), parts_of(";")
    (['dog', 'outdoors'], set())
    """
    return {part.strip() for part in SEPARATORS.split(cell)} - {""}


def is_list(cell: str) -> bool:
    """Whether a cell is a list of labels, or an empty one, as Python writes it.

    >>> is_list("['dog', 'outdoors']"), is_list("dog;outdoors")
    (True, False)
    """
    return bool(_LIST.fullmatch(cell) or _EMPTY.fullmatch(cell))


def _listed(table: Table) -> list[set[str]]:
    """Of a Parquet table's lists of texts; an empty one has none of the labels. Raises InputError for other lists."""
    found = table.nested[LABEL].to_pylist()
    if not all(isinstance(name, str) and name.strip() for names in found for name in names or ()):
        kind = table.nested[LABEL].type
        raise InputError(f"{table.path}: column '{LABEL}': expected lists of labels, each a text, found {kind}")
    return [{name.strip() for name in names or ()} for names in found]


def label_texts(table: Table) -> list[str]:
    """The column of labels as a CSV file has it, lists of labels with ; between them; empty where there is none."""
    return list_texts(table.nested[LABEL].to_pylist()) if LABEL in table.nested else table.columns.get(LABEL, [])


def list_texts(cells: Iterable[Any]) -> list[str]:
    """Lists of labels, of a Parquet file, as a CSV file has them.

    >>> list_texts([["dog", "outdoors"], [], None])
    ['dog;outdoors', ';', '']
    """
    return [
        "" if cell is None else ";".join(map(str, cell)) or ";" if isinstance(cell, list) else str(cell)
        for cell in cells
    ]


def number_in(cell: str, task: TaskKind) -> float | None:
    """The number that a cell of a label's column holds, of several labels 0 or 1; None for anything else.

    >>> number_in("1.5", "regression"), number_in("1.5", "multilabel"), number_in("true", "multilabel")
    (1.5, None, 1.0)
    """
    number = number_of(cell) if task == "multilabel" or is_number(cell) else None
    return None if task == "multilabel" and number not in (0, 1) else number


def expected_in(task: TaskKind) -> str:
    """What such a cell should hold, in words."""
    return "0 or 1" if task == "multilabel" else "a number"


def _number(table: Table, row: int, column: str, task: TaskKind) -> float:
    cell = table.columns[column][row]
    if not cell:
        return np.nan
    if (number := number_in(cell, task)) is None:
        expected = f"expected {expected_in(task)} (data.task {task})"
        point, plain = numbers_meant(cell) if task == "regression" else ("", "")
        written = " or ".join(dict.fromkeys(filter(None, (point, plain))))
        mend = f"; numbers have a decimal point and nothing else: {written}" if written else ""
        raise InputError(f"{table.place(row, column)}: {expected}, found '{shortened(cell)}'{mend}")
    if not np.isfinite(float32_of(np.array(number))):
        fix = "leave the cell empty where there is no label, or give the numbers in a larger unit"
        expected = "expected a number within float32's range"
        raise InputError(f"{table.place(row, column)}: {expected}, found '{cell}'; {fix}")
    return number


def _whole(table: Table, values: Labels, columns: Sequence[str]) -> Labels:
    """The values (N, K), of which no row has some and lacks others."""
    gaps = np.isnan(values)
    for row in np.flatnonzero(gaps.any(1) & ~gaps.all(1)):
        place = table.place(int(row), columns[int(gaps[row].argmax())])
        raise InputError(f"{place}: empty cell beside filled ones; a sample has all of its label columns or none")
    return values
