"""What a manifest's header and cells mean: kinds of modality, paths that stay inside, segments and crops."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast, get_args

from crossdistill.data.readers.media import WHOLE, Box, Clip
from crossdistill.data.table import Table
from crossdistill.types import InputError

Kind = Literal["array", "video", "audio", "text"]
EXPECTED: dict[Kind, str] = {
    "array": "a path such as a.npy or a.npy#17",
    "video": "a video file",
    "audio": "a sound or video file",
    "text": "a text",
}

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp", ".ogv")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma")

REQUIRED = ("id", "split", "label")
OPTIONAL = ("fold", "group", "caption", "thumbnail", "start", "end", "crop")
PARTS = ("start", "end", "crop")


@dataclass(frozen=True)
class ModalityHeader:
    """A modality's column: its `header` in the table, its name, and the kind that the header gives it, "" for none."""

    header: str
    name: str
    kind: Kind | Literal[""]


def modalities(table: Table) -> list[ModalityHeader]:
    """The modality columns, in order. `words:text` is the modality `words`, whatever its cells look like.

    Raises InputError for an unknown kind, a name that occurs twice, a part (`face:start`) of no modality.
    """
    by_name: dict[str, ModalityHeader] = {}
    parts = []
    for header in table.columns:
        name, _, kind = header.partition(":")
        if kind in PARTS:
            parts.append((header, name))
        elif header not in REQUIRED + OPTIONAL:
            if kind not in ("", *get_args(Kind)) or header.endswith(":"):
                known = ", ".join((*get_args(Kind), *PARTS))
                raise InputError(f"{table.path} row 1: '{header}': expected one of {known} after the colon")
            if name in by_name:
                raise InputError(f"{table.path} row 1: '{by_name[name].header}' and '{header}' are the same modality")
            by_name[name] = ModalityHeader(header, name, cast(Kind, kind))
    for header, name in parts:
        if name not in by_name:
            raise InputError(f"{table.path} row 1: '{header}': there is no modality '{name}'")
    return list(by_name.values())


def kind_of(table: Table, column: ModalityHeader) -> Kind:
    """The kind that the header says, or that the first filled cell looks like; all filled cells must agree with it.

    Raises InputError, naming the row, where they do not, and where no cell is filled.
    """
    filled = [(row, cell) for row, cell in enumerate(table.columns[column.header]) if cell]
    if not filled:
        raise InputError(f"{table.path}: column '{column.header}' has no filled cell")
    first, cell = filled[0]
    kind = column.kind or looks_like(cell)
    for row, cell in filled:
        looks = looks_like(cell)
        fits = looks == kind if not column.kind else kind == "text" or (looks == "array") == (kind == "array")
        if not fits:
            by = "header" if column.kind else f"first cell, in row {table.numbers[first]}"
            raise InputError(
                f"{table.place(row, column.header)}: expected {EXPECTED[kind]}, found '{cell}'; a column has one kind, "
                f"here by its {by}; a header may name it, e.g. {column.name}:{looks}"
            )
    return kind


def looks_like(cell: str) -> Kind:
    """The kind that a cell's ending tells: video file, sound file, array; whatever else is text."""
    suffix = PurePosixPath(cell).suffix.lower()
    if re.fullmatch(r"(?s).+\.npy(#.*)?", cell):
        return "array"
    return "video" if suffix in VIDEOS else "audio" if suffix in SOUNDS else "text"


def inside(table: Table, allow_outside: bool) -> Callable[[int, str, str], Path]:
    """(row, column, path) -> the file in the manifest's folder.

    Raises InputError for one that lies outside, by `..`, as an absolute path or through a link, unless that is allowed,
    and for one that is not there or cannot be.
    """
    home = table.path.parent
    real_home = home.resolve()
    known: dict[str, Path] = {}

    def find(row: int, column: str, cell: str) -> Path:
        if cell not in known:
            path = home / cell
            try:
                outside = Path(cell).is_absolute() or real_home not in path.resolve().parents
                is_file = path.is_file()
            except (OSError, RuntimeError, ValueError) as error:  # too long, links in a circle, a zero byte
                reason = getattr(error, "strerror", None) or str(error)
                raise InputError(f"{table.place(row, column)}: '{shortened(cell)}' names no file: {reason}") from None
            if outside and not allow_outside:
                raise InputError(
                    f"{table.place(row, column)}: '{cell}' leads out of the manifest's folder; move it inside, or "
                    "allow it (--allow-outside, data.allow_outside)"
                )
            if not is_file:
                raise InputError(f"{table.place(row, column)}: file not found: {path}")
            known[cell] = path
        return known[cell]

    return find


def shortened(cell: str) -> str:
    return cell if len(cell) <= 80 else f"{cell[:40]}...{cell[-30:]}"


def clip(table: Table, column: ModalityHeader, row: int, path: Path) -> Clip:
    """The cell's clip. `face:start`, `face:end`, `face:crop` hold for the modality `face`; `start`, `end`, `crop` for
    all. Raises InputError for what is no segment or no part of a frame."""
    start = _seconds(table, column, row, "start", 0.0)
    end = _seconds(table, column, row, "end", math.inf)
    if not start < end:
        header, _ = _part(table, column, row, "end")
        raise InputError(f"{table.place(row, header)}: expected an end after the start {start:g}, found {end:g}")
    return Clip(path, table.place(row, column.header), start, end, _crop(table, column, row))


def _part(table: Table, column: ModalityHeader, row: int, part: str) -> tuple[str, str]:
    """Header and cell of a modality's start, end or crop; an empty cell where there is none."""
    own_header = f"{column.name}:{part}"
    header = own_header if own_header in table.columns and table.columns[own_header][row] else part
    return header, table.columns[header][row] if header in table.columns else ""


def _seconds(table: Table, column: ModalityHeader, row: int, part: str, default: float) -> float:
    header, cell = _part(table, column, row, part)
    if not cell:
        return default
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?(e-?[0-9]+)?", cell):
        raise InputError(f"{table.place(row, header)}: expected seconds from 0, found '{cell}'")
    return float(cell)


def _crop(table: Table, column: ModalityHeader, row: int) -> Box:
    header, cell = _part(table, column, row, "crop")
    if not cell:
        return WHOLE
    numbers = re.fullmatch(r"\s*([0-9.]+)[\s,;]+([0-9.]+)[\s,;]+([0-9.]+)[\s,;]+([0-9.]+)\s*", cell)
    try:
        left, top, width, height = map(float, numbers.groups() if numbers else ())
    except ValueError:
        left = top = width = height = -1.0
    if not (left >= 0 and top >= 0 and 0 < width <= 1 - left + 1e-9 and 0 < height <= 1 - top + 1e-9):
        raise InputError(
            f"{table.place(row, header)}: expected left, top, width and height of a part of the frame, as fractions "
            f"such as 0 0.1 0.5 0.8, found '{cell}'"
        )
    return (left, top, width, height)
