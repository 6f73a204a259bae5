"""Files that appear whole or not at all, whenever their writer is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` to write to, which takes its place when the block ends well, flushed to the disk.

    When it does not, what was there stays, and what was written goes: or a full disk would stay full.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with naming(path):
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        flush_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # on a disk that can only be read, the reason is the first error
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the system inside, such as a full disk's, says which file it is about."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def flush_folder(folder: Path) -> None:
    """Flush a folder to the disk: which files it has and by which names, which flushing a file leaves out."""
    with suppress(OSError):  # systems and disks that know no such thing
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Write the text as UTF-8, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode())
