"""Predictions as a file: CSV, Parquet or JSON lines, a row a sample, written as they are made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from crossdistill.atomic import written_whole
from crossdistill.data.folders import CsvLines, make_folder, require_place
from crossdistill.extras import needed_for
from crossdistill.types import InputError

Record = Mapping[str, Any]
"""Column -> a text, a number, or None for nothing."""


class Writer(Protocol):
    """Takes records as they come."""

    def write(self, records: Sequence[Record]) -> None: ...
    def close(self) -> None: ...


class CsvWriter:
    """Comma-separated UTF-8; nothing is an empty cell."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        self.text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self.rows = csv.DictWriter(CsvLines(self.text), columns)
        self.rows.writeheader()

    def write(self, records: Sequence[Record]) -> None:
        self.rows.writerows(records)

    def close(self) -> None:
        self.text.flush()
        self.text.detach()


class JsonWriter:
    """An object a line."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        self.file = file

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self.file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Every line is whole already."""


class ParquetWriter:
    """Texts and float64 numbers, null for nothing."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        with needed_for("Parquet"):
            import pyarrow as pa
            import pyarrow.parquet as parquet

        kinds = {str: pa.string(), float: pa.float64()}
        self.schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self.table, self.writer = pa.Table, parquet.ParquetWriter(file, self.schema)

    def write(self, records: Sequence[Record]) -> None:
        self.writer.write_table(self.table.from_pylist(list(records), self.schema))

    def close(self) -> None:
        self.writer.close()


WRITERS: dict[str, type[CsvWriter | JsonWriter | ParquetWriter]] = {
    ".csv": CsvWriter,
    ".parquet": ParquetWriter,
    ".jsonl": JsonWriter,
}
"""Ending -> what writes such a file."""


def require_writable(path: Path) -> None:
    """Raise InputError for an ending that is none of ours, and where no file can be."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"--out {path}: expected a file that ends in {', '.join(WRITERS)}")
    if path.is_dir():
        raise InputError(f"--out {path}: expected a file to write, found a folder of this name")
    require_place(path.parent)


@contextmanager
def written_predictions(path: Path, columns: Mapping[str, type]) -> Iterator[Writer]:
    """A writer of a file that appears whole, when the block ends well, or not at all; its folder is made."""
    make_folder(path.parent)
    with written_whole(path) as file:
        writer = WRITERS[path.suffix.lower()](file, columns)
        yield writer
        writer.close()
