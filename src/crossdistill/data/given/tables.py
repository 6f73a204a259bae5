"""Tables for a student to predict from: a column for each feature, or a manifest with a column for each modality."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.cells import (
    LABEL_PREFIX,
    ModalityHeader,
    array_cell,
    clip,
    inside,
    is_text_file,
    kind_of,
    modalities,
    number_of,
    require_parts_fit,
    require_plain,
    require_whole,
    shortened,
)
from crossdistill.data.columns import Column, Rows, float32_of, open_array
from crossdistill.data.given.chunks import CHUNK, Chunk, Given, Specs, as_batch, chunk_of, starts
from crossdistill.data.inputs import InputSpec, column_of, text_column
from crossdistill.data.label_cells import LABEL, label_texts, list_texts
from crossdistill.data.lazy import LazyColumn
from crossdistill.data.lists import list_arrays
from crossdistill.data.number_advice import hint
from crossdistill.data.numbers import filled_rows, headers_of, numbers
from crossdistill.data.readers import READERS, CacheFolder, MediaColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import (
    INDEX,
    OPEN_QUOTE,
    Table,
    csv_problem,
    read_table,
    require_commas,
    require_names,
    require_short_lines,
    texts_of,
    undecodable,
    unreadable_row,
)
from crossdistill.extras import needed_for
from crossdistill.types import InputError, cause

_TABLES = "a table with a column for each feature"
_NO_FEATURES = ("id", "split", "label", "fold", "group", "sample_weight", "caption")


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        with needed_for("Parquet"):
            import pyarrow as pa
            import pyarrow.parquet

        try:
            return list(pa.parquet.read_schema(path).names)
        except Exception as error:  # what Arrow raises for a damaged file depends on the damage
            raise InputError(f"{path}: cannot read it as Parquet: {cause(error)}") from None
    require_short_lines(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            filled = (
                (number, row) for number, row in enumerate(rows, start=2) if len(row) > 1 or any(map(str.strip, row))
            )
            number, first = next(filled, (2, header))  # pandas leaves out lines without anything in them
    except UnicodeDecodeError as error:
        raise undecodable(path, error) from None
    except csv.Error as error:
        raise InputError(f"{path} row 1: {csv_problem(error)}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    require_names(path, header, bool(first))
    require_commas(path, header)
    if len(first) != len(header):  # pandas would take the first column for row names, and shift the others
        raise InputError(f"{path} row {number}: expected {len(header)} cells as in the header, found {len(first)}")
    return header


def table_of(path: Path, specs: Specs, allow_outside: bool) -> Given:
    """A table with a column for each feature, or a manifest with a column for each modality."""
    header = _header(path)
    named = {name: _features_of(spec) for name, spec in specs.items()}
    features = {name: headers_of(named[name], header) for name in specs}
    whole = {name for name in specs if named[name] and len(features[name]) == len(named[name])}
    if len(whole) == len(specs):
        return _features(path, features, header, specs, "")
    if all(name in whole or name in {column.partition(":")[0] for column in header} for name in specs):
        return _manifest(read_table(path), specs, allow_outside)
    features = {name: list(named[name]) for name in specs}
    if len(specs) == 1 and not any(features.values()):
        name, spec = next(iter(specs.items()))
        columns = [
            column
            for column in header
            if column not in _NO_FEATURES and not _is_label(column) and not INDEX.fullmatch(column)
        ]
        if spec.kind == "array" and len(spec.shape) == 1:
            if len(columns) != spec.shape[0]:
                raise InputError(
                    f"{path}: expected {spec.shape[0]} columns of numbers, or one {name!r} that names files, found "
                    f"{len(columns)}: {', '.join(columns)[:200]}"
                )
            _require_names(path, columns)
            guessed = f"{path}: {name} from its {len(columns)} columns {columns[0]} to {columns[-1]}, in this order"
            return _features(path, {name: columns}, header, specs, guessed)
    wanted = [column for columns in features.values() for column in columns] or list(specs)
    missing = next((column for column in wanted if column not in header), wanted[0])
    kinds = "; ".join(f"{name}: {spec}" for name, spec in specs.items())
    raise InputError(f"{path}: expected the column {missing!r} ({kinds}), found {', '.join(header)[:200] or 'nothing'}")


def _features_of(spec: InputSpec) -> tuple[str, ...]:
    """The features that a row of a table may be a sample of; a sequence is a table of its own."""
    return spec.features if len(spec.shape) == 1 else ()


def _is_empty(path: Path) -> bool:
    """Whether a table has no row below the names of its columns, or none with a filled cell."""
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(path).num_rows) == 0
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return not any(any(map(str.strip, line)) for line in islice(csv.reader(file), 1, None))
        except csv.Error:  # a cell that is too long, which is none the less a cell
            return False


def _require_names(path: Path, header: Sequence[str]) -> None:
    """Raise InputError for a first line of numbers, which would be lost as the names of columns. Wavelengths, say, or
    numbered columns, rise from one to the next."""
    try:
        numbers = np.array([float(column) for column in header])
    except ValueError:
        return
    if len(numbers) > 1 and not (np.diff(numbers) > 0).all():
        raise InputError(
            f"{path}: expected the names of the columns in the first line, found {', '.join(header)[:200]}"
        )


def _features(
    path: Path, features: Mapping[str, Sequence[str]], header: Sequence[str], specs: Specs, guessed: str
) -> Given:
    """A row a sample, read some rows at a time. Raises InputError for two columns of one name."""
    used = [column for named in features.values() for column in named]
    labelled = tuple(column for column in header if _is_label(column) and column not in used)
    texts = [*(column for column in ("id", "split") if column in header and column not in used), *labelled]
    if twice := [column for column in (*used, *texts) if header.count(column) > 1]:
        raise InputError(f"{path}: expected one column {twice[0]!r}, found {header.count(twice[0])} of that name")
    if _is_empty(path):
        raise InputError(f"{path}: the table is empty, no row has a filled cell; it needs one row per sample")

    def opened(frame: Any, name: str, rows: Rows) -> Column:
        part = frame.iloc[rows][list(features[name])]
        values = part.apply(_numbers)
        values.columns = list(specs[name].features or values.columns)  # without a kind after a colon
        for row, column in np.argwhere(values.isna().to_numpy())[:1]:
            cell = str(part.iat[row, column])
            mend = hint(cell, map(str, part.iloc[:, column]), str(part.columns[column]))
            raise InputError(f"column '{part.columns[column]}': expected a number, found '{shortened(cell)}'{mend}")
        for row, column in np.argwhere(~np.isfinite(float32_of(values.to_numpy())))[:1]:
            found = f"expected a number within float32's range, found '{shortened(str(part.iat[row, column]))}'"
            raise InputError(f"column '{part.columns[column]}': {found}")
        are_whole = _are_whole(values.to_numpy(), specs[name])
        return column_of(specs[name], name, values.astype("int64") if are_whole else values)

    empty: list[str] = []

    def chunks() -> Iterator[Chunk]:
        empty.clear()
        for frame in _frames(path, texts, used, empty):
            ids = frame["id"].tolist() if "id" in texts else [""] * len(frame)
            labels = {name: frame[name].tolist() for name in labelled}
            splits = frame["split"].tolist() if "split" in texts else []
            columns = {
                name: LazyColumn(spec.shape, len(frame), partial(opened, frame, name)) for name, spec in specs.items()
            }
            names = [key or f"{path}#{row}" for row, key in zip(frame.index.tolist(), ids, strict=True)]
            yield chunk_of(columns, names, labels, splits)

    return Given(-1, labelled, chunks, guessed, "id" in texts, empty)


def _is_label(column: str) -> bool:
    return column == LABEL or column.startswith(LABEL_PREFIX)


def _numbers(cells: Any) -> Any:
    """A Series' cells as `number_of` reads them; NaN for what is no number."""
    with needed_for(_TABLES):
        import pandas as pd

    if getattr(cells.dtype, "kind", "") in "mM":  # times, which would become whole numbers
        return cells.map(lambda cell: math.nan)
    values = pd.to_numeric(cells, errors="coerce")
    if pd.api.types.is_bool_dtype(values):
        return values.astype("int64")
    if values.isna().any():
        values = values.fillna(cells[values.isna()].map(_number).astype("float64"))
    return values


def _number(cell: object) -> float:
    """A cell's number, 1 or 0 for a truth value; NaN for anything else."""
    number = number_of(str(cell).strip())
    return math.nan if number is None else number


def _are_whole(values: npt.NDArray[Any], spec: InputSpec) -> bool:
    """Whether these are the whole numbers that training read."""
    return np.dtype(spec.dtype).kind in "iu" and bool((values % 1 == 0).all())


def _frames(path: Path, texts: Sequence[str], used: Sequence[str], empty: list[str]) -> Iterator[Any]:
    """A table's columns `used` and `texts` as DataFrames of some rows each, whose index counts from 0; texts: whatever
    they look like. Rows of a CSV file without a filled cell, as spreadsheets leave them, are counted and left out:
    `empty` gets their names."""
    if path.suffix.lower() == ".parquet":
        with needed_for("Parquet"):
            import pyarrow as pa
            import pyarrow.parquet

        try:
            start = 0
            for batch in pa.parquet.ParquetFile(path).iter_batches(batch_size=CHUNK, columns=[*used, *texts]):
                cells = {name: _texts(path, name, batch.column(name)) for name in texts}
                frame = batch.to_pandas(ignore_metadata=True).assign(**cells)  # pandas would make an index of some
                yield frame.set_axis(range(start, start + len(frame)))
                start += len(frame)
        except InputError:
            raise
        except Exception as error:  # what Arrow raises depends on types and damage: for the year 3349431 a ValueError
            raise InputError(f"{path}: cannot be read as a table: {cause(error)}") from None
        return
    with needed_for(_TABLES):
        import pandas as pd

    try:
        frames = pd.read_csv(path, chunksize=CHUNK, dtype=str, keep_default_na=False, skipinitialspace=True)
        for frame in frames:
            frame.columns = frame.columns.str.strip()
            filled = _filled(frame)
            empty += [f"#{row}" for row in frame.index[~filled]]
            frame = frame[filled]
            if len(frame):
                yield frame.assign(**{name: frame[name].str.strip() for name in texts})
    except UnicodeDecodeError as error:
        raise undecodable(path, error) from None
    except Exception as error:  # what pandas raises depends on the damage, too
        if "EOF inside string" in str(error):
            raise InputError(f"{path} row {unreadable_row(path)}: {OPEN_QUOTE}") from None
        raise InputError(f"{path}: cannot be read as a table: {cause(error)}") from None


def _texts(path: Path, name: str, column: Any) -> list[str]:
    """A Parquet column's cells as texts, of lists of labels as a CSV file has them."""
    is_list = name == LABEL and str(column.type).startswith(("list<", "large_list<"))
    return list_texts(column.to_pylist()) if is_list else texts_of(path, name, column)


def _filled(frame: Any) -> npt.NDArray[np.bool_]:
    """(rows,) whether there is a filled cell."""
    filled: npt.NDArray[np.bool_] = np.zeros(len(frame), dtype=np.bool_)
    for place in range(frame.shape[1]):
        empty = np.flatnonzero(~filled)
        if not len(empty):
            break
        cells = frame.iloc[:, place].to_numpy()[empty].tolist()
        filled[empty] = [isinstance(cell, str) and bool(cell.strip()) for cell in cells]
    return filled


def _manifest(table: Table, specs: Specs, allow_outside: bool) -> Given:
    """A row a sample, cells as in training; id, split and label need not be there."""
    headers = {column.name: column for column in modalities(table)}
    find = inside(table, allow_outside)
    for name in ("id", "split"):
        require_plain(table, name)
    count, splits = len(table.numbers), table.columns.get("split", [])
    labels = {name: label_texts(table) if name == LABEL else table.columns[name] for name in _label_columns(table)}
    keys = table.columns.get("id", [""] * count)

    of_numbers = {name: headers_of(_features_of(spec), list(table.columns)) for name, spec in specs.items()}
    of_numbers = {name: named for name, named in of_numbers.items() if 0 < len(named) == len(specs[name].features)}
    for name, spec in specs.items():
        if name not in of_numbers:
            require_parts_fit(table, headers[name], spec.kind)
            if spec.kind == "array" and len(spec.shape) > 1:
                require_whole(table, headers[name].header)

    def opened(name: str, rows: Sequence[int], places: Rows) -> Column:
        chosen = [rows[place] for place in places.tolist()]
        if name in of_numbers:
            values = numbers(table, of_numbers[name], chosen)
            return column_of(specs[name], name, values.astype("int64") if _are_whole(values, specs[name]) else values)
        return _of_cells(table, headers[name], specs[name], chosen, find)

    def chunks() -> Iterator[Chunk]:
        for start, end in starts(count):
            columns: dict[str, Column] = {}
            for name, spec in specs.items():
                present = filled_rows(table, of_numbers.get(name) or [headers[name].header])[start:end]
                filled = (start + np.flatnonzero(present)).tolist()
                lazy = LazyColumn(spec.shape, len(filled), partial(opened, name, filled))
                columns[name] = lazy if present.all() else PartialColumn(lazy, present)
            ids = [keys[row] or f"{table.path}#{row}" for row in range(start, end)]
            cells = {name: texts[start:end] for name, texts in labels.items()}
            yield chunk_of(columns, ids, cells, splits[start:end])

    labelled = tuple(name for name, texts in labels.items() if any(texts))
    return Given(count, labelled, chunks, has_ids=any(keys), empty=[f"row {number}" for number in table.empty])


def _label_columns(table: Table) -> list[str]:
    """Those whose cells are texts, and lists of labels."""
    named = [name for name in table.columns if _is_label(name)]
    return named if LABEL in named or LABEL not in table.nested else [*named, LABEL]


def _of_cells(
    table: Table,
    column: ModalityHeader,
    spec: InputSpec,
    rows: Sequence[int],
    find: Callable[[int, str, str], Path],
) -> Column:
    """The samples that the cells of these rows name."""
    header = column.header
    if header in table.nested:
        if spec.kind != "array" or kind_of(table, column) != "array":
            raise InputError(f"{table.path}: column '{header}': expected {spec}, found {table.nested[header].type}")
        return column_of(spec, column.name, as_batch(spec, list_arrays(table, header, rows)))
    cells = [table.columns[header][row] for row in rows]
    places = [table.place(row, header) for row in rows]
    if spec.kind == "text":
        texts = [find(r, header, cell) if is_text_file(cell) else cell for r, cell in zip(rows, cells, strict=True)]
        return text_column(spec, column.name, texts, places)
    if spec.kind != "array":
        clips = [clip(table, column, r, find(r, header, cell)) for r, cell in zip(rows, cells, strict=True)]
        return MediaColumn(clips, READERS[spec.kind](spec.reading, CacheFolder(table.path.parent)))
    arrays = []
    for row, cell, place in zip(rows, cells, places, strict=True):
        path, number = array_cell(table, row, header)
        array = open_array(find(row, header, path), place)
        if number is not None and number >= len(array):
            raise InputError(f"{place}: row out of range: expected #0 to #{len(array) - 1}, found {cell}")
        arrays.append(array if number is None else array[number])
    return column_of(spec, column.name, as_batch(spec, arrays))
