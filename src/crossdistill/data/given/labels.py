"""The labels that stand beside what is given to be predicted, as a student's own labels or numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import LABEL_PREFIX, shortened
from crossdistill.data.label_cells import LABEL, expected_in, is_list, number_in, parts_of
from crossdistill.types import InputError, TaskKind


@dataclass(frozen=True)
class Known:
    """The labels of N samples.

    values: (N, C) 0 and 1 for each of a student's labels, or its numbers; rows of NaN where there is nothing to compare
    odd: the samples whose label cannot be compared, and why; unknown: label that the student does not know -> how many
    samples have it
    """

    values: npt.NDArray[np.float64]
    odd: Mapping[int, str]
    unknown: Mapping[str, int]


def known_labels(cells: Mapping[str, Sequence[str]], names: Sequence[str], task: TaskKind, count: int) -> Known:
    """The labels of `count` samples; cells: column, `label` or `label:NAME` -> a text for each, "" where there is none;
    names: what the student predicts, several labels or numbers.

    >>> found = known_labels({"label": ["dog;cat", ";", "", "['dog']"]}, ("bird", "dog"), "multilabel", 4)
    >>> found.values[:2].tolist(), dict(found.unknown), list(found.odd)
    ([[0.0, 1.0], [0.0, 0.0]], {'cat': 1}, [3])
    >>> known_labels({"label": ["1.5", "tall"]}, ("height",), "regression", 2).odd
    {1: "label: expected a number, found 'tall'"}
    """
    values, odd, unknown = np.full((count, len(names)), np.nan), dict[int, str](), Counter[str]()
    columns = _columns(cells, names, task)
    others = [column for column in cells if column not in (LABEL, *columns)]
    for row in range(count):
        own = {column: texts[row] for column, texts in cells.items()}
        if not any(own.values()):
            continue
        unknown.update(column.removeprefix(LABEL_PREFIX) for column in others if own[column])
        try:
            if columns == [LABEL] and task == "multilabel":
                found = _set_of(own[LABEL])
                unknown.update(found - set(names))
                values[row] = [float(name in found) for name in names]
            else:
                values[row] = [_number(column, own.get(column), task) for column in columns]
        except InputError as error:
            odd[row] = str(error)
    return Known(values, odd, unknown)


def _columns(cells: Mapping[str, Sequence[str]], names: Sequence[str], task: TaskKind) -> list[str]:
    """The columns that a sample's label is read from: one for each name, or one for all where that is possible."""
    named = [f"{LABEL_PREFIX}{name}" for name in names]
    of_one_column = task == "multilabel" or len(names) == 1
    return [LABEL] if of_one_column and LABEL in cells and not set(named) <= set(cells) else named


def _set_of(cell: str) -> set[str]:
    """The labels of a cell such as `dog; outdoors`. Raises InputError for a list as a text."""
    if is_list(cell):
        raise InputError(f"{LABEL}: expected labels such as dog;outdoors, found '{shortened(cell)}'")
    return parts_of(cell)


def _number(column: str, cell: str | None, task: TaskKind) -> float:
    """The cell's number. Raises InputError where there is none, or no such column."""
    if cell is None:
        raise InputError(f"no column '{column}'")
    if not cell:
        raise InputError(f"{column}: an empty cell beside filled ones")
    if (number := number_in(cell, task)) is None:
        raise InputError(f"{column}: expected {expected_in(task)}, found '{shortened(cell)}'")
    return number
