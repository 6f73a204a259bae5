"""Files that appear whole or not at all, whenever their writer is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` to write to, which takes its place when the block ends well, flushed to the disk.

    When it does not, what was there stays, and what was written goes: or a full disk would stay full. A link stays one,
    to the new content; a device or a pipe is written to as it is, for a file in its place would end it. Raises OSError
    where another process is writing the same file.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with naming(path), path.open("wb") as file:
            yield file
        return
    asked, path = path, Path(os.path.realpath(path))
    partial = path.with_name(path.name + ".partial")
    with naming(asked), _opened_alone(partial) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":  # which moves no open file, and has no lock that closing it would give up
                file.close()
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    flush_folder(path.parent)


def _opened_alone(partial: Path) -> BinaryIO:
    """The file, empty, open and locked: two processes that wrote it at once would make one file of both."""
    while True:
        # empties no file that another process writes, and unlike "ab" lets the writer go back, as that of a zip does
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
        try:
            _lock(file)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                    file.seek(0)
                    file.truncate()
                    return file
        except BaseException:
            file.close()
            raise
        file.close()  # while it was opened, another process was ready and gave the file its final name


def _lock(file: BinaryIO) -> None:
    """Raise OSError where another process holds the lock, which goes with its process. Not every disk has locks, and
    Windows has others."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another process is writing it; wait until it has ended") from None
    except OSError:
        return


@contextmanager
def naming(path: Path, unless_named: bool = False) -> Iterator[None]:
    """An error of the system inside, such as a full disk's, says which file it is about; unless_named: where it names
    none itself, as those of other libraries."""
    try:
        yield
    except OSError as error:
        if unless_named and error.filename is not None:
            raise
        error.filename = str(path)
        del error.filename2  # None would be told as the name of a second file
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
