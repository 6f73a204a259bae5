"""What tells that data are those that a run was trained on: digests of each part, so that a change can be named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from crossdistill.data.columns import ArrayColumn, Column, FileColumn, RowColumn, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.readers.cache import stamp
from crossdistill.data.readers.media import MediaColumn
from crossdistill.data.readers.text import TextColumn
from crossdistill.data.reading import known_present
from crossdistill.data.wrappers import read_from

_CONTENT = "content of "
"""Begins the name of a modality's second digest, which a copy of its files has, too."""
_MOST_READ, _MOST_FILES = 64 << 20, 5000
"""Bytes, and files, of a modality that are read for it; of more, which would take seconds, there is none."""


def fingerprint(dataset: MultimodalDataset) -> dict[str, str]:
    """Part -> digest: ids, labels, splits, classes, weights where there are any, and each modality under its name.

    Of arrays in memory the numbers count, of files their size and time of change and, under a name of its own, their
    content where that is read in no time.
    """
    parts = {
        "ids": _digest(dataset.ids),
        "labels": _digest([dataset.labels.tobytes()]),
        "splits": _digest(dataset.splits.tolist()),
        "classes": _digest(dataset.classes),
    }
    if len(dataset.weights):
        parts["weights"] = _digest([dataset.weights.tobytes()])
    for name, column in dataset.columns.items():
        described, files = _description(column), list(dict.fromkeys(source_files(column)))
        parts[f"modality {name}"] = _digest([*described, *((path.name, *stamp(path)) for path in files)])
        if (content := _contents(files)) is not None:
            parts[f"{_CONTENT}modality {name}"] = _digest([*described, *content])
    return parts


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that are not the same, or are in one of them alone; of a modality whose content both know, the content
    decides, as copying changes the time of a file."""
    parts = [part for part in {**before, **now} if not part.startswith(_CONTENT)]
    return [part for part in parts if _deciding(part, before, now) != _deciding(part, now, before)]


def surely_differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Those of the differing parts that both have and that a copy of the same data would not differ in."""
    return [part for part in differing(before, now) if part in before and part in now and _is_sure(part, before, now)]


def perhaps_differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Modalities that both have, of which nothing but size and time of change tells that they are others."""
    parts = differing(before, now)
    return [part for part in parts if part in before and part in now and not _is_sure(part, before, now)]


def _deciding(part: str, of: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    content = _CONTENT + part
    return of[content] if content in of and content in other else of.get(part)


def _is_sure(part: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return not part.startswith("modality ") or (_CONTENT + part in before and _CONTENT + part in now)


def _contents(files: Sequence[Path]) -> list[object] | None:
    """Name and digest of each file's content; None where that is much to read."""
    if len(files) > _MOST_FILES or sum(path.stat().st_size for path in files) > _MOST_READ:
        return None
    return [part for path in files for part in (path.name, _content(path, *stamp(path)))]


@lru_cache(maxsize=4 * _MOST_FILES)
def _content(path: Path, size: int, changed: int) -> str:
    """A digest of what the file holds, read once for each state that the file is in."""
    return hashlib.blake2b(path.read_bytes(), digest_size=10).hexdigest()


def _description(column: Column) -> list[object]:
    """What tells a column from others, but for its files."""
    content = read_from(column)
    parts: list[object] = [list(column.shape), known_present(column).tobytes()]
    if isinstance(content, ArrayColumn) and not isinstance(content.array, np.memmap):
        parts += [content.dtype, np.ascontiguousarray(content.array)]
    elif isinstance(content, ArrayColumn):
        parts += _place_in_file(content.array)
    elif isinstance(content, SequenceColumn):
        parts += [part for s in content.sequences for part in (list(s.shape), str(s.dtype), np.ascontiguousarray(s))]
    elif isinstance(content, TextColumn):
        parts += [text for text in content.texts if isinstance(text, str)]
    elif isinstance(content, MediaColumn):
        parts += [(clip.path.name, clip.start, clip.end, clip.crop) for clip in content.clips]
    elif isinstance(content, RowColumn):
        parts += [content.file_numbers, content.row_numbers]
    elif isinstance(content, FileColumn):
        parts += [path.name for path in content.paths]
    return parts


def _place_in_file(array: np.ndarray[Any, Any]) -> list[object]:
    """What part of its file a memory-mapped array or a view of one is."""
    first = array.__array_interface__["data"][0]
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    begin = base.__array_interface__["data"][0]
    return [str(array.dtype), array.shape, array.strides, first - begin]


def source_files(column: Column) -> Iterable[Path]:
    """The files that a column reads."""
    content = read_from(column)
    if isinstance(content, MediaColumn):
        return [clip.path for clip in content.clips]
    if isinstance(content, TextColumn):
        return [text for text in content.texts if isinstance(text, Path)]
    if isinstance(content, ArrayColumn) and isinstance(content.array, np.memmap):
        return [Path(str(content.array.filename))]
    return content.paths if isinstance(content, FileColumn) else content.files if isinstance(content, RowColumn) else []


def _digest(parts: Iterable[object]) -> str:
    """20 hexadecimal digits; each part counts with its length, so that none runs into the next."""
    total = hashlib.blake2b(digest_size=10)
    for part in parts:
        content: Any = part if isinstance(part, bytes | np.ndarray) else repr(part).encode()
        total.update(f"{memoryview(content).nbytes}:".encode())
        total.update(content)
    return total.hexdigest()
