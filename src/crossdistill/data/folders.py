"""What is at a path; a folder that appears whole or not at all, and the table in it."""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from crossdistill.atomic import naming
from crossdistill.types import InputError


def is_file(path: Path) -> bool:
    """Whether there is such a file; one whose name no file can have is not there."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; one whose name no folder can have is not there."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def require_place(folder: Path, option: str = "--out", expected: str = "a folder") -> None:
    """Raise InputError where something else than a folder is in its place, or in that of one that it lies in; option:
    what chooses another."""
    for place in (folder, *folder.parents):
        if is_folder(place):
            return
        if os.path.lexists(place):
            raise InputError(f"{place}: expected {expected}, found {_found(place)}; choose another {option}")


def _found(place: Path) -> str:
    """What is there that is no folder."""
    if not place.is_symlink():
        return "a file"
    try:
        place.stat()
    except OSError as error:
        in_circle = error.errno == errno.ELOOP
        return "a link that leads in a circle" if in_circle else f"a link to what is not there, {place.readlink()}"
    return f"a link to a file, {place.readlink()}"


def make_folder(folder: Path, option: str = "--out") -> None:
    """Make the folder where it is not there. Raises InputError where something else is in its place, and OSError, which
    names it, where it cannot be made."""
    require_place(folder, option)
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)


def is_taken(folder: Path) -> bool:
    """Whether there is something in the folder already. Raises InputError where it is a file, and OSError or ValueError
    where it cannot be read."""
    require_place(folder, "name", "a new or empty folder")
    return folder.exists() and any(folder.iterdir())


def require_new(folder: Path) -> None:
    """Raise InputError where there is something in the folder already, or it is a file."""
    try:
        taken = is_taken(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot read: {error.strerror or error}") from None
    if taken:
        raise InputError(f"{folder}: already there; remove it or choose another folder")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A scratch folder to write to, which becomes `folder` when the block ends well.

    Raises InputError where there is something in it already, or it cannot be written.
    """
    require_new(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            written = Path(scratch) / folder.name
            written.mkdir()
            yield written
            written.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot write: {error.strerror or error}") from None
    except UnicodeEncodeError as error:
        raise InputError(f"{folder}: cannot write: {error.object!r} cannot be written as UTF-8") from None


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """A new or empty folder to write into, in place, since it may be a mounted disk; when the block ends badly, it is
    empty again, or gone where it is new.

    Raises InputError where there is something in it already, or it cannot be written.
    """
    try:
        if is_taken(folder):
            raise InputError(f"{folder}: expected a new or empty folder, found something in it")
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    try:
        yield
    except BaseException as error:
        for path in [folder] if is_new else list(folder.iterdir()):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
        raise


class CsvLines:
    """A file for a `csv.writer` that ends its lines with a newline alone. Told to do so itself it would quote no cell
    for a carriage return, at which readers end a line, too."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def csv_text(cells: Mapping[str, Sequence[str]]) -> str:
    """A table as CSV. cells: column name -> its cells, as many in each column."""
    text = io.StringIO()
    writer = csv.writer(CsvLines(text))
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return text.getvalue()


def write_csv(path: Path, cells: Mapping[str, Sequence[str]]) -> None:
    """Write `csv_text` of the cells as UTF-8."""
    path.write_text(csv_text(cells), encoding="utf-8", newline="")
