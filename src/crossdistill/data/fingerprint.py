"""What tells that data are those that a run was trained on: digests of each part, so that a change can be named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crossdistill.data.columns import ArrayColumn, Column, FileColumn, KeptColumn, RowColumn, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.readers.cache import stamp
from crossdistill.data.readers.media import MediaColumn
from crossdistill.data.readers.text import TextColumn
from crossdistill.data.reading import known_present
from crossdistill.data.wrappers import content_of


def fingerprint(dataset: MultimodalDataset) -> dict[str, str]:
    """Part -> digest: ids, labels, splits, classes, weights where there are any, and each modality under its name.

    Of arrays in memory the numbers count, of files their size and time of change.
    """
    parts = {
        "ids": _digest(dataset.ids),
        "labels": _digest([dataset.labels.tobytes()]),
        "splits": _digest(dataset.splits.tolist()),
        "classes": _digest(dataset.classes),
    }
    if len(dataset.weights):
        parts["weights"] = _digest([dataset.weights.tobytes()])
    return parts | {f"modality {name}": _column_digest(column) for name, column in dataset.columns.items()}


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that are not the same, or are in one of them alone."""
    return [part for part in {**before, **now} if before.get(part) != now.get(part)]


def _column_digest(column: Column) -> str:
    content = content_of(column)
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
    content = content.source if isinstance(content, KeptColumn) else content
    if isinstance(content, RowColumn):
        parts += [content.file_numbers, content.row_numbers]
    elif isinstance(content, FileColumn):
        parts += [path.name for path in content.paths]
    return _digest([*parts, *((path.name, *stamp(path)) for path in dict.fromkeys(source_files(column)))])


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
    content = content_of(column)
    content = content.source if isinstance(content, KeptColumn) else content
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
