"""One writer for a folder: a lock of the operating system's, which ends with the process that holds it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from crossdistill.data.folders import make_folder
from crossdistill.listening import WARNING
from crossdistill.types import InputError

LOCK = ".lock"
"""The locked file in a folder. One that a killed process left behind is locked no longer, and in nobody's way."""

WAIT = 5.0
"""Seconds for a process that has been killed to be gone: one that used a GPU, or a rank whose launcher died."""


class LockedError(InputError):
    """A folder that another process is writing."""


_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def locked(
    folder: Path,
    what: str = "run",
    say: Callable[[str], None] = lambda line: None,
    file: str = LOCK,
    option: str = "--out",
    wait: float | None = None,
) -> Iterator[None]:
    """Keep other processes from writing into the folder, which is made where it is not there.

    A disk shared by machines locks for all of them (NFS, Lustre, GPFS); where it knows no locks, `say` hears that
    nothing keeps a second process away. what: the folder's content, for errors; file: the locked one, where not all of
    the folder is meant; option: what chooses another place; wait: so many seconds for the other process, `WAIT` unless
    given. Raises LockedError where another process writes there, and
    OSError where the folder cannot be written.
    """
    make_folder(folder, option)
    path = folder / file
    if path.is_symlink() or path.is_dir():
        found = "a link" if path.is_symlink() else "a folder"
        raise InputError(f"{path}: expected a file that is there while something is written, found {found}; remove it")
    lock = FileLock(path, timeout=WAIT if wait is None else wait, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(
            f"{folder}: {_holder(path)} is writing this {what}; wait until it has ended, or choose another {option}"
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        say(f"{WARNING}{folder}: this disk has no locks, so nothing keeps a second process from writing there")
        yield
        return
    try:
        with suppress(OSError):  # for the words of an error alone
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # before it is released: whoever opened it meanwhile finds that it is no file any more
            path.unlink()
        lock.release()


def _holder(path: Path) -> str:
    """Whose lock it is, as that process has written it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    return text if 0 < len(text) < 200 else "another process"
