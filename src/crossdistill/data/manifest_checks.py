"""What is refused in a manifest's table before any of its files is opened."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from crossdistill.data.cells import MODALITY_NAME, RESERVED, ModalityHeader, is_number, modalities, require_plain
from crossdistill.data.label_cells import LABEL
from crossdistill.data.labels import SPLITS
from crossdistill.data.number_groups import listed
from crossdistill.data.numbers import doubt_of
from crossdistill.data.table import Table
from crossdistill.types import InputError, TaskKind

_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i"}
)
"""Letters that Unicode makes no others of."""

LONGEST_NAME = 1000
"""Characters of an id, a label or a group."""


def require_columns(table: Table) -> None:
    """Raise InputError for a table without splits or without a modality."""
    if "split" not in table.columns:
        raise InputError(f"{table.path}: no column 'split' ({', '.join(SPLITS)}, of each row); found {table.found}")
    if not modalities(table):
        raise InputError(f"{table.path}: no modality column; found {table.found}")


def require_cells(table: Table, labels: Sequence[str], filled: Sequence[str], task: TaskKind) -> None:
    """Raise InputError for the first cell of a column that is no modality's which cannot be, or is empty and may not.

    labels: the columns of labels; filled: those of modalities that no sample may lack
    """
    for name in ("id", "split", *filled):
        require_filled(table, name)
    for name in RESERVED:
        if name != LABEL:
            require_plain(table, name)
    _require_plain_labels(table, task)
    for name in ("id", *labels, "group"):
        _require_keepable(table, name)
    _require_rows(table, labels[0], task)


def require_modality_name(table: Table, name: str, column: ModalityHeader | None) -> None:
    """Raise InputError for a name that no modality may have; where it is a column of numbers but for some cells, and
    were it not for these a part of a modality such as `acc`, one that names the first of them."""
    if not MODALITY_NAME.fullmatch(name):
        if column is not None and (doubt := doubt_of(table, column)):
            raise InputError(doubt)
        other = _plain_name(name)
        raise InputError(
            f"{table.path} row 1: '{name}': expected ASCII letters, digits, _ and - in a modality's name; rename the "
            "column" + (f", e.g. to {other}" if other and other not in table.columns else "")
        )


def require_common_name(table: Table, name: str) -> None:
    """Raise InputError for a name that no modality may have and columns begin with, which so are not read as one."""
    columns = [column.name for column in modalities(table) if column.name.startswith(name)]
    if MODALITY_NAME.fullmatch(name) or not columns:
        return
    other = _plain_name(columns[0]) if _plain_name(name) else ""
    raise InputError(
        f"{table.path} row 1: '{name}': expected ASCII letters, digits, _ and - in a modality's name; rename the "
        f"columns {listed(columns)}"
        + (f", e.g. {columns[0]} to {other}" if other and other not in table.columns else "")
    )


def _plain_name(name: str) -> str:
    """A name like this that a modality may have, which begins as others do that begin as this one; empty where letters
    or digits of it are like no ASCII ones."""
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if any(letter.isalnum() and not letter.isascii() for letter in kept):
        return ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", kept).strip("_")


def require_filled(table: Table, column: str) -> None:
    """Raise InputError for the first empty cell of a column."""
    for row, cell in enumerate(table.columns[column]):
        if not cell:
            hint = "" if column in RESERVED else "; every sample needs what the student sees"
            raise InputError(f"{table.place(row, column)}: empty cell{hint}")


def _require_plain_labels(table: Table, task: TaskKind) -> None:
    """Raise InputError for lists as labels where a sample has one label, or numbers."""
    if task == "regression":
        require_plain(table, LABEL, "numbers (several are columns label:NAME)")
    elif task == "classification":
        require_plain(table, LABEL, hint="; lists of labels need data.task multilabel")


def _require_keepable(table: Table, column: str) -> None:
    """NumPy keeps all of an array's texts as long as its longest, and drops zero characters at their ends."""
    for row, cell in enumerate(table.columns.get(column, [])):
        if len(cell) > LONGEST_NAME:
            raise InputError(
                f"{table.place(row, column)}: expected at most {LONGEST_NAME:,} characters, found {len(cell):,}"
            )
        if "\0" in cell:
            raise InputError(f"{table.place(row, column)}: expected text without zero characters, found {cell!r}")


def _require_rows(table: Table, column: str, task: TaskKind) -> None:
    """Require known splits, distinct ids, labels where samples are measured, and no class that training never sees.

    column: the label's, or the first of them
    """
    ids, splits, labels = (table.columns[name] for name in ("id", "split", column))
    seen: dict[str, int] = {}
    learnt = {label for label, split in zip(labels, splits, strict=True) if split == "train" and label}
    for row, (key, split, label) in enumerate(zip(ids, splits, labels, strict=True)):
        if split not in SPLITS:
            raise InputError(f"{table.place(row, 'split')}: expected {', '.join(SPLITS)}; found '{split}'")
        if seen.setdefault(key, row) != row:
            raise InputError(f"{table.place(row, 'id')}: '{key}' is already the id of row {table.numbers[seen[key]]}")
        if not label and split != "train":
            raise InputError(
                f"{table.place(row, column)}: empty cell in split {split}; only training samples may lack a label"
            )
        if task == "classification" and learnt and label and label not in learnt:
            number = is_number(label) and not label.lstrip("+-").isdigit()
            hint = "; numbers that are to be predicted need data.task regression" if number else ""
            raise InputError(f"{table.place(row, 'label')}: class '{label}' is in {split} but never in train{hint}")
