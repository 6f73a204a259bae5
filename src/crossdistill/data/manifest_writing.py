"""Writing a data set that is in memory as a manifest and its files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.cells import RESERVED, is_text_file
from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.folders import new_folder, write_csv
from crossdistill.data.kept import not_kept, require_kept
from crossdistill.data.label_cells import write_labels
from crossdistill.data.manifest import WEIGHT
from crossdistill.data.readers import TextColumn
from crossdistill.data.reading import PartialColumn, known_present
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError


def write_manifest(folder: Path | str, dataset: MultimodalDataset) -> Path:
    """Write a data set that is in memory as manifest.csv and .npy files; returns the folder.

    Arrays become `<modality>.npy#row`, sequences `<modality>/<id>.npy`, texts cells. The folder appears whole or not at
    all. Raises InputError where there is something in it already, it cannot be written, or names of classes, ids or
    groups would be read back as others. What a manifest has no place for (the licence, the names of a table's columns,
    the order of classes, classes that no sample has) is a warning.
    For arrays that the command line, or somebody else, is to train on.

    >>> import tempfile, numpy as np
    >>> from crossdistill.data import from_arrays, read_manifest, write_manifest
    >>> data = from_arrays({"gyro": np.eye(4)}, ["wave", "push"] * 2, splits=[False, False, True, True])
    >>> folder = write_manifest(f"{tempfile.mkdtemp()}/mine", data)
    >>> sorted(path.name for path in folder.iterdir())
    ['gyro.npy', 'manifest.csv']
    >>> read_manifest(folder).classes
    ('push', 'wave')
    """
    require_kept(dataset)
    with new_folder(Path(folder)) as written:
        _write(written, dataset)
    if lost := not_kept(dataset):
        warnings.warn(f"{folder}: a manifest does not keep {', '.join(lost)}", stacklevel=2)
    return Path(folder)


def _write(folder: Path, dataset: MultimodalDataset) -> None:
    cells: dict[str, Sequence[str]] = {"id": dataset.ids, "split": dataset.splits.tolist()}
    cells |= write_labels(dataset.labels, dataset.classes, dataset.task)
    if np.any(dataset.folds >= 0):
        cells["fold"] = [str(fold) for fold in dataset.folds]
    if tuple(dataset.groups) != dataset.ids:
        cells["group"] = dataset.groups.tolist()
    if len(dataset.weights):
        cells[WEIGHT] = list(map(repr, dataset.weights.tolist()))
    if dataset.captions:
        cells["caption"] = dataset.captions
    if len(dataset.pictures):
        cells["thumbnail"] = _write_array(folder, "thumbnail", dataset.pictures)
    for name, column in dataset.columns.items():
        if name in RESERVED:
            raise InputError(f"modality '{name}': this name means something else in a manifest; choose another")
        present = known_present(column)
        ids = [key for key, has_sample in zip(dataset.ids, present, strict=True) if has_sample]
        written = iter(_write_column(folder, name, column, ids))
        header = f"{name}:text" if isinstance(content_of(column), TextColumn) else name
        cells[header] = [next(written) if has_sample else "" for has_sample in present]
    write_csv(folder / "manifest.csv", cells)


def _write_column(folder: Path, name: str, column: Column, ids: Sequence[str]) -> list[str]:
    """The cells of the samples `ids`, which are those that have the modality."""
    if isinstance(column, PartialColumn):
        return _write_column(folder, name, column.column, ids)
    if isinstance(column, ArrayColumn):
        return _write_array(folder, name, column.array)
    if isinstance(column, SequenceColumn):
        return _write_sequences(folder / name, column, ids)
    if isinstance(column, TextColumn):
        texts = [column.text(row) for row in range(len(column))]
        if named := [text for text in texts if is_text_file(text)]:
            raise InputError(f"modality '{name}': '{named[0]}' would be read as the name of a file; end it otherwise")
        return texts
    raise TypeError(f"expected columns in memory, found {type(column).__name__} for '{name}'")


def _write_array(folder: Path, name: str, array: Array) -> list[str]:
    np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return [f"{name}.npy#{row}" for row in range(len(array))]


def _write_sequences(folder: Path, column: SequenceColumn, ids: Sequence[str]) -> list[str]:
    folder.mkdir()
    safe = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", key) for key in ids)
    names = [f"{key}.npy" for key in (ids if safe else range(len(ids)))]
    for name, sequence in zip(names, column.sequences, strict=True):
        np.save(folder / name, sequence, allow_pickle=False)
    return [f"{folder.name}/{name}" for name in names]
