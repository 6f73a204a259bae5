"""What somebody gives to be predicted, as files: media, folders of them, arrays, tables of features, manifests."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crossdistill.data.cells import ENDINGS, ModalityHeader, clip, inside, modalities
from crossdistill.data.columns import Array, Column, Rows, open_array
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.labels import UNLABELLED, natural_order
from crossdistill.data.lazy import LazyColumn
from crossdistill.data.readers import AudioReader, CacheFolder, MediaColumn, VideoReader
from crossdistill.data.reading import PartialColumn
from crossdistill.data.table import FILES, Table, read_table
from crossdistill.types import InputError

CHUNK = 4096
"""Samples that are in memory at once."""
_FILES = {**ENDINGS, "audio": (*ENDINGS["audio"], *ENDINGS["video"])}
"""Kind -> the endings of its files; a video's sound is taken where there is no sound file."""
_NO_FEATURES = ("id", "split", "label", "fold", "group", "caption")

Specs = Mapping[str, InputSpec]


@dataclass(frozen=True)
class Chunk:
    """Some samples; labels: a text for each, "" where it has none; empty where there are none at all."""

    samples: MultimodalDataset
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """One input. count: its samples, -1 where that is not known before they are read; labelled: whether there are
    labels to compare with; guessed: what was taken for what, where the input does not say it"""

    count: int
    labelled: bool
    chunks: Callable[[], Iterator[Chunk]]
    guessed: str = ""


def given(path: Path, specs: Specs, allow_outside: bool = False) -> Given:
    """What `path` holds for a student of these inputs; nothing is read yet but what it says of itself.

    Raises InputError where it is not there, or cannot be what the student takes.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):
        is_folder = is_file = False
    if not (is_folder or is_file):
        raise InputError(f"{str(path)[:200]}: no such file or folder")
    if is_folder and (manifests := [path / name for name in FILES if (path / name).is_file()]):
        return _table(manifests[0], specs, allow_outside)
    if is_folder:
        return _folder(path, specs)
    if path.suffix.lower() in (".csv", ".parquet"):
        return _table(path, specs, allow_outside)
    if path.suffix.lower() == ".npz":
        return _archive(path, specs)
    if path.suffix.lower() == ".npy":
        return _array_file(path, specs)
    return _files([(str(path), _of_one_file(path, specs))], specs, "")


def chunk_of(columns: Mapping[str, Column], ids: Sequence[str], labels: Sequence[str] = ()) -> Chunk:
    """The samples of these columns under these names, of no known class."""
    count, names = len(ids), np.array(ids, dtype=object)
    nothing = np.full(count, UNLABELLED, dtype=np.int64)
    return Chunk(
        MultimodalDataset("inputs", dict(columns), nothing, (), tuple(ids), names, names, nothing), tuple(labels)
    )


def _starts(count: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def _rows_of(arrays: Mapping[str, Array], lengths: Mapping[str, Array], path: Path, specs: Specs) -> Given:
    """Batches (N, ...) of each modality, rows of a file."""
    counts = {name: len(array) for name, array in {**arrays, **lengths}.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise InputError(f"{path}: expected as many samples of each array, found {found}")
    count = next(iter(counts.values()))

    def opened(name: str, start: int, rows: Rows) -> Column:
        values = arrays[name][start + rows]
        if name in lengths:
            most = values.shape[1]
            if odd := [n for n in lengths[name][start + rows].tolist() if not 1 <= n <= most]:
                raise InputError(f"{name}_lengths: expected 1 to {most}, found {odd[0]}")
            return column_of(
                specs[name], name, [x[: int(n)] for x, n in zip(values, lengths[name][start + rows], strict=True)]
            )
        return column_of(specs[name], name, values)

    def chunks() -> Iterator[Chunk]:
        for start, end in _starts(count):
            columns = {
                name: LazyColumn(spec.shape, end - start, partial(opened, name, start)) for name, spec in specs.items()
            }
            yield chunk_of(columns, [f"{path}#{row}" for row in range(start, end)])

    return Given(count, False, chunks)


def _only(specs: Specs, path: Path, wanted: str) -> str:
    """The one modality of the student. Raises InputError where it has several."""
    if len(specs) > 1:
        raise InputError(f"{path}: expected {wanted} for {', '.join(specs)}, found values without a name")
    return next(iter(specs))


def _array_file(path: Path, specs: Specs) -> Given:
    """One .npy file: a sample, or a batch of them along the first axis."""
    name = _only(specs, path, "an .npz file with an array")
    spec = specs[name]
    if spec.kind == "text":
        raise InputError(f"{path}: {name}: expected {spec}, found an array")
    try:
        array = open_array(path, name)
    except InputError:
        return _files([(str(path), {name: path})], specs, "")  # a row that says what is wrong with it
    if array.ndim == len(spec.shape):
        return _files([(str(path), {name: path})], specs, "")
    if array.ndim != len(spec.shape) + 1:
        raise InputError(f"{path}: {name}: expected {spec}, one or a batch of them, found shape {array.shape}")
    return _rows_of({name: array}, {}, path, specs)


def _archive(path: Path, specs: Specs) -> Given:
    """An .npz file: a batch of each modality by its name, of sequences with NAME_lengths."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except Exception as error:  # whatever a file that is none makes zipfile and NumPy raise
        raise InputError(f"{path}: cannot be read as an .npz file of numbers: {' '.join(str(error).split())}") from None
    if missing := [name for name in specs if name not in held]:
        raise InputError(f"{path}: expected an array for {missing[0]}, found {', '.join(held) or 'none'}")
    for name, spec in specs.items():
        if held[name].ndim != len(spec.shape) + 1:
            raise InputError(f"{path}: {name}: expected a batch of {spec}, found shape {held[name].shape}")
    named = [name for name, spec in specs.items() if spec.is_sequence and f"{name}_lengths" in held]
    lengths = {name: held[f"{name}_lengths"] for name in named}
    if odd := [name for name in named if lengths[name].ndim != 1 or lengths[name].dtype.kind not in "iu"]:
        raise InputError(f"{path}: {odd[0]}_lengths: expected (N,) whole numbers, found shape {lengths[odd[0]].shape}")
    return _rows_of({name: held[name] for name in specs}, lengths, path, specs)


def _of_one_file(path: Path, specs: Specs) -> dict[str, Path]:
    """Modality -> the file, for a student whose modalities all are in it. Raises InputError for any other."""
    suffix = path.suffix.lower()
    fitting = [name for name, spec in specs.items() if suffix in _FILES[spec.kind]]
    if len(specs) == 1 and next(iter(specs.values())).kind != "array":
        fitting = list(specs)  # its reader will say what is wrong with another file
    if set(fitting) != set(specs) or len({specs[name].kind for name in fitting}) < len(fitting):
        takes = ", ".join(f"{name} ({spec})" for name, spec in specs.items())
        raise InputError(
            f"{path}: expected {takes}, found a file that does not hold that; a manifest says what is what"
        )
    return dict.fromkeys(specs, path)


def _folder(path: Path, specs: Specs) -> Given:
    """All files below a folder that are of the student's kinds; those of several modalities matched by name."""
    kinds = [spec.kind for spec in specs.values()]
    if len(set(kinds)) < len(kinds):
        raise InputError(
            f"{path}: {', '.join(specs)} are of one kind, so a file's ending does not tell them apart; a manifest does"
        )
    names = natural_order([str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()])
    by_stem: dict[Path, list[Path]] = {}
    for file in (path / name for name in names if not any(part.startswith(".") for part in Path(name).parts)):
        by_stem.setdefault(file.with_suffix(""), []).append(file)
    samples, left_out = [], 0
    for stem, files in by_stem.items():
        chosen = {name: found for name, spec in specs.items() if (found := _first(files, _FILES[spec.kind]))}
        left_out += sum(file not in chosen.values() for file in files)
        if len(specs) == 1:
            samples += [(str(f), {next(iter(specs)): f}) for f in files if f.suffix.lower() in _FILES[kinds[0]]]
        elif chosen:
            samples.append((str(stem), chosen))
    if len(specs) == 1:
        left_out = sum(map(len, by_stem.values())) - len(samples)
    if not samples:
        endings = ", ".join(sorted({ending for kind in kinds for ending in _FILES[kind]}))
        raise InputError(f"{path}: expected files that end in {endings}, or a manifest.csv, found none")
    used = {name: sorted({files[name].suffix for _, files in samples if name in files}) for name in specs}
    taken = "; ".join(f"{name} from {', '.join(endings) or 'no file'}" for name, endings in used.items())
    return _files(samples, specs, f"{path}: {taken}" + (f"; {left_out} other files left out" if left_out else ""))


def _first(files: Sequence[Path], endings: Sequence[str]) -> Path | None:
    """The file whose ending comes first among these."""
    fitting = [file for file in files if file.suffix.lower() in endings]
    return min(fitting, key=lambda file: endings.index(file.suffix.lower()), default=None)


def _files(samples: Sequence[tuple[str, Mapping[str, Path]]], specs: Specs, guessed: str) -> Given:
    """Samples each of which has a file of its own of each modality, or lacks it."""

    def opened(name: str, start: int, rows: Rows) -> Column:
        return _of_files(specs[name], name, [samples[start + row][1].get(name) for row in rows.tolist()])

    def chunks() -> Iterator[Chunk]:
        for start, end in _starts(len(samples)):
            columns = {
                name: LazyColumn(spec.shape, end - start, partial(opened, name, start)) for name, spec in specs.items()
            }
            yield chunk_of(columns, [key for key, _ in samples[start:end]])

    return Given(len(samples), False, chunks, guessed)


def _of_files(spec: InputSpec, name: str, paths: Sequence[Path | None]) -> Column:
    there = [path for path in paths if path is not None]
    if len(there) < len(paths):
        raise InputError(f"{name}: no file of it")
    if spec.kind == "text":
        return column_of(spec, name, [_text(path) for path in there])
    if spec.kind == "array":
        return column_of(spec, name, _listed(spec, [open_array(path, name) for path in there]))
    return column_of(spec, name, there)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def _listed(spec: InputSpec, arrays: Sequence[Array]) -> Any:
    """Samples as `column_of` takes a batch of them."""
    if spec.is_sequence:
        return list(arrays)
    for array in arrays:
        if array.shape != spec.shape:
            raise InputError(f"expected {spec}, found an array of shape {array.shape}")
    return np.stack(arrays)


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        try:
            return list(pa.parquet.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: cannot read it as Parquet: {' '.join(str(error).split())}") from None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read it as UTF-8 text, comma-separated: {error}") from None


def _table(path: Path, specs: Specs, allow_outside: bool) -> Given:
    """A table with a column for each feature, or a manifest with a column for each modality."""
    header = _header(path)
    features = {name: list(spec.features) for name, spec in specs.items()}
    if all(features.values()) and all(set(named) <= set(header) for named in features.values()):
        return _features(path, features, header, specs, "")
    if all(name in {column.partition(":")[0] for column in header} for name in specs):
        return _manifest(read_table(path), specs, allow_outside)
    if len(specs) == 1 and not any(features.values()):
        name, spec = next(iter(specs.items()))
        columns = [column for column in header if column not in _NO_FEATURES]
        if spec.kind == "array" and len(spec.shape) == 1 and len(columns) == spec.shape[0]:
            guessed = f"{path}: {name} from its {len(columns)} columns {columns[0]} to {columns[-1]}, in this order"
            return _features(path, {name: columns}, header, specs, guessed)
    wanted = [column for named in features.values() for column in named] or list(specs)
    missing = next((column for column in wanted if column not in header), wanted[0])
    kinds = "; ".join(f"{name}: {spec}" for name, spec in specs.items())
    raise InputError(f"{path}: expected the column {missing!r} ({kinds}), found {', '.join(header)[:200]}")


def _features(
    path: Path, features: Mapping[str, Sequence[str]], header: Sequence[str], specs: Specs, guessed: str
) -> Given:
    """A row a sample, read some rows at a time."""

    def opened(frame: Any, name: str, rows: Rows) -> Column:
        import pandas as pd

        part = frame.iloc[rows][list(features[name])]
        numbers = part.apply(pd.to_numeric, errors="coerce")
        for row, column in np.argwhere(numbers.isna().to_numpy())[:1]:
            found = part.iat[row, column]
            raise InputError(f"column '{part.columns[column]}': expected a number, found '{found}'")
        whole = np.dtype(specs[name].dtype).kind in "iu" and bool((numbers % 1 == 0).to_numpy().all())
        return column_of(specs[name], name, numbers.astype("int64") if whole else numbers)

    def chunks() -> Iterator[Chunk]:
        start = 0
        for frame in _frames(path):
            ids = frame["id"].astype(str).tolist() if "id" in frame.columns and not _is_feature("id") else None
            labels = frame["label"].fillna("").astype(str).tolist() if labelled else []
            columns = {
                name: LazyColumn(spec.shape, len(frame), partial(opened, frame, name)) for name, spec in specs.items()
            }
            yield chunk_of(columns, ids or [f"{path}#{start + row}" for row in range(len(frame))], labels)
            start += len(frame)

    def _is_feature(column: str) -> bool:
        return any(column in named for named in features.values())

    labelled = "label" in header and not _is_feature("label")
    return Given(-1, labelled, chunks, guessed)


def _frames(path: Path) -> Iterator[Any]:
    """A table as DataFrames of some rows each."""
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as parquet

        for batch in parquet.ParquetFile(path).iter_batches(batch_size=CHUNK):
            yield batch.to_pandas()
        return
    import pandas as pd

    try:
        frames = pd.read_csv(path, chunksize=CHUNK, dtype=str, keep_default_na=False, skipinitialspace=True)
        yield from frames
    except (ValueError, UnicodeDecodeError) as error:  # pandas' ParserError is a ValueError
        raise InputError(f"{path}: cannot be read as a table: {' '.join(str(error).split())}") from None


def _manifest(table: Table, specs: Specs, allow_outside: bool) -> Given:
    """A row a sample, cells as in training; id, split and label need not be there."""
    headers = {column.name: column for column in modalities(table)}
    find = inside(table, allow_outside)
    count, labels = len(table.numbers), table.columns.get("label", [])
    keys = table.columns.get("id", [""] * count)

    def opened(name: str, rows: Sequence[int], places: Rows) -> Column:
        return _of_cells(table, headers[name], specs[name], [rows[place] for place in places.tolist()], find)

    def chunks() -> Iterator[Chunk]:
        for start, end in _starts(count):
            columns: dict[str, Column] = {}
            for name, spec in specs.items():
                cells = table.columns[headers[name].header]
                filled = [row for row in range(start, end) if cells[row]]
                present = np.array([bool(cells[row]) for row in range(start, end)])
                lazy = LazyColumn(spec.shape, len(filled), partial(opened, name, filled))
                columns[name] = lazy if present.all() else PartialColumn(lazy, present)
            ids = [keys[row] or f"{table.path}#{row}" for row in range(start, end)]
            yield chunk_of(columns, ids, labels[start:end])

    return Given(count, any(labels), chunks)


def _of_cells(
    table: Table,
    column: ModalityHeader,
    spec: InputSpec,
    rows: Sequence[int],
    find: Callable[[int, str, str], Path],
) -> Column:
    """The samples that the cells of these rows name."""
    cells = [table.columns[column.header][row] for row in rows]
    if spec.kind == "text":
        files = [
            find(r, column.header, cell) if cell.endswith(".txt") else None for r, cell in zip(rows, cells, strict=True)
        ]
        return column_of(spec, column.name, [_text(f) if f else cell for f, cell in zip(files, cells, strict=True)])
    if spec.kind in ("video", "audio"):
        clips = [clip(table, column, r, find(r, column.header, cell)) for r, cell in zip(rows, cells, strict=True)]
        reader = (VideoReader if spec.kind == "video" else AudioReader)(spec.reading, CacheFolder(table.path.parent))
        return MediaColumn(clips, reader)
    arrays = []
    for row, cell in zip(rows, cells, strict=True):
        place = table.place(row, column.header)
        match = re.fullmatch(r"(.+\.npy)(?:#([0-9]{1,15}))?", cell)
        if not match:
            raise InputError(f"{place}: expected a path such as a.npy or a.npy#17, found '{cell}'")
        array = open_array(find(row, column.header, match[1]), place)
        if match[2] and int(match[2]) >= len(array):
            raise InputError(f"{place}: row out of range: expected #0 to #{len(array) - 1}, found {cell}")
        arrays.append(array[int(match[2])] if match[2] else array)
    return column_of(spec, column.name, _listed(spec, arrays))
