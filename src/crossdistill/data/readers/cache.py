"""Decoded frames and samples on disk: one file for each source and kind, written once, read by memory mapping.

A part is its payload, two index arrays, a JSON description, and a trailer that says where these begin. It is written
beside its place and renamed when it is whole, so what is there is whole, whenever the writer was killed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from crossdistill.atomic import written_whole
from crossdistill.data.readers.media import MediaKind
from crossdistill.types import InputError, cause

_TRAILER = struct.Struct("<QQ8s")  # lengths of the index's arrays and of the description
_MAGIC = b"xdcache2"  # 1 had each stream's own clock, and sound whose level depended on the number of channels


@dataclass(frozen=True)
class Entry:
    """A part of the cache. times: (n,) seconds of each frame; offsets: (n + 1,) where in the payload each begins."""

    description: Mapping[str, Any]
    times: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    payload: memoryview


class Found(NamedTuple):
    """What the cache has of a source, None where it is to be decoded; and what to say of that, empty for nothing."""

    entry: Entry | None
    warning: str = ""


@dataclass(frozen=True)
class CacheFolder:
    """The cache of the files that a manifest in `home` names: `home`/cache."""

    home: Path

    def part(self, source: Path, kind: MediaKind) -> Path:
        """Where the decoded form of a source is, or would be."""
        name = os.path.relpath(source, self.home)
        digest = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
        return self.home / "cache" / kind / f"{source.stem[:40]}-{digest}.part"

    def find(self, source: Path, kind: MediaKind) -> Found:
        """The source's part, if the source is still as it was when it was decoded."""
        part = self.part(source, kind)
        entry = read_part(part)
        if not source.exists():  # a file that is gone is not read from the cache either
            return Found(None)
        if entry is None:
            unusable = "its part of the cache is damaged or of an earlier version, and not used: prepare it again"
            return Found(None, unusable if part.exists() else "")
        if entry.description["source"] != stamp(source):
            return Found(None, "has changed since it was decoded into the cache, which is not used: prepare it again")
        return Found(entry)


def stamp(source: Path) -> list[int]:
    """Size and time of change: what tells that a file is not the one that was decoded."""
    status = source.stat()
    return [status.st_size, status.st_mtime_ns]


def read_part(path: Path) -> Entry | None:
    """A part of the cache, memory-mapped; None where there is none or it is damaged."""
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _parsed(content)
    except (OSError, ValueError, KeyError, struct.error):
        return None


def _parsed(content: memoryview) -> Entry:
    count, length, magic = _TRAILER.unpack(content[-_TRAILER.size :])
    description_at = len(content) - _TRAILER.size - length
    index_at = description_at - 8 * (2 * count + 1)
    if magic != _MAGIC or index_at < 0:
        raise ValueError("not a part of the cache")
    description = json.loads(bytes(content[description_at : description_at + length]))
    index = content[index_at:description_at]
    times = np.frombuffer(index[: 8 * count], dtype=np.float64)
    offsets = np.frombuffer(index[8 * count :], dtype=np.int64)
    if offsets[-1] != index_at:
        raise ValueError("payload of another length")
    return Entry(description, times, offsets, content[:index_at])


def is_whole(entry: Entry) -> bool:
    """Whether the payload still has the digest that it was written with; reads all of it."""
    return bool(_digest(entry.payload) == entry.description["digest"])


def _digest(content: memoryview) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def write_part(path: Path, pieces: Iterator[tuple[float, bytes]], description: Mapping[str, Any]) -> None:
    """Write (time, bytes) pieces, e.g. frames, as they come. description: whatever else the reader needs.

    Raises InputError where the part cannot be written; what goes wrong in making a piece is raised as it is.
    """
    of_pieces: list[Exception] = []

    def made() -> Iterator[tuple[float, bytes]]:
        try:
            yield from pieces
        except Exception as error:
            of_pieces.append(error)
            raise

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            _write(file, made(), description)
    except OSError as error:
        if error in of_pieces:
            raise
        raise InputError(f"{path.parent.parent}: cannot write: {cause(error)}") from None


def _write(file: BinaryIO, pieces: Iterator[tuple[float, bytes]], description: Mapping[str, Any]) -> None:
    digest, times, offsets = hashlib.blake2b(digest_size=16), [], [0]
    for time, piece in pieces:
        file.write(piece)
        digest.update(piece)
        times.append(time)
        offsets.append(offsets[-1] + len(piece))
    text = json.dumps({**description, "digest": digest.hexdigest()}).encode()
    file.write(np.array(times, dtype=np.float64).tobytes() + np.array(offsets, dtype=np.int64).tobytes())
    file.write(text + _TRAILER.pack(len(times), len(text), _MAGIC))
