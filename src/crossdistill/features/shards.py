"""Features on disk while they are made: a file for each chunk of samples, so that a kill or another rank costs nothing.

When all are there they become one memory-mapped array, or an array for each sample's sequence.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossdistill.atomic import write_atomically, written_whole
from crossdistill.data.columns import Rows

Features = npt.NDArray[np.float32]
CHUNK = 64
"""Samples of a file: what a kill costs at most, for each rank."""


@dataclass(frozen=True)
class FeatureFolder:
    """`folder`/`name`.npy (n, D), or `folder`/`name`/000017.npy (T, D) for row 17; and `name`.json, which says that
    they are whole, of what (`key`), and which rows could not be read."""

    folder: Path
    name: str
    key: str

    @property
    def scratch(self) -> Path:
        return self.folder / f".{self.name}-{self.key[:12]}"

    @property
    def description(self) -> Path:
        return self.folder / f"{self.name}.json"

    def target(self, sequence: bool) -> Path:
        return self.folder / (self.name if sequence else f"{self.name}.npy")

    def described(self) -> Mapping[str, object] | None:
        """What `name`.json holds; None where there is none yet."""
        if not self.description.is_file():
            return None
        try:
            found = json.loads(self.description.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def cells(self, rows: Sequence[int], sequence: bool) -> dict[int, str]:
        """Row -> the cell of a manifest beside the folder that names its features; rows: those that have some."""
        base = f"{self.folder.name}/{self.name}"
        if sequence:
            return {row: f"{base}/{row:06d}.npy" for row in rows}
        return {row: f"{base}.npy#{place}" for place, row in enumerate(rows)}

    def chunk(self, number: int) -> Path:
        return self.scratch / f"{number:06d}.npz"

    def write_chunk(self, number: int, features: Mapping[int, Features]) -> None:
        """features: row -> (T, D); rows that could not be read are left out."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with written_whole(self.chunk(number)) as file:
            np.savez(
                file,
                rows=np.array(list(features), dtype=np.int64),
                lengths=np.array([len(value) for value in features.values()], dtype=np.int64),
                values=np.concatenate(list(features.values())) if features else np.zeros((0, 0), np.float32),
            )

    def chunks(self, count: int) -> Iterator[tuple[int, Features]]:
        """(row, (T, D)) of all chunks, in order."""
        for number in range(count):
            with np.load(self.chunk(number)) as content:
                parts = np.split(content["values"], np.cumsum(content["lengths"])[:-1])
                yield from zip(content["rows"].tolist(), parts if len(content["rows"]) else [], strict=True)

    def finish(self, count: int, rows: Rows, width: int, sequence: bool) -> None:
        """From the chunks to the arrays, then the description, then the chunks may go."""
        readable = self._write_sequences(count) if sequence else self._write_array(count, self._readable(count), width)
        unreadable = np.setdiff1d(rows, readable).tolist()
        write_atomically(self.description, json.dumps({"key": self.key, "unreadable": unreadable}))
        shutil.rmtree(self.scratch)

    def _readable(self, count: int) -> list[int]:
        found: list[int] = []
        for number in range(count):
            with np.load(self.chunk(number)) as content:
                found += content["rows"].tolist()
        return found

    def _write_array(self, count: int, rows: list[int], width: int) -> list[int]:
        partial = self.scratch / "array.npy"
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(len(rows), width))
        for place, (_, value) in enumerate(self.chunks(count)):
            array[place] = value[0]
        array.flush()
        del array
        partial.replace(self.target(False))
        return rows

    def _write_sequences(self, count: int) -> list[int]:
        target, partial = self.target(True), self.scratch / "sequences"
        if target.exists():  # of an attempt that was killed after this point
            shutil.rmtree(target)
        partial.mkdir(exist_ok=True)
        rows = []
        for row, value in self.chunks(count):
            np.save(partial / f"{row:06d}.npy", value)
            rows.append(row)
        partial.replace(target)
        return rows
