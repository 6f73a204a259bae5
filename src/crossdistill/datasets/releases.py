"""Reading data sets as they are released: archives or extracted trees of small files, and .npz files."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.unpacking import npz_arrays, require_unpackable
from crossdistill.types import InputError, cause


def release_files(
    source: Path, archives: Sequence[str], pattern: str, example: str
) -> Iterator[tuple[re.Match[str], bytes]]:
    """Every file of a release whose own name matches `pattern`, as (match, content), in no particular order.

    source: a tar or zip archive, a folder with some of `archives`, or the extracted tree.
    example: such a file, for errors. Raises InputError where there is none, or an archive is damaged.
    """
    any_file = False
    for name, content in _all_files(source, archives, re.compile(pattern)):
        any_file = True
        yield name, content
    if not any_file:
        raise InputError(f"{source}: expected {' or '.join(archives)}, or files such as {example}; found none of them")


def _all_files(
    source: Path, archives: Sequence[str], pattern: re.Pattern[str]
) -> Iterator[tuple[re.Match[str], bytes]]:
    if not source.exists():
        raise InputError(f"{source}: not found")
    packed = [source] if source.is_file() else [source / name for name in archives if (source / name).is_file()]
    for path in packed:
        try:
            yield from _zip_files(path, pattern) if zipfile.is_zipfile(path) else _tar_files(path, pattern)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # damage, a password, an unknown compression, a link to nothing
            raise InputError(f"{path}: cannot read it as a tar or zip archive: {cause(error)}") from None
    if not packed:
        for path in sorted(source.rglob("*")):
            if (match := pattern.fullmatch(path.name)) and path.is_file():
                yield match, path.read_bytes()


def _tar_files(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)  # None for a folder
            if content and (match := pattern.fullmatch(Path(member.name).name)):
                require_unpackable(f"{path}: {match[0]}", path.stat().st_size, member.size)
                yield match, content.read()


def _zip_files(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if match := pattern.fullmatch(Path(member.filename).name):
                require_unpackable(f"{path}: {match[0]}", member.compress_size, member.file_size)
                yield match, archive.read(member)


def release_arrays(source: Path, name: str, keys: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """These arrays of an .npz file; `source` is the file, or a folder that holds it under `name`.

    Raises InputError: no such file, no such array, arrays of different length, pickled objects.
    """
    path = source / name if source.is_dir() else source
    if not path.is_file():
        raise InputError(f"{path}: not found; expected {name} or the folder that holds it")
    try:
        arrays = npz_arrays(path, keys)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # of damaged headers numpy raises whatever its own code stumbles over
        raise InputError(f"{path}: cannot read it as an .npz file of plain arrays: {cause(error)}") from None
    if missing := [key for key in keys if key not in arrays]:
        raise InputError(f"{path}: expected the arrays {', '.join(keys)}: there is no {missing[0]}")
    if single := [key for key, array in arrays.items() if array.ndim == 0]:
        raise InputError(f"{path}: {single[0]}: expected a row for each sample, found a single value")
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: expected arrays of one length, found {lengths}")
    return arrays


def named(numbers: npt.NDArray[Any], names: Sequence[str], place: str) -> list[str]:
    """The name of each class number. place: of the numbers, for the message. Raises InputError for a number that no
    class has."""
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise InputError(f"{place}: expected a vector of integers, found {numbers.dtype} {numbers.shape}")
    if len(wrong := np.flatnonzero((numbers < 0) | (numbers >= len(names)))):
        row = int(wrong[0])
        raise InputError(f"{place}, row {row}: expected 0 to {len(names) - 1}, found {numbers[row]}")
    return [names[number] for number in numbers]


def texts(values: npt.NDArray[Any], place: str) -> list[str]:
    """A text for each row. place: of the values, for the message. Raises InputError for anything else."""
    if values.ndim != 1 or values.dtype.kind != "U":
        raise InputError(f"{place}: expected a vector of texts, found {values.dtype} {values.shape}")
    return [str(value) for value in values]


def flags(values: npt.NDArray[Any], place: str) -> npt.NDArray[np.bool_]:
    """Yes or no for each row, from booleans or from 0 and 1. place: of the values, for the message. Raises InputError
    for any other value."""
    if values.ndim != 1 or values.dtype.kind not in "biu" or not np.isin(values, (0, 1)).all():
        raise InputError(f"{place}: expected a vector of true and false, found {values.dtype} {values.shape}")
    return values.astype(np.bool_)
