"""A manifest looked through: what it holds, what of it cannot be read, and its media decoded once, into a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from crossdistill.data import MultimodalDataset
from crossdistill.data.cells import doubt_of_segments
from crossdistill.data.columns import Column
from crossdistill.data.doubts import doubts_of
from crossdistill.data.inputs import input_spec
from crossdistill.data.labels import SPLITS
from crossdistill.data.manifest import check_values, dataset_of
from crossdistill.data.number_groups import number_groups
from crossdistill.data.numbers import doubts_of_gaps
from crossdistill.data.readers import CacheFolder, MediaColumn, TextColumn
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.inspection import Inspected, at_segment, inspect
from crossdistill.data.readers.media import MediaKind
from crossdistill.data.reading import known_present
from crossdistill.data.table import read_table
from crossdistill.data.unlike_training import unlike_training
from crossdistill.data.untested_classes import untested_classes
from crossdistill.data.wrappers import content_of
from crossdistill.listening import Listener, tracked
from crossdistill.processes import end_with_parent
from crossdistill.types import TaskKind

Form = Literal["none", "jpeg", "raw"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class CacheSettings:
    """form: of frames and pictures; short_side: to which larger ones are scaled down, 0 for none; rate: of sound, a
    second."""

    form: Form = "none"
    short_side: int = 128
    rate: int = 32000
    workers: int = 1


@dataclass(frozen=True)
class Count:
    """One modality in one split. kind: as of `InputSpec`, of a table's numbers "number" or how many; seconds: of
    media, all together."""

    modality: str
    kind: str
    split: str
    samples: int
    missing: int
    unreadable: int
    seconds: float


@dataclass(frozen=True)
class Checked:
    """A manifest, looked through. broken, damaged: a line each for files that cannot be read and that end early;
    doubts: for what is read in another way than its writer may have meant."""

    dataset: MultimodalDataset
    counts: list[Count]
    broken: list[str]
    damaged: list[str]
    files: dict[tuple[Path, MediaKind], Inspected]
    doubts: list[str]

    @property
    def readable(self) -> list[tuple[Path, MediaKind]]:
        return [key for key, inspected in self.files.items() if not (inspected.problem or inspected.missing)]


def check_manifest(
    path: Path,
    settings: CacheSettings,
    allow_outside: bool = False,
    listener: Listener = Listener(),
    task: TaskKind = "classification",
) -> Checked:
    """Read everything that a manifest names. Raises InputError for a mistake in the table, an array or a text."""
    table = read_table(path)
    dataset = dataset_of(table, allow_outside=allow_outside, task=task)
    media = {name: inner for name, column in dataset.columns.items() if (inner := _media_of(column)) is not None}
    _check_others(dataset)
    named = list(dict.fromkeys((clip.path, column.reader.kind) for column in media.values() for clip in column.clips))
    look = partial(_inspect, settings=settings)
    inspected = tracked(listener, spread(look, named, settings.workers), len(named), "files")
    files = dict(zip(named, inspected, strict=True))
    counts: list[Count] = []
    broken, damaged = [], []
    for name, column in dataset.columns.items():
        found: dict[int, Inspected] = {}
        if name in media:
            rows = np.flatnonzero(known_present(column)).tolist()
            for row, clip in zip(rows, media[name].clips, strict=True):
                found[row] = at_segment(files[clip.path, media[name].reader.kind], clip)
                broken += [f"{clip}: {found[row].problem}"] if found[row].problem else []
                damaged += [f"{clip}: {found[row].warning}"] if found[row].warning else []
        counts += [_count(dataset, name, split, found) for split in SPLITS if len(dataset.rows(split))]
    groups = number_groups(table)
    doubts = [*filter(None, [doubt_of_segments(table)]), *_doubtful_texts(dataset), *doubts_of_gaps(table, groups)]
    doubts += [*doubts_of(dataset, groups), *untested_classes(dataset)]
    if not len(dataset.labelled_rows("train")):
        doubts.append(f"{path}: no sample of split 'train' has a label, and every method learns from some: fill a few")
    doubts += [text for split in ("validation", "test") for text in unlike_training(dataset, split, groups)]
    counts = _together(counts, groups)
    return Checked(dataset, counts, broken, damaged, files, doubts)


def _doubtful_texts(dataset: MultimodalDataset) -> list[str]:
    """A line for each column that may not be meant as texts."""
    columns = map(content_of, dataset.columns.values())
    return [column.doubt for column in columns if isinstance(column, TextColumn) and column.doubt]


def _check_others(dataset: MultimodalDataset) -> None:
    """Raise InputError for an array with NaN or infinity and for a text that cannot be read."""
    arrays = {}
    for name, column in dataset.columns.items():
        inner = content_of(column)
        if isinstance(inner, TextColumn):
            for row in range(len(inner)):
                inner.require_readable(row)
        elif not isinstance(inner, MediaColumn):
            arrays[name] = column
    if arrays:
        check_values(dataset.only(list(arrays)))


def _media_of(column: Column) -> MediaColumn | None:
    """The media column inside, where there is one."""
    inner = content_of(column)
    return inner if isinstance(inner, MediaColumn) else None


def cache_size(checked: Checked, settings: CacheSettings) -> int:
    """About how many bytes the cache will have: of a JPEG cache, as if all frames were like the first."""
    return sum(
        round(inspected.seconds * settings.rate) * 4 if kind == "audio" else inspected.frames * inspected.picture
        for (_, kind), inspected in checked.files.items()
    )


def fill_cache(checked: Checked, path: Path, settings: CacheSettings, listener: Listener = Listener()) -> int:
    """Decode every readable file once, those that are done already left out; how many were decoded. Raises InputError
    where the cache cannot be written."""
    folder = CacheFolder(path if path.is_dir() else path.parent)
    readable = checked.readable
    make = partial(_fill, folder=folder, settings=settings)
    return sum(tracked(listener, spread(make, readable, settings.workers), len(readable), "files decoded"))


def spread(function: Callable[[T], R], values: Sequence[T], workers: int) -> Iterator[R]:
    """The function's results in order, from so many processes, which end with this one."""
    if workers == 1:
        yield from map(function, values)
        return
    with ProcessPoolExecutor(workers, initializer=end_with_parent) as pool:
        yield from pool.map(function, values)


def _inspect(key: tuple[Path, MediaKind], settings: CacheSettings) -> Inspected:
    return inspect(*key, settings.form, settings.short_side, settings.rate)


def _fill(key: tuple[Path, MediaKind], folder: CacheFolder, settings: CacheSettings) -> bool:
    return fill(folder, *key, settings.form, settings.short_side, settings.rate)


def _together(counts: Sequence[Count], groups: Mapping[str, Sequence[str]]) -> list[Count]:
    """The counts, with one in the place of those of columns of numbers that may be read as one modality, where these
    have them alike."""
    splits = list(dict.fromkeys(count.split for count in counts))
    by = {(count.modality, count.split): count for count in counts}
    shown: dict[str, Sequence[Count]] = {}
    for name, columns in groups.items():
        kind = _of_numbers(columns)
        counted = [each for each in columns if (each, splits[0]) in by]
        alike = {tuple(replace(by[each, split], modality=name, kind=kind) for split in splits) for each in counted}
        if len(alike) == 1:
            shown |= {**dict.fromkeys(columns, ()), columns[0]: alike.pop()}
    names = dict.fromkeys(count.modality for count in counts)
    return [count for name in names for count in shown.get(name, [by[name, split] for split in splits])]


def _of_numbers(features: Sequence[str]) -> str:
    return "number" if len(features) == 1 else f"{len(features)} numbers"


def _count(dataset: MultimodalDataset, name: str, split: str, inspected: dict[int, Inspected]) -> Count:
    rows = dataset.rows(split)
    present = known_present(dataset.columns[name])[rows]
    seen = [inspected[int(row)] for row in rows if int(row) in inspected]
    spec = input_spec(dataset.columns[name])
    return Count(
        name,
        _of_numbers(spec.features) if spec.features else spec.kind,
        split,
        len(rows),
        missing=int((~present).sum()) + sum(file.missing for file in seen),
        unreadable=sum(bool(file.problem) for file in seen),
        seconds=sum(file.seconds for file in seen if not file.problem),
    )
