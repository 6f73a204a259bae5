"""Media files, folders of them and arrays, for a student to predict from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from crossdistill.data.arrays import Array
from crossdistill.data.cells import READABLE_AS, first_of
from crossdistill.data.columns import Column, Rows, open_array
from crossdistill.data.given.chunks import Chunk, Given, Specs, as_batch, chunk_of, starts
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.labels import natural_order
from crossdistill.data.lazy import LazyColumn
from crossdistill.data.unpacking import npz_arrays, npz_names
from crossdistill.types import InputError, cause


def rows_of(arrays: Mapping[str, Array], lengths: Mapping[str, Array], path: Path, specs: Specs) -> Given:
    """Batches (N, ...) of each modality, rows of a file."""
    counts = {name: len(array) for name, array in arrays.items()}
    counts |= {f"{name}_lengths": len(array) for name, array in lengths.items()}
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
        for start, end in starts(count):
            columns = {
                name: LazyColumn(spec.shape, end - start, partial(opened, name, start)) for name, spec in specs.items()
            }
            yield chunk_of(columns, [f"{path}#{row}" for row in range(start, end)])

    return Given(count, (), chunks)


def _only(specs: Specs, path: Path, wanted: str) -> str:
    """The one modality of the student. Raises InputError where it has several."""
    if len(specs) > 1:
        raise InputError(f"{path}: expected {wanted} for {', '.join(specs)}, found values without a name")
    return next(iter(specs))


def array_file_of(path: Path, specs: Specs) -> Given:
    """One .npy file: a sample, or a batch of them along the first axis."""
    name = _only(specs, path, "an .npz file with an array")
    spec = specs[name]
    if spec.kind == "text":
        raise InputError(f"{path}: {name}: expected {spec}, found an array")
    try:
        array = open_array(path, name)
    except InputError:
        return files_of([(str(path), {name: path})], specs, "")  # a row that says what is wrong with it
    if array.ndim == len(spec.shape):
        return files_of([(str(path), {name: path})], specs, "")
    if array.ndim != len(spec.shape) + 1:
        raise InputError(f"{path}: {name}: expected {spec}, one or a batch of them, found shape {array.shape}")
    return rows_of({name: array}, {}, path, specs)


def archive_of(path: Path, specs: Specs) -> Given:
    """An .npz file: a batch of each modality by its name, of sequences with NAME_lengths."""
    wanted = [*specs, *(f"{name}_lengths" for name, spec in specs.items() if spec.is_sequence)]
    try:
        names, held = npz_names(path), npz_arrays(path, wanted)
    except InputError:
        raise
    except Exception as error:  # whatever a file that is none makes zipfile and NumPy raise
        raise InputError(f"{path}: cannot be read as an .npz file of numbers: {cause(error)}") from None
    if missing := [name for name in specs if name not in held]:
        found = ", ".join(names) or "none"
        raise InputError(f"{path}: expected an array called {missing[0]}, as the modality is, found {found}")
    for name, spec in specs.items():
        if held[name].ndim != len(spec.shape) + 1:
            raise InputError(f"{path}: {name}: expected a batch of {spec}, found shape {held[name].shape}")
    named = [name for name, spec in specs.items() if spec.is_sequence and f"{name}_lengths" in held]
    lengths = {name: held[f"{name}_lengths"] for name in named}
    if odd := [name for name in named if lengths[name].ndim != 1 or lengths[name].dtype.kind not in "iu"]:
        raise InputError(f"{path}: {odd[0]}_lengths: expected (N,) whole numbers, found {_kind(lengths[odd[0]])}")
    given = rows_of({name: held[name] for name in specs}, lengths, path, specs)
    whole = [name for name, spec in specs.items() if spec.is_sequence and name not in lengths]
    return replace(given, guessed=_without_lengths(path, {name: held[name].shape[1] for name in whole}, names, wanted))


def _without_lengths(path: Path, steps: Mapping[str, int], names: Sequence[str], read: Sequence[str]) -> str:
    """What is taken for what where sequences have no lengths, which another array may hold; empty where all have."""
    if not steps:
        return ""
    lacking, taken = (", ".join(each) for each in ([f"{n}_lengths" for n in steps], [f"{steps[n]}" for n in steps]))
    unread = ", ".join(name for name in names if name not in read)
    return f"{path}: no {lacking}, so all sequences are taken to have {taken} steps" + (
        f"; not read: {unread[:200]}" if unread else ""
    )


def _kind(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"


def one_file_of(path: Path, specs: Specs) -> dict[str, Path]:
    """Modality -> the file, for a student whose modalities all are in it. Raises InputError for any other."""
    suffix = path.suffix.lower()
    fitting = [name for name, spec in specs.items() if suffix in READABLE_AS[spec.kind]]
    if len(specs) == 1 and next(iter(specs.values())).kind != "array":
        fitting = list(specs)  # its reader will say what is wrong with another file
    if set(fitting) != set(specs) or len({specs[name].kind for name in fitting}) < len(fitting):
        takes = ", ".join(f"{name} ({spec})" for name, spec in specs.items())
        raise InputError(
            f"{path}: expected {takes}, found a file that does not hold that; arrays are .npy or .npz, tables .csv or "
            ".parquet, and a manifest says what is what"
        )
    return dict.fromkeys(specs, path)


def folder_of(path: Path, specs: Specs) -> Given:
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
        chosen = {name: found for name, spec in specs.items() if (found := first_of(files, READABLE_AS[spec.kind]))}
        left_out += sum(file not in chosen.values() for file in files)
        if len(specs) == 1:
            samples += [(str(f), {next(iter(specs)): f}) for f in files if f.suffix.lower() in READABLE_AS[kinds[0]]]
        elif chosen:
            samples.append((str(stem), chosen))
    if len(specs) == 1:
        left_out = sum(map(len, by_stem.values())) - len(samples)
    if not samples:
        endings = ", ".join(sorted({ending for kind in kinds for ending in READABLE_AS[kind]}))
        raise InputError(f"{path}: expected files that end in {endings}, or a manifest.csv, found none")
    used = {name: sorted({files[name].suffix for _, files in samples if name in files}) for name in specs}
    taken = "; ".join(f"{name} from {', '.join(endings) or 'no file'}" for name, endings in used.items())
    return files_of(samples, specs, f"{path}: {taken}" + (f"; {left_out} other files left out" if left_out else ""))


def files_of(samples: Sequence[tuple[str, Mapping[str, Path]]], specs: Specs, guessed: str) -> Given:
    """Samples each of which has a file of its own of each modality, or lacks it."""

    def opened(name: str, start: int, rows: Rows) -> Column:
        return _of_files(specs[name], name, [samples[start + row][1].get(name) for row in rows.tolist()])

    def chunks() -> Iterator[Chunk]:
        for start, end in starts(len(samples)):
            columns = {
                name: LazyColumn(spec.shape, end - start, partial(opened, name, start)) for name, spec in specs.items()
            }
            yield chunk_of(columns, [key for key, _ in samples[start:end]])

    return Given(len(samples), (), chunks, guessed)


def _of_files(spec: InputSpec, name: str, paths: Sequence[Path | None]) -> Column:
    there = [path for path in paths if path is not None]
    if len(there) < len(paths):
        raise InputError(f"{name}: no file of it")
    if spec.kind == "array":
        return column_of(spec, name, as_batch(spec, [open_array(path, name) for path in there]))
    return column_of(spec, name, there)
