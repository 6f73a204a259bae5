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
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import (
    MODALITY_NAME,
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
    require_small_letters,
    require_whole,
)
from crossdistill.data.columns import Column, FileColumn, RowColumn, open_array
from crossdistill.data.dataset import NO_PICTURES, MultimodalDataset, check_consistency
from crossdistill.data.label_cells import doubts_of_labels, label_columns, read_labels
from crossdistill.data.labels import doubts_of_groups, groups_of
from crossdistill.data.lists import list_column
from crossdistill.data.manifest_checks import (
    require_cells,
    require_columns,
    require_common_name,
    require_filled,
    require_modality_name,
)
from crossdistill.data.number_groups import number_groups, together
from crossdistill.data.numbers import doubt_of, number_column
from crossdistill.data.readers import READERS, CacheFolder, MediaColumn, ReaderSettings, TextColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import Table, read_table
from crossdistill.data.targets import require_task
from crossdistill.types import InputError, TaskKind

WEIGHT = "sample_weight"


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
    require_columns(table)
    table, named = _with_ids(table), {column.name: column for column in modalities(table)}
    only = only or _names(table)
    joined = _joined(table, named, only)
    require_cells(table, of_labels, _headers(named, joined, required), task)
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
        doubts=(*doubts_of_labels(classes, task), *doubts_of_groups(table.columns.get("group", [""] * len(ids)), ids)),
        file=str(table.path),
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
    crossdistill.types.InputError: ...row 3, column 'gyro': NaN or infinity (in float32); replace these values or, ...
    """
    for name, column in dataset.columns.items():
        inner = column.column if isinstance(column, PartialColumn) else column
        if isinstance(inner, FileColumn | RowColumn):
            inner.check()
        else:
            others = dataset.only([name])
            for start in range(0, len(dataset), 64):
                others.__getitems__(range(start, min(start + 64, len(dataset))))


def _with_ids(table: Table) -> Table:
    """The table, in which samples without an id are called by their row."""
    if "id" in table.columns:
        return table
    ids = [f"{table.path.name}#{row}" for row in range(len(table.numbers))]
    return replace(table, columns={"id": ids, **table.columns})


def _joined(table: Table, named: Mapping[str, ModalityHeader], only: Sequence[str]) -> dict[str, list[str]]:
    """Those of the modalities that are columns of numbers together -> their headers. Raises InputError for a modality
    that there is not, a name that none may have, and a column that is asked for twice.

    named: the columns by the names of modalities
    """
    joined = together(table, [name for name in only if name not in named])
    if unknown := [name for name, headers in joined.items() if not headers]:
        require_common_name(table, unknown[0])
        hint = f"; columns of numbers {unknown[0]} are '{unknown[0][:-2]}' together" if unknown[0][-2:] == "_*" else ""
        raise InputError(f"{table.path}: no modality '{unknown[0]}'; found {', '.join(_readable(table))[:200]}{hint}")
    for name in only:
        require_modality_name(table, name, named.get(name))
    by_header = {column.header: column for column in named.values()}
    for header in (header for headers in joined.values() for header in headers):
        require_parts_fit(table, by_header[header], "number")
    headers = Counter(_headers(named, joined, only))
    if twice := [header for header, count in headers.items() if count > 1]:
        raise InputError(f"{table.path}: column '{twice[0]}' is part of two modalities of {', '.join(only)}")
    return joined


def _headers(
    named: Mapping[str, ModalityHeader], joined: Mapping[str, Sequence[str]], modalities: Sequence[str]
) -> list[str]:
    """The headers of all columns of these modalities."""
    return [header for name in modalities for header in joined.get(name) or [named[name].header]]


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
            raise InputError(
                f"{table.place(row, WEIGHT)}: expected a number above 0, found '{cell}'; write 1 for as much as most "
                "samples, and leave out rows that are to count for nothing"
            )
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
    require_filled(table, name)
    column = _arrays(table, name, range(len(table.numbers)), allow_outside)
    if isinstance(column, RowColumn):
        files = [open_array(path, table.place(0, name)) for path in column.files]
        if len(column.shape) == 3 and column.shape[2] == 3 and all(file.dtype == np.uint8 for file in files):
            return column.raw()
    raise InputError(f"{table.place(0, name)}: expected a row (a.npy#17) of an (N, H, W, 3) uint8 array")
