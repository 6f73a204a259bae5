"""A CSV or Parquet file as columns of text that know their row numbers."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossdistill.data.unpacking import require_unpackable
from crossdistill.extras import needed_for
from crossdistill.types import InputError, cause, one_line

FILES = ("manifest.csv", "manifest.parquet")

INDEX = re.compile(r"|Unnamed: [0-9]+([._].*)?|__index_level_[0-9]+__")
"""What a table calls the row names that pandas writes beside the columns: nothing, what it calls such a column when it
has read it, and in a Parquet file a name of its own."""


@dataclass(frozen=True)
class Table:
    """columns: name -> one text per sample. numbers: each sample's row as a spreadsheet shows it (the header is 1).
    nested: name -> the Arrow column where a cell is no single value but a list, a record or bytes; its texts are its
    type's name, and "" where it is null. empty: the numbers of rows without a filled cell, which are left out."""

    path: Path
    columns: dict[str, list[str]]
    numbers: Sequence[int]
    nested: Mapping[str, Any] = field(default_factory=dict)
    empty: Sequence[int] = ()

    @property
    def found(self) -> str:
        """The columns' names as an error lists them, as far as they fit a line."""
        names = ", ".join(self.columns)
        return names if len(names) <= 200 else f"{names[:197]}..."

    def place(self, row: int, column: str) -> str:
        """The words by which an error names the cell."""
        return f"{self.path} row {self.numbers[row]}, column '{column}'"


def read_table(path: Path) -> Table:
    """The table in `path`, a .csv (UTF-8) or .parquet file or a folder with manifest.csv or manifest.parquet.

    Cells are stripped of surrounding space. Raises InputError: no such file, not a table, ragged rows, no samples.
    """
    file = _find(path)
    table = _read_csv(file) if file.suffix.lower() == ".csv" else _read_parquet(file)
    if not table.numbers:
        raise InputError(f"{file}: the manifest is empty; it needs one row per sample")
    return table


def _find(path: Path) -> Path:
    if path.is_dir():
        manifests = [path / name for name in FILES if (path / name).is_file()]
        if len(manifests) != 1:
            what = "both" if manifests else "neither"
            raise InputError(f"{path}: expected {FILES[0]} or {FILES[1]} in this folder, found {what}")
        return manifests[0]
    if not path.is_file():
        raise InputError(f"{path}: manifest not found")
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"{path}: expected a manifest that ends in .csv or .parquet")
    return path


_BLOCK = 1 << 20
_LONGEST_LINE = 16 * _BLOCK


def require_short_lines(path: Path) -> None:
    """Raise InputError where a line is longer than about 16 MB, which a table of 100,000 columns is not: a file without
    an end of line would be held in memory as a whole, several times over."""
    length = 0
    try:
        with path.open("rb") as file:
            while length <= _LONGEST_LINE and (block := file.read(_BLOCK)):
                length = 0 if b"\n" in block or b"\r" in block else length + len(block)
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    if length > _LONGEST_LINE:
        raise InputError(f"{path}: expected a line for each row, found one of more than {_LONGEST_LINE:,} bytes")


def require_names(path: Path, header: Sequence[str], has_rows: bool) -> None:
    """Raise InputError for a first line without anything in it, before others."""
    if has_rows and not any(header):
        raise InputError(f"{path} row 1: expected the names of the columns, found an empty line; leave it out")


def require_commas(path: Path, header: Sequence[str]) -> None:
    """Raise InputError for a first line whose names have other separators between them, as spreadsheets write where the
    comma is in numbers."""
    if header and re.fullmatch(r"(?i)sep=.?", header[0]):
        raise InputError(
            f"{path} row 1: expected the names of the columns, found {header[0]!r}, which tells a spreadsheet what is "
            "between cells; leave out this line"
        )
    for separator, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise InputError(
                f"{path} row 1: expected commas between the cells, found {called} ({header[0][:80]!r}); save it "
                "comma-separated"
            )


OPEN_QUOTE = "expected UTF-8 text, comma-separated: a quote is not closed by the end of the file"


def csv_problem(error: csv.Error) -> str:
    """What an error says of a CSV file that cannot be read."""
    if "field limit" in str(error):
        return (
            f"expected cells of at most {csv.field_size_limit():,} characters, found a longer one; a quote may not be "
            "closed, and longer texts and arrays go into files of their own (.txt, .npy)"
        )
    if "unexpected end of data" in str(error):
        return OPEN_QUOTE
    return f"expected UTF-8 text, comma-separated: {error}"


_ESCAPED = re.compile("[\\udc80-\\udcff]")
"""What stands for a byte that is no text, where such bytes are let through."""


def undecodable(path: Path, error: UnicodeDecodeError) -> InputError:
    """What is wrong with a CSV file that is no UTF-8. The error itself knows no row: text is decoded ahead of rows."""
    byte = error.object[error.start]
    return InputError(
        f"{path} row {unreadable_row(path)}: expected UTF-8 text, found the byte 0x{byte:02x}; save it as UTF-8"
    )


def unreadable_row(path: Path) -> int:
    """The first row of a CSV file that is no UTF-8, or whose quotes are wrong."""
    row = 1
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file, suppress(csv.Error):
        for line in csv.reader(file, strict=True):
            if any(map(_ESCAPED.search, line)):
                break
            row += 1
    return row


def _read_csv(path: Path) -> Table:
    lines: list[list[str]] = []
    require_short_lines(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines.extend([cell.strip() for cell in line] for line in csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        raise undecodable(path, error) from None
    except csv.Error as error:
        raise InputError(f"{path} row {len(lines) + 1}: {csv_problem(error)}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    header = lines[0] if lines else []
    require_names(path, header, any(map(any, lines)))
    require_commas(path, header)
    names = Counter(name for name in header if not INDEX.fullmatch(name))
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{path} row 1: expected distinct column names, found {twice[0]!r} twice")
    numbers = [number for number, line in enumerate(lines, start=1) if number > 1 and any(line)]
    for number in numbers:
        cell_count = len(lines[number - 1])
        if cell_count != len(header):
            raise InputError(f"{path} row {number}: expected {len(header)} cells as in the header, found {cell_count}")
    columns = {}
    for place, name in enumerate(header):
        cells = [lines[number - 1][place] for number in numbers]
        if not INDEX.fullmatch(name):
            columns[name] = cells
        elif place and not all(cell.isdigit() or not cell for cell in cells):
            raise InputError(f"{path} row 1: expected a name for each column, found {name!r} for column {place + 1}")
    empty = [number for number, line in enumerate(lines, start=1) if number > 1 and len(line) > 1 and not any(line)]
    return Table(path, columns, numbers, empty=empty)


def _read_parquet(path: Path) -> Table:
    """Read a Parquet file, whose rows count from 1, as there is no header row."""
    with needed_for("Parquet"):
        import pyarrow as pa  # a tenth of a second, which CSV need not pay
        import pyarrow.parquet

    try:
        file = pa.parquet.ParquetFile(path)
        _require_bounded(path, file.metadata)
        texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        # as dictionaries, so that a text is there once, in however many rows
        table = pa.parquet.read_table(path, read_dictionary=texts)
    except InputError:
        raise
    except Exception as error:  # what Arrow raises for a damaged file depends on the damage
        raise InputError(f"{path}: cannot read it as Parquet: {cause(error)}") from None
    given = {
        name: column
        for name, column in zip(table.column_names, table.columns, strict=True)
        if not INDEX.fullmatch(name)
    }
    nested = {name: column for name, column in given.items() if _is_nested(column.type)}
    columns = {
        name: _named_types(column) if name in nested else texts_of(path, name, column) for name, column in given.items()
    }
    return Table(path, columns, range(1, table.num_rows + 1), nested)


def _is_nested(kind: Any) -> bool:
    """Whether values of an Arrow type are lists, records, maps, bytes or of a type of somebody's own."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    of_bytes = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return pa.types.is_nested(kind) or any(holds(kind) for holds in of_bytes) or isinstance(kind, pa.BaseExtensionType)


def _named_types(column: Any) -> list[str]:
    name = str(column.type)
    return [name if there else "" for there in column.is_valid().to_pylist()]


_CELL = 64
"""Bytes of memory that a cell takes as a text."""


def _require_bounded(path: Path, metadata: Any) -> None:
    """Raise InputError for a table that is much larger than its file."""
    # not of single columns: where their statistics are damaged, asking for them ends the process
    pages = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    cells = metadata.num_rows * metadata.num_columns * _CELL
    require_unpackable(str(path), path.stat().st_size, max(pages, cells))


def texts_of(path: Path, name: str, column: Any) -> list[str]:
    """A Parquet column's cells as texts, "" for null and NaN. Raises InputError for values that Python has not, such as
    the year 30000."""
    import pyarrow as pa

    try:
        if not pa.types.is_dictionary(column.type):
            return [_text(value) for value in column.to_pylist()]
        texts: list[str] = []
        for chunk in getattr(column, "chunks", [column]):
            words = [_text(value) for value in chunk.dictionary.to_pylist()]
            texts += ["" if place is None else words[place] for place in chunk.indices.to_pylist()]
        return texts
    except Exception as error:  # what Arrow raises depends on the type: an unknown time zone is a KeyError's kin
        raise InputError(f"{path}: column '{name}': cannot read its {column.type}: {one_line(error)[:160]}") from None


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))  # whole numbers are fractions in a column with gaps
    return str(value).strip()
