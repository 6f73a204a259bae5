"""What the UCI repository's sets of ready-made features share: numbers in text files, and no split of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.types import InputError

_SPLIT_SEED = 0


def rows_of_text(content: bytes, separator: str | None = None) -> list[tuple[int, list[str]]]:
    """(line number from 1, cells) of every line that has any; cells lie between separators, or between spaces."""
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    return [(number, line.split(separator)) for number, line in enumerate(lines, 1) if line.strip()]


def numbers(cells: Sequence[str], count: int, place: str) -> list[float]:
    """The cells as `count` finite numbers. Raises InputError, naming the place, for another count or no number."""
    if len(cells) != count:
        raise InputError(f"{place}: expected {count} numbers, found {len(cells)}")
    return [_number(cell, place) for cell in cells]


def _number(cell: str, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{place}: expected a number, found {cell[:20]!r}")
    return value


def has_npz(source: Path, name: str) -> bool:
    """Whether `source` is an .npz file, or a folder that holds the one of this name."""
    return source.suffix == ".npz" or (source / name).is_file()


def half_of_each_class(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(N,) bool, True for what is tested: half of each class's rows, rounded down, drawn with a fixed seed.

    labels: (N,) class numbers or names. The same labels always give the same half.

    >>> import numpy as np
    >>> tested = half_of_each_class(np.arange(40) % 2)
    >>> int(tested[::2].sum()), int(tested[1::2].sum())
    (10, 10)
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    tested = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        tested[rows[: len(rows) // 2]] = True
    return tested


def numbered(names: Sequence[str]) -> list[str]:
    """An id for each row: its class name and which row of its class it is, from 1, as in `7_001`."""
    seen: dict[str, int] = {}
    ids = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        ids.append(f"{name.replace(' ', '_')}_{seen[name]:03d}")
    return ids
