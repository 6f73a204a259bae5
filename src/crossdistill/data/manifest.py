"""A data set on disk: a table with one row per sample, and .npy files that its cells point to.

Columns: id, split (train, validation, test), label; optional fold, group, caption, thumbnail (a picture for reports:
row of an (N, H, W, 3) uint8 file); every other column is a modality. A modality's cells are paths relative to the
manifest: `video.npy#17` is row 17 of an (N, ...) array, `clips/a.npy` a file of the sample's own.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossdistill.data.columns import Array, ArrayColumn, Column, FileColumn, RowColumn, SequenceColumn, open_array
from crossdistill.data.dataset import NO_PICTURES, MultimodalDataset, check_consistency
from crossdistill.data.labels import SPLITS, encode_labels
from crossdistill.data.table import Table, read_table
from crossdistill.types import InputError

REQUIRED = ("id", "split", "label")
OPTIONAL = ("fold", "group", "caption", "thumbnail")


def read_manifest(path: Path) -> MultimodalDataset:
    """The data set whose manifest `path` is (.csv or .parquet) or holds; named after the folder.

    Every file is opened and its shape checked; values are checked when fetched, or all at once by `check_values`.
    Raises InputError with file, row and column for the first mistake.
    """
    table = read_table(path)
    missing = [name for name in REQUIRED if name not in table.columns]
    modalities = [name for name in table.columns if name not in REQUIRED + OPTIONAL]
    if missing or not modalities:
        what = f"column '{missing[0]}'" if missing else "modality column"
        raise InputError(f"{table.path}: no {what}; found {', '.join(table.columns)}")
    for name in (*REQUIRED, *modalities):
        _require_filled(table, name)
    _require_rows(table)
    ids, labels = table.columns["id"], table.columns["label"]
    numbers, classes = encode_labels(np.array(labels), ())
    dataset = MultimodalDataset(
        name=table.path.absolute().parent.name,
        columns={name: _column(table, name) for name in modalities},
        labels=numbers,
        classes=classes,
        ids=tuple(ids),
        splits=np.array(table.columns["split"]),
        groups=np.array([group or key for group, key in zip(table.columns.get("group", ids), ids, strict=True)]),
        folds=_folds(table),
        pictures=_thumbnails(table),
        captions=tuple(table.columns.get("caption", ())),
    )
    check_consistency(dataset)
    return dataset


def check_values(dataset: MultimodalDataset) -> None:
    """Read every sample once. Raises InputError with the place of the first NaN or infinity."""
    for start in range(0, len(dataset), 64):
        dataset.__getitems__(range(start, min(start + 64, len(dataset))))


def write_manifest(folder: Path, dataset: MultimodalDataset) -> Path:
    """Write a data set that is in memory as manifest.csv and .npy files; returns the folder.

    Arrays become `<modality>.npy#row`, sequences `<modality>/<id>.npy`. The folder appears whole or not at all.
    Raises InputError where there is something in it already, or it cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: already there; remove it or choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            written = Path(scratch) / folder.name
            written.mkdir()
            _write(written, dataset)
            written.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot write: {error.strerror or error}") from None
    return folder


def _require_filled(table: Table, column: str) -> None:
    for row, cell in enumerate(table.columns[column]):
        if not cell:
            hint = "" if column in REQUIRED else "; samples that lack a modality are not supported yet"
            raise InputError(f"{table.place(row, column)}: empty cell{hint}")


def _require_rows(table: Table) -> None:
    """Known splits, distinct ids, and no class that training never sees."""
    ids, splits, labels = (table.columns[name] for name in REQUIRED)
    seen: dict[str, int] = {}
    learnt = {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    for row, (key, split, label) in enumerate(zip(ids, splits, labels, strict=True)):
        if split not in SPLITS:
            raise InputError(f"{table.place(row, 'split')}: expected {', '.join(SPLITS)}; found '{split}'")
        if seen.setdefault(key, row) != row:
            raise InputError(f"{table.place(row, 'id')}: '{key}' is already the id of row {table.numbers[seen[key]]}")
        if learnt and label not in learnt:
            raise InputError(f"{table.place(row, 'label')}: class '{label}' is in {split} but never in train")


def _folds(table: Table) -> npt.NDArray[np.int64]:
    folds = []
    for row, cell in enumerate(table.columns.get("fold", [""] * len(table.numbers))):
        if not re.fullmatch(r"|-1|[0-9]{1,9}", cell):
            raise InputError(f"{table.place(row, 'fold')}: expected a whole number from 0, found '{cell}'")
        folds.append(int(cell or -1))
    return np.array(folds, dtype=np.int64)


def _column(table: Table, name: str) -> Column:
    paths, rows = _cells(table, name)
    places = [table.place(row, name) for row in range(len(paths))]
    return RowColumn(paths, rows, places) if rows else FileColumn(paths, places)


def _cells(table: Table, name: str) -> tuple[list[Path], list[int]]:
    """The cells' files and rows; no rows where each sample has a file of its own."""
    paths, rows = [], []
    for row, cell in enumerate(table.columns[name]):
        match = re.fullmatch(r"(.+\.npy)(?:#([0-9]{1,15}))?", cell)
        if not match:
            raise InputError(f"{table.place(row, name)}: expected a path such as a.npy or a.npy#17, found '{cell}'")
        paths.append(table.path.parent / match[1])
        rows += [int(match[2])] if match[2] else []
        if rows and len(rows) <= row:
            raise InputError(f"{table.place(row, name)}: '{cell}': expected a row (a.npy#17) in all cells or in none")
    return paths, rows


def _thumbnails(table: Table) -> npt.NDArray[np.uint8]:
    name = "thumbnail"
    if name not in table.columns:
        return NO_PICTURES
    _require_filled(table, name)
    paths, rows = _cells(table, name)
    places = [table.place(row, name) for row in range(len(paths))]
    column = RowColumn(paths, rows or [0] * len(paths), places)  # no rows: refused below
    files = {path: open_array(path, places[0]) for path in column.files}
    rgb = len(column.shape) == 3 and column.shape[2] == 3 and all(a.dtype == np.uint8 for a in files.values())
    if not rows or not rgb:
        raise InputError(f"{places[0]}: expected a row (a.npy#17) of an (N, H, W, 3) uint8 array")
    return np.stack([files[path][row] for path, row in zip(paths, rows, strict=True)])


def _write(folder: Path, dataset: MultimodalDataset) -> None:
    cells: dict[str, Sequence[str]] = {"id": dataset.ids, "split": dataset.splits.tolist()}
    cells["label"] = [dataset.classes[label] for label in dataset.labels]
    if np.any(dataset.folds >= 0):
        cells["fold"] = [str(fold) for fold in dataset.folds]
    if tuple(dataset.groups) != dataset.ids:
        cells["group"] = dataset.groups.tolist()
    if dataset.captions:
        cells["caption"] = dataset.captions
    arrays: dict[str, Array] = {"thumbnail": dataset.pictures} if len(dataset.pictures) else {}
    for name, column in dataset.columns.items():
        if name in REQUIRED + OPTIONAL:
            raise InputError(f"modality '{name}': this name means something else in a manifest; choose another")
        if isinstance(column, ArrayColumn):
            arrays[name] = column.array
        elif isinstance(column, SequenceColumn):
            cells[name] = _write_sequences(folder / name, column, dataset.ids)
        else:
            raise TypeError(f"expected columns in memory, found {type(column).__name__} for '{name}'")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        cells[name] = [f"{name}.npy#{row}" for row in range(len(array))]
    _write_csv(folder / "manifest.csv", cells)


def _write_sequences(folder: Path, column: SequenceColumn, ids: Sequence[str]) -> list[str]:
    folder.mkdir()
    safe = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", key) for key in ids)
    names = [f"{key}.npy" for key in (ids if safe else range(len(ids)))]
    for name, sequence in zip(names, column.sequences, strict=True):
        np.save(folder / name, sequence, allow_pickle=False)
    return [f"{folder.name}/{name}" for name in names]


def _write_csv(path: Path, cells: Mapping[str, Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
