"""What a manifest's header and cells mean: kinds of modality, paths that stay inside, segments and crops."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast, get_args

from crossdistill.data.fillers import is_filler
from crossdistill.data.folders import is_file
from crossdistill.data.lists import are_numbers
from crossdistill.data.readers.media import WHOLE, Box, Clip
from crossdistill.data.table import Table
from crossdistill.types import InputError

Kind = Literal["array", "video", "audio", "picture", "number", "text"]
EXPECTED: dict[Kind, str] = {
    "array": "a path such as a.npy or a.npy#17",
    "video": "a video file",
    "audio": "a sound or video file",
    "picture": "a picture file",
    "number": "a number",
    "text": "a text",
}

ENDINGS: dict[Kind, tuple[str, ...]] = {
    "array": (".npy",),
    "video": (
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".flv", ".wmv"),
        *(".3gp", ".ogv"),
    ),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma"),
    "picture": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "text": (".txt",),
}
"""Which endings a file of each kind has, in small letters; a cell's may be in capitals."""

_CALLED: dict[Kind, str] = {"array": "an array", "audio": "a sound"}
"""How sentences call a sample of a kind, where that is not `a` and the kind."""

READABLE_AS = {**ENDINGS, "audio": (*ENDINGS["audio"], *ENDINGS["video"])}
"""Kind -> the endings of files that may be read as it; a video's sound is taken where there is no sound file."""

_OTHER_FILES = (
    *("avif", "heic", "svg"),
    *("7z", "csv", "gz", "h5", "hdf5", "html", "json", "mat", "npz", "parquet", "pdf", "pickle", "pkl", "pt", "pth"),
    *("safetensors", "tar", "tsv", "xlsx", "xml", "zip"),
)
"""Endings of files that no reader here takes; with them even a name with spaces is no text."""

_SIGN = r"[+\N{MINUS SIGN}-]?"
_NUMBER = re.compile(rf"{_SIGN}([0-9]+(\.[0-9]*)?|\.[0-9]+)(e{_SIGN}[0-9]{{1,3}})?", re.IGNORECASE)

_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
"""A number with commas between its thousands, which one with a decimal comma may look like: 1,000."""

TRUTHS = {"true": 1.0, "false": 0.0}
"""How tables write truth values, in small letters: those of one-hot columns, as pandas makes them, are such."""

_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}(?P<by>[./])[0-9]{1,2}(?P=by)[0-9]{2,4}"
_HOUR = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AaPp][Mm]|Z|[+-][0-9]{2}:?[0-9]{2})?"
_TIME = re.compile(rf"({_DAY})([T ]{_HOUR})?|(-?[0-9]+ days?,? \+?)?{_HOUR}")
"""How tables write dates, times of the day, and what pandas and Python make of the time between two."""

_LIST = re.compile(r"(?is)\[(?=.*[0-9.][\s,;\[\]]+[-+]?[.0-9])([-+0-9.,;e\s\[\]]|nan|inf|none|null)*\]")
"""How lists of numbers look as texts, which is how tables of arrays are written as CSV."""

_CALLS = re.compile(r"\b(np\.\w+|array|tensor)\(|,\s*dtype=[\w.]+|\)")
"""What NumPy and PyTorch write around the numbers of such a text: `[np.float64(0.5)]`, `[array([1., 2.])]`."""

ARRAY = re.compile(r"(?is)(.+\.npy)(?:#(.*))?")
"""A path of an array, and a row of it where one is named."""

_LEAVE_EMPTY = "where the sample lacks the modality, leave the cell empty"

MODALITY_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a modality that is trained on may be called."""

LABEL_PREFIX = "label:"
"""How columns begin of which each has one label (0 or 1) or one number, in place of `label`."""
RESERVED = ("id", "split", "label", "fold", "group", "sample_weight", "caption", "thumbnail", "start", "end", "crop")
"""Columns that are no modality."""
_PROTECTING = ("split", "fold", "group")
"""Those of these that keep measured samples apart from training samples."""

PARTS = ("start", "end", "crop")

PARTS_OF: dict[Kind, tuple[str, ...]] = {"video": PARTS, "audio": ("start", "end"), "picture": ("crop",)}
"""Which parts of their files samples of a kind may be; of other kinds they are what the cell says, as a whole."""


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
        if header.startswith(LABEL_PREFIX):
            continue
        if kind in PARTS:
            parts.append((header, name))
        elif header not in RESERVED:
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


def require_small_letters(table: Table, only: Sequence[str]) -> None:
    """Raise InputError for a column such as `Group`, which would be a modality and protect nothing, unless there is a
    `group`, too, or its header says a kind; for one that protects nothing anyway, such as `Start`, where it is read.

    only: the modalities that are read, all where it is empty
    """
    for header in table.columns:
        meant = header.lower()
        read = not only or header in only or meant in _PROTECTING
        if read and meant in RESERVED and meant not in table.columns:
            raise InputError(
                f"{table.path} row 1: '{header}' would be read as a modality; write '{meant}', or '{header}:KIND' "
                "(:text, :number and so on) where it is one"
            )


def require_parts_fit(table: Table, column: ModalityHeader, kind: Kind) -> None:
    """Raise InputError for a part that samples of this kind have not, which would do nothing."""
    for part in PARTS:
        if f"{column.name}:{part}" in table.columns and part not in PARTS_OF.get(kind, ()):
            cut = "cut arrays before, and name rows of them (a.npy#17) or files of their own"
            raise InputError(
                f"{table.path} row 1: '{column.name}:{part}': {_CALLED.get(kind, f'a {kind}')} has no "
                f"{'crop' if part == 'crop' else 'segment'}; {cut if kind == 'array' else 'leave it out'}"
            )


def require_whole(table: Table, header: str) -> None:
    """Raise InputError where several rows name one file of arrays as a whole and have segments of their own, as media
    may: each would be the whole recording."""
    if not any(part in table.columns for part in ("start", "end")):
        return
    none = [""] * len(table.numbers)
    segments = list(zip(*(table.columns.get(part, none) for part in ("start", "end")), strict=True))
    first: dict[str, int] = {}
    for row, cell in enumerate(table.columns[header]):
        match = ARRAY.fullmatch(cell)
        if match and match[2] is None and segments[first.setdefault(cell, row)] != segments[row]:
            raise InputError(
                f"{table.place(row, header)}: '{shortened(cell)}' would be the whole recording, as in row "
                f"{table.numbers[first[cell]]}: 'start' and 'end' are of media; cut arrays before, and name rows of "
                "them (a.npy#17) or files of their own, or head the times of one modality 'face:start', 'face:end'"
            )


def doubt_of_segments(table: Table) -> str:
    """Why `start`, `end` and `crop` may be meant otherwise: there are no media in the table. Empty where there are, or
    where no such cell is filled."""
    filled = [part for part in PARTS if any(table.columns.get(part, ()))]
    if not filled or has_media(table):
        return ""
    return (
        f"{table.path}: {', '.join(filled)} say nothing here: they are of videos, sounds and pictures, and no column "
        "has any; arrays, numbers and texts are read as a whole"
    )


def has_media(table: Table) -> bool:
    """Whether a column is of media, as its header says, or its first filled cell."""
    return any(
        (column.kind or looks_like(next(filter(None, table.columns[column.header]), ""))) in PARTS_OF
        for column in modalities(table)
    )


def kind_of(table: Table, column: ModalityHeader) -> Kind:
    """The kind that the header says, or that the first filled cell looks like which is no word for that something is
    missing; all filled cells must agree with it.
    Where all of them are numbers, or true and false, it is a number.

    Raises InputError, naming the row, where they do not, and where no cell is filled.
    """
    if column.header in table.nested:
        return _kind_of_nested(table, column)
    filled = [(row, cell) for row, cell in enumerate(table.columns[column.header]) if cell]
    if not filled:
        raise InputError(f"{table.path}: column '{column.header}' has no filled cell")
    if all(number_of(cell) is not None for _, cell in filled) and column.kind in ("", "number"):
        return "number"
    first, cell = next(((row, cell) for row, cell in filled if not is_filler(cell)), filled[0])
    if not column.kind and _LIST.fullmatch(_CALLS.sub("", cell)):
        raise InputError(
            f"{table.place(first, column.header)}: found a list of numbers as a text, '{shortened(cell)}'; lists in a "
            f".parquet file are read as arrays, or save them as {column.name}.npy and name its rows, "
            f"{column.name}.npy#0 ({column.name}:text as header says that texts are meant)"
        )
    kind = column.kind or looks_like(cell)
    for row, cell in filled:
        if not column.kind:
            _require_known_ending(table, column, row, cell)
        looks: Kind = "number" if column.kind == "number" and number_of(cell) is not None else looks_like(cell)
        fits = looks == kind if not column.kind else _fits_header(looks, kind)
        if not fits and is_filler(cell):
            place = table.place(row, column.header)
            raise InputError(f"{place}: expected {EXPECTED[kind]}, found '{cell}'; {_LEAVE_EMPTY}")
        if not fits:
            by = "header" if column.kind else f"first cell, in row {table.numbers[first]}"
            raise InputError(
                f"{table.place(row, column.header)}: expected {EXPECTED[kind]}, found '{cell}'; a column has one kind, "
                f"here by its {by}; a header may name it, e.g. {column.name}:{looks}"
            )
    return kind


def _kind_of_nested(table: Table, column: ModalityHeader) -> Kind:
    """Array, of a column of lists of numbers. Raises InputError for another of whose cells none is a single value."""
    kind = table.nested[column.header].type
    if not are_numbers(kind) or column.kind not in ("", "array"):
        if not column.kind:
            expected = "texts, numbers or lists of numbers"
        else:
            expected = "lists of numbers" if column.kind == "array" else EXPECTED[column.kind]
        raise InputError(
            f"{table.path}: column '{column.header}': expected {expected}, found {shortened(str(kind))}; leave it "
            "out, or write it as one of these"
        )
    if not any(table.columns[column.header]):
        raise InputError(f"{table.path}: column '{column.header}' has no filled cell")
    return "array"


def require_plain(table: Table, column: str, expected: str = "texts", hint: str = "") -> None:
    """Raise InputError where the table's cells are lists and the like, of a column that is no modality."""
    if column in table.nested:
        found = shortened(str(table.nested[column].type))
        raise InputError(f"{table.path}: column '{column}': expected {expected}, found {found}{hint}")


def _fits_header(looks: Kind, kind: Kind) -> bool:
    """Whether a cell that looks like one kind may be of another that the header names."""
    return kind == "text" or all((looks == only) == (kind == only) for only in ("array", "number"))


def with_ascii_minus(text: str) -> str:
    """The text with hyphens for minus signs, which word processors and some locales write instead."""
    return text.replace("\N{MINUS SIGN}", "-")


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number, such as 3, -0.5 or 1e-3."""
    return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(with_ascii_minus(cell)))


def number_of(cell: str) -> float | None:
    """What a cell is as a feature: its finite number, 1 and 0 for true and false, None for anything else."""
    if _NUMBER.fullmatch(cell) is None:
        return TRUTHS.get(cell.lower())
    number = float(with_ascii_minus(cell))
    return number if math.isfinite(number) else None


def numbers_meant(cell: str) -> tuple[str, str]:
    """How the number is written that a cell with commas may be meant as: with a decimal point in the place of its only
    one, and without those between thousands; empty where that makes no number."""
    point = cell.replace(",", ".", 1) if "," in cell else ""
    return point if is_number(point) else "", cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else ""


def is_time(cell: str) -> bool:
    """Whether a cell is a date, a time of the day, or one between two."""
    return _TIME.fullmatch(cell) is not None


def are_times(cells: Sequence[str]) -> bool:
    """Whether more than half of these are dates or times of the day."""
    return 2 * sum(map(is_time, cells)) > len(cells)


def are_lists(cells: Sequence[str]) -> bool:
    """Whether more than half of these are lists of numbers, written as texts."""
    return 2 * sum(_LIST.fullmatch(_CALLS.sub("", cell)) is not None for cell in cells) > len(cells)


def file_named(texts: Sequence[str]) -> str:
    """The first of these that is the name of a file, unless it ends one sentence among others; empty where none is."""
    named = [text for text in texts if looks_like(text) != "text" or is_text_file(text) or _names_file(text)]
    alone = named if 2 * len(named) >= len(texts) else [text for text in named if not re.search(r"\s", text)]
    return alone[0] if alone else ""


def looks_like(cell: str) -> Kind:
    """The kind that a cell's ending tells: video, sound or picture file, array; whatever else is text."""
    array = ARRAY.fullmatch(cell)
    suffix = PurePosixPath(array[1] if array else cell).suffix.lower()
    return next((kind for kind, endings in ENDINGS.items() if suffix in endings), "text")


def array_cell(table: Table, row: int, header: str) -> tuple[str, int | None]:
    """The path that a cell of arrays names, and the row of it, None for the whole. Raises InputError for another."""
    cell = table.columns[header][row]
    match = re.fullmatch(r"(?i)(.+\.npy)(?:#([0-9]{1,15}))?", cell)
    if not match:
        raise InputError(f"{table.place(row, header)}: expected a path such as a.npy or a.npy#17, found '{cell}'")
    return match[1], int(match[2]) if match[2] else None


def first_of(files: Sequence[Path], endings: Sequence[str]) -> Path | None:
    """The file whose ending comes first among these, of files of one name."""
    fitting = [file for file in files if file.suffix.lower() in endings]
    return min(fitting, key=lambda file: endings.index(file.suffix.lower()), default=None)


def is_text_file(cell: str) -> bool:
    """Whether a cell of texts names a file that holds one."""
    return cell.lower().endswith(ENDINGS["text"])


def _require_known_ending(table: Table, column: ModalityHeader, row: int, cell: str) -> None:
    """Raise InputError for a cell that would pass for a text but is the name of a file."""
    if looks_like(cell) != "text" or is_text_file(cell) or not (_names_file(cell) or is_file(table.path.parent / cell)):
        return
    if re.search(r"(?i)\.npz(#[0-9]*)?$", cell):
        raise InputError(
            f"{table.place(row, column.header)}: expected an array such as a.npy or a.npy#17, found "
            f"'{shortened(cell)}', which holds several; save each as a file of its own (numpy.save)"
        )
    endings = "; ".join(f"{kind}: {' '.join(known)}" for kind, known in ENDINGS.items())
    raise InputError(
        f"{table.place(row, column.header)}: '{shortened(cell)}' is the name of a file whose ending says no kind "
        f"({endings}); a column of texts is headed {column.name}:text, one of videos {column.name}:video"
    )


def _names_file(cell: str) -> bool:
    """Whether it is a name like clips/c0.mp5 or z.npz#0, and no sentence."""
    ending = rf"\.([0-9]?[a-z][a-z0-9]{{1,11}}|{'|'.join(_OTHER_FILES)})(#[0-9]*)?"
    alone = rf"([^\s]*[^\s.])?{ending}"
    if re.fullmatch(r"(?i)[+-]?[0-9]+\.[0-9][a-z]{2,12}", cell):
        return False  # a number with a unit, such as 1.7kg
    return re.fullmatch(rf"(?i){alone}|[^\n]*[^\s.]\.({'|'.join(_OTHER_FILES)})(#[0-9]*)?", cell) is not None


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
                hint = "; write / in place of \\" if "\\" in cell else f"; {_LEAVE_EMPTY}" if is_filler(cell) else ""
                raise InputError(f"{table.place(row, column)}: file not found: {path}{hint}")
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
