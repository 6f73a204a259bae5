"""A data set on disk: a table with one row per sample, and the files that its cells point to.

Columns: split (train, validation, test), label (empty for a training sample without one): a class, or, as `data.task`
says, labels with ; between them, or a number; in place of `label` one column `label:NAME` for each label (0 or 1) or
number; optional id, fold, group, sample_weight (above 0: how often training draws a sample, in proportion), caption,
thumbnail (a picture for reports: row of an (N, H, W, 3) uint8 file), start, end and crop (of media); every other column
is a modality. A modality's cells
are paths relative to the manifest, a video, a sound, a picture, `video.npy#17` (row 17 of an (N, ...) array) or
`clips/a.npy` (a file of the sample's own), numbers, or texts. An empty cell: the sample lacks the modality. See
docs/media.md.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import Array
from crossdistill.data.cells import (
    MODALITY_NAME,
    RESERVED,
    ModalityHeader,
    array_cell,
    clip,
    inside,
    is_number,
    is_text_file,
    kind_of,
    modalities,
    number_of,
    require_parts_fit,
    require_plain,
    require_small_letters,
    require_whole,
)
from crossdistill.data.columns import ArrayColumn, Column, FileColumn, RowColumn, SequenceColumn, open_array
from crossdistill.data.dataset import NO_PICTURES, MultimodalDataset, check_consistency
from crossdistill.data.folders import new_folder, write_csv
from crossdistill.data.kept import not_kept, require_kept
from crossdistill.data.label_cells import LABEL, doubts_of_labels, label_columns, read_labels, write_labels
from crossdistill.data.labels import SPLITS, groups_of
from crossdistill.data.lists import list_column
from crossdistill.data.number_groups import number_groups, together
from crossdistill.data.numbers import doubt_of, number_column
from crossdistill.data.readers import READERS, CacheFolder, MediaColumn, ReaderSettings, TextColumn
from crossdistill.data.reading import PartialColumn, known_present
from crossdistill.data.table import Table, read_table
from crossdistill.data.targets import require_task
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError, TaskKind

WEIGHT = "sample_weight"

LONGEST_NAME = 1000
"""Characters of an id, a label or a group."""


def read_manifest(
    path: Path | str,
    only: Sequence[str] = (),
    required: Sequence[str] = (),
    readers: Mapping[str, ReaderSettings] = MappingProxyType({}),
    allow_outside: bool = False,
    strict: bool = False,
    task: TaskKind = "classification",
) -> MultimodalDataset:
    """The data set whose manifest `path` is (.csv or .parquet) or holds; named after the folder.

    For data in files; a recipe's `data.source` does it. Every array is opened and its shape checked; values are checked
    when fetched, or all at once by `check_values`.

    Args:
        path: of the manifest, or of its folder
        only: the modalities to open, all where it is empty; `imu` may stand for the columns of numbers imu_x, imu_y
            (or imu.x, imu1) together
        required: those that no sample may lack, neither by an empty cell nor by a file without such a stream
        readers: modality -> how its media are read
        allow_outside: files may lie outside the manifest's folder
        strict: media that cannot be read are an error when they are met, not absent samples
        task: what the labels are: classes, sets of labels, or numbers

    Raises:
        InputError: the first mistake, with file, row and column.

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from crossdistill import read_manifest
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "gyro.npy", np.zeros((3, 6)))
    >>> lines = "id,split,label,gyro", "a,train,wave,gyro.npy#0", "b,train,push,gyro.npy#1", "c,test,wave,gyro.npy#2"
    >>> _ = (folder / "manifest.csv").write_text("\\n".join(lines))
    >>> data = read_manifest(str(folder))
    >>> data.classes, data.shapes, data.rows("test").tolist()
    (('push', 'wave'), {'gyro': (6,)}, [2])
    """
    return dataset_of(read_table(Path(path)), only, required, readers, allow_outside, strict, task)


def dataset_of(
    table: Table,
    only: Sequence[str] = (),
    required: Sequence[str] = (),
    readers: Mapping[str, ReaderSettings] = MappingProxyType({}),
    allow_outside: bool = False,
    strict: bool = False,
    task: TaskKind = "classification",
) -> MultimodalDataset:
    """The data set of a manifest's table; see `read_manifest`."""
    require_task(task)
    require_small_letters(table, only)
    of_labels = label_columns(table, task)
    named = {column.name: column for column in modalities(table)}
    if "split" not in table.columns:
        raise InputError(f"{table.path}: no column 'split' ({', '.join(SPLITS)}, of each row); found {table.found}")
    if not named:
        raise InputError(f"{table.path}: no modality column; found {table.found}")
    if "id" not in table.columns:
        ids = [f"{table.path.name}#{row}" for row in range(len(table.numbers))]
        table = replace(table, columns={"id": ids, **table.columns})
    only = only or _names(table)
    joined = together(table, [name for name in only if name not in named])
    if unknown := [name for name, headers in joined.items() if not headers]:
        hint = f"; columns of numbers {unknown[0]} are '{unknown[0][:-2]}' together" if unknown[0][-2:] == "_*" else ""
        raise InputError(f"{table.path}: no modality '{unknown[0]}'; found {', '.join(_readable(table))[:200]}{hint}")
    for name in only:
        _require_modality_name(table, name, named.get(name))
    by_header = {column.header: column for column in named.values()}
    for header in (header for headers in joined.values() for header in headers):
        require_parts_fit(table, by_header[header], "number")
    headers = Counter(header for name in only for header in joined.get(name) or [named[name].header])
    if twice := [header for header, count in headers.items() if count > 1]:
        raise InputError(f"{table.path}: column '{twice[0]}' is part of two modalities of {', '.join(only)}")
    needed = [header for name in required for header in joined.get(name) or [named[name].header]]
    for name in ("id", "split", *needed):
        _require_filled(table, name)
    for name in RESERVED:
        if name != LABEL:
            require_plain(table, name)
    _require_plain_labels(table, task)
    for name in ("id", *of_labels, "group"):
        _require_keepable(table, name)
    _require_rows(table, of_labels[0], task)
    ids = table.columns["id"]
    labels, classes = read_labels(table, task)
    dataset = MultimodalDataset(
        name=table.path.absolute().parent.name,
        columns={
            name: number_column(table, name, joined[name])
            if name in joined
            else _column(
                table, named[name], readers.get(name, ReaderSettings()), allow_outside, strict, name in required
            )
            for name in only
        },
        labels=labels,
        classes=classes,
        ids=tuple(ids),
        splits=np.array(table.columns["split"]),
        groups=groups_of(table.columns["group"], ids) if "group" in table.columns else np.array(ids),
        folds=_folds(table),
        pictures=_thumbnails(table, allow_outside),
        captions=tuple(table.columns.get("caption", ())),
        weights=_weights(table),
        task=task,
        doubts=tuple(doubts_of_labels(classes, task)),
    )
    check_consistency(dataset)
    return dataset


def check_values(dataset: MultimodalDataset) -> None:
    """Read every sample once. Raises InputError with the place of the first NaN or infinity.

    For a manifest whose arrays nobody has looked through; `crossdistill prepare manifest` does it, too.

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from crossdistill.data import check_values, read_manifest
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "gyro.npy", np.array([[1.0], [np.nan]]))
    >>> lines = "id,split,label,gyro", "a,train,wave,gyro.npy#0", "b,train,push,gyro.npy#1"
    >>> _ = (folder / "manifest.csv").write_text("\\n".join(lines))
    >>> check_values(read_manifest(folder))
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: ...row 3, column 'gyro': NaN or infinity (in float32); replace or drop these values
    """
    for name, column in dataset.columns.items():
        inner = column.column if isinstance(column, PartialColumn) else column
        if isinstance(inner, FileColumn | RowColumn):
            inner.check()
        else:
            others = dataset.only([name])
            for start in range(0, len(dataset), 64):
                others.__getitems__(range(start, min(start + 64, len(dataset))))


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


def _names(table: Table) -> list[str]:
    """The modalities of a table that is opened as a whole: one for each column, but for columns of numbers whose own
    names, such as acc.x, no modality may have. These are one together."""
    groups = number_groups(table).items()
    return _grouped(
        table, {name: columns for name, columns in groups if not all(map(MODALITY_NAME.fullmatch, columns))}
    )


def _readable(table: Table) -> list[str]:
    """What modalities may be called, with one name for columns of numbers that may be read as one."""
    return _grouped(table, number_groups(table))


def _grouped(table: Table, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The modalities' names, that of a group in the place of its columns'."""
    whole = {column: name for name, columns in groups.items() for column in columns}
    return list(dict.fromkeys(whole.get(column.name, column.name) for column in modalities(table)))


def _require_modality_name(table: Table, name: str, column: ModalityHeader | None) -> None:
    """Raise InputError for a name that no modality may have; where it is a column of numbers but for some cells, and
    were it not for these a part of a modality such as `acc`, one that names the first of them."""
    if not MODALITY_NAME.fullmatch(name):
        if column is not None and (doubt := doubt_of(table, column)):
            raise InputError(doubt)
        other = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")
        raise InputError(
            f"{table.path} row 1: '{name}': expected letters, digits, _ and - in a modality's name; rename the column"
            + (f", e.g. to {other}" if other else "")
        )


def _require_filled(table: Table, column: str) -> None:
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


def _folds(table: Table) -> npt.NDArray[np.int64]:
    folds = []
    for row, cell in enumerate(table.columns.get("fold", [""] * len(table.numbers))):
        if not re.fullmatch(r"|-1|[0-9]{1,9}(\.0)?", cell):  # .0: pandas writes fractions of columns with gaps
            raise InputError(f"{table.place(row, 'fold')}: expected a whole number from 0, found '{cell}'")
        folds.append(int(float(cell or -1)))
    return np.array(folds, dtype=np.int64)


def _weights(table: Table) -> npt.NDArray[np.float64]:
    """Of the samples; 1 for an empty cell of one that is not trained on, whose weight is never asked for."""
    weights = []
    for row, cell in enumerate(table.columns.get(WEIGHT, [])):
        spared = not cell and table.columns["split"][row] != "train"
        weight = 1.0 if spared else number_of(cell) if is_number(cell) else None
        if weight is None or not weight > 0:
            raise InputError(f"{table.place(row, WEIGHT)}: expected a number above 0, found '{cell}'")
        weights.append(weight)
    return np.array(weights, dtype=np.float64)


def _column(
    table: Table,
    column: ModalityHeader,
    settings: ReaderSettings,
    allow_outside: bool,
    strict: bool,
    required: bool,
) -> Column:
    """The filled cells' column, with gaps where cells are empty; required: whether no sample may lack the modality."""
    kind, find = kind_of(table, column), inside(table, allow_outside)
    require_parts_fit(table, column, kind)
    if kind == "number":
        return number_column(table, column.name, [column.header])
    cells = table.columns[column.header]
    filled = [row for row, cell in enumerate(cells) if cell]
    places = [table.place(row, column.header) for row in filled]
    filled_column: Column
    if column.header in table.nested:
        filled_column = list_column(table, column.header, filled)
    elif kind == "array":
        filled_column = _arrays(table, column.header, filled, allow_outside)
        if len(filled_column.shape) > 1:  # with time in it; a vector may say something of all of a recording's parts
            require_whole(table, column.header)
    elif kind == "text":
        texts = [find(row, column.header, cells[row]) if is_text_file(cells[row]) else cells[row] for row in filled]
        option, doubt = f"data.readers.{column.name}.tokenizer", doubt_of(table, column)
        filled_column = TextColumn(texts, places, settings, option, doubt)
    else:
        reader = READERS[kind](settings, CacheFolder(table.path.parent))
        clips = [clip(table, column, row, find(row, column.header, cells[row])) for row in filled]
        filled_column = MediaColumn(clips, reader, strict, required)
    present = np.zeros(len(cells), dtype=np.bool_)
    present[filled] = True
    return filled_column if present.all() else PartialColumn(filled_column, present)


def _arrays(table: Table, header: str, filled: Sequence[int], allow_outside: bool) -> RowColumn | FileColumn:
    """The array column of the rows `filled`: each a row of a file, or each a file of its own."""
    find = inside(table, allow_outside)
    paths, rows = [], []
    for row in filled:
        path, number = array_cell(table, row, header)
        paths.append(find(row, header, path))
        rows += [number] if number is not None else []
        if rows and len(rows) < len(paths):
            cell = table.columns[header][row]
            raise InputError(f"{table.place(row, header)}: '{cell}': expected a row (a.npy#17) in all cells or in none")
    places = [table.place(row, header) for row in filled]
    return RowColumn(paths, rows, places) if rows else FileColumn(paths, places)


def _thumbnails(table: Table, allow_outside: bool) -> npt.NDArray[np.uint8]:
    name = "thumbnail"
    if name not in table.columns:
        return NO_PICTURES
    _require_filled(table, name)
    column = _arrays(table, name, range(len(table.numbers)), allow_outside)
    if isinstance(column, RowColumn):
        files = [open_array(path, table.place(0, name)) for path in column.files]
        if len(column.shape) == 3 and column.shape[2] == 3 and all(file.dtype == np.uint8 for file in files):
            return column.raw()
    raise InputError(f"{table.place(0, name)}: expected a row (a.npy#17) of an (N, H, W, 3) uint8 array")


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
