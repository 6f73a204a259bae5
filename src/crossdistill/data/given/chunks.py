"""What somebody gives to be predicted, as samples some thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.columns import Column
from crossdistill.data.dataset import MultimodalDataset, without_labels
from crossdistill.data.inputs import InputSpec
from crossdistill.types import InputError

CHUNK = 4096
"""Samples that are in memory at once."""

Specs = Mapping[str, InputSpec]


@dataclass(frozen=True)
class Chunk:
    """Some samples; labels: column -> a text for each, "" where it has none; splits: likewise, empty where there are
    none at all."""

    samples: MultimodalDataset
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """One input. count: its samples, -1 where that is not known before they are read; labelled: the columns of
    labels that belong to them; guessed: what was taken for what, where the input does not say it; has_ids: whether its
    samples have names of its own, which another input's may have, too, and not its path's; empty: the rows that were
    left out because no cell of them is filled, all of them when the chunks are read"""

    count: int
    labelled: tuple[str, ...]
    chunks: Callable[[], Iterator[Chunk]]
    guessed: str = ""
    has_ids: bool = False
    empty: list[str] = field(default_factory=list)


def chunk_of(
    columns: Mapping[str, Column],
    ids: Sequence[str],
    labels: Mapping[str, Sequence[str]] = MappingProxyType({}),
    splits: Sequence[str] = (),
) -> Chunk:
    """The samples of these columns under these names, of no known class."""
    return Chunk(without_labels("inputs", columns, ids), labels, tuple(splits))


def starts(count: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def as_batch(spec: InputSpec, arrays: Sequence[Array]) -> Any:
    """Samples as `column_of` takes a batch of them."""
    if spec.is_sequence:
        return list(arrays)
    for array in arrays:
        if array.shape != spec.shape:
            raise InputError(f"expected {spec}, found an array of shape {array.shape}")
    return np.stack(arrays)
