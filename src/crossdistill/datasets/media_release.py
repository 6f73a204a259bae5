"""Releases that are media files: finding them, asking their headers, and a manifest that names them where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crossdistill.data.cells import ENDINGS, RESERVED
from crossdistill.data.folders import new_folder, write_csv
from crossdistill.data.readers.clock import declared_seconds
from crossdistill.data.readers.media import UnreadableError
from crossdistill.data.readers.opening import opened
from crossdistill.listening import Listener, tracked
from crossdistill.plain_text import read_bytes
from crossdistill.types import InputError

Row = Mapping[str, str]
"""Column name -> cell, the same columns in all rows."""

MISSING, SILENT = "missing.txt", "silent.txt"


class Header(NamedTuple):
    """What a video file says of itself: whether it has sound, how long it is, 0 for unknown, why it cannot be read."""

    sound: bool = False
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Prepared:
    """A manifest of media that was written.

    notes: what there is to say of it, a line each; counts: a table, its first row the header; empty where there is none
    """

    folder: Path
    rows: Sequence[Row]
    notes: Sequence[str]
    counts: Sequence[Sequence[str]] = ()


def video_files(folder: Path) -> list[Path]:
    """The video files in a folder and in those below it, links included, in order. Raises InputError without any."""
    paths = [path for path in files_below(folder) if is_video(path.name)]
    if not paths:
        raise InputError(f"{folder}: no video files in it, nor in the folders below")
    return paths


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in those below it, links included, in order; hidden ones left out. Raises InputError
    where it is no folder."""
    require_folder(folder)
    paths: list[Path] = []
    been: set[str] = set()
    for home, below, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(home)
        if real in been:  # a link that leads back
            below.clear()
            continue
        been.add(real)
        below[:] = [name for name in below if not name.startswith(".")]
        paths += [Path(home, name) for name in names if not name.startswith(".")]
    return sorted(paths)


def is_video(name: str) -> bool:
    """Whether a file's ending is a video's; `._x.avi`, which macOS leaves beside `x.avi`, is none."""
    return not name.startswith(".") and name.lower().endswith(ENDINGS["video"])


def require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: {'expected a folder' if folder.exists() else 'folder not found'}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without space at their ends; UTF-8, or Windows' Latin letters where it is not.

    Raises InputError where the file is missing.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        what = "file not found" if isinstance(error, FileNotFoundError) else f"cannot read: {error.strerror}"
        raise InputError(f"{path}: {what}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    return [line.strip() for line in text.splitlines()]


def _header_of(path: Path) -> Header:
    """Opens a video file without decoding it. Raises InputError where PyAV is not installed."""
    try:
        with opened(path, "video") as file:
            return Header(bool(file.container.streams.audio), declared_seconds(file))
    except UnreadableError as error:
        return Header(problem=str(error))


def headers(paths: Sequence[Path], listener: Listener) -> dict[Path, Header]:
    """Read the header of each file, once."""
    distinct = list(dict.fromkeys(paths))
    return dict(zip(distinct, tracked(listener, map(_header_of, distinct), len(distinct), "headers"), strict=True))


def path_from(folder: Path) -> Callable[[Path], str]:
    """A file -> its path relative to the folder, which need not exist yet. Links above the folder are followed first:
    `..` leads out of where it really is."""
    start = os.path.realpath(folder)
    return lambda path: Path(os.path.relpath(path.absolute(), start)).as_posix()


def write_rows(folder: Path, rows: Sequence[Row], lists: Mapping[str, Sequence[str]]) -> None:
    """Write manifest.csv, without modalities that no row has, and a text file for each list that has lines.

    The folder appears whole or not at all. Raises InputError: no rows, a class that is tested but never in training, or
    a folder that has something in it or cannot be written.
    """
    if not rows:
        raise InputError(f"{folder}: none of the samples is there; nothing was written")
    learnt = {row["label"] for row in rows if row["split"] == "train"}
    for row in rows:
        if row["label"] not in learnt:
            raise InputError(f"{folder}: class '{row['label']}' has samples in {row['split']} but none in train")
    cells = {name: [row[name] for row in rows] for name in rows[0]}
    kept = {name: column for name, column in cells.items() if name in RESERVED or any(column)}
    with new_folder(folder) as written:
        write_csv(written / "manifest.csv", kept)
        for name, lines in lists.items():
            if lines:
                (written / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
