"""A column of media files: whatever reads one clip, what becomes of clips that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor

from crossdistill.data.columns import Rows
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.data.reading import Parts, Reading, assemble, middle
from crossdistill.extras import needed_for
from crossdistill.types import InputError, Modality, Note, Pixels

MediaKind = Literal["video", "audio", "picture"]

Box = tuple[float, float, float, float]
"""left, top, width, height, as fractions of a frame."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Clip:
    """A segment of a media file: [start, end) in seconds, end is infinite for all there is; of a video or picture,
    inside `crop`.

    place: how errors call it, e.g. its row and column in the manifest
    """

    path: Path
    place: str
    start: float = 0.0
    end: float = float("inf")
    crop: Box = WHOLE

    def __str__(self) -> str:
        return f"{self.place}: {self.path}"


class UnreadableError(Exception):
    """Nothing can be read from a media file; the message says why."""


class NoStreamError(UnreadableError):
    """A file that is whole but has no stream of this kind: its sample lacks the modality."""


class Taken(NamedTuple):
    """Samples (K, *the reader's shape), and what was wrong with their file although it could be read ("": nothing).

    samples: bytes of a video or picture, float32 of a sound
    """

    samples: npt.NDArray[np.float32 | np.uint8]
    warning: str = ""


class ClipReader(Protocol):
    """Reads one clip. kind: of its files; shape: of a sample, -1 first where lengths differ.

    windows: how many samples fit into the clip without overlap, at least 1
    take: those at K positions in [0, 1], see `Parts`; seed: for what else chance decides, None in evaluation
    Both raise UnreadableError.
    """

    @property
    def kind(self) -> MediaKind: ...
    @property
    def settings(self) -> ReaderSettings: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def windows(self, clip: Clip) -> int: ...
    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken: ...


class MediaColumn:
    """N clips, each decoded when it is needed.

    A file from which nothing can be read is an absent sample and a note, so that it does not end a run after days.
    strict: raise InputError for it, and for a file that ends early, instead. required: whether no sample may lack the
    modality, as the student sees it: a file without such a stream is then one that cannot be read.
    """

    def __init__(self, clips: Sequence[Clip], reader: ClipReader, strict: bool = False, required: bool = False) -> None:
        self.clips, self.reader, self.strict, self.shape = tuple(clips), reader, strict, reader.shape
        self.required = required
        self.present = np.ones(len(self.clips), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.clips)

    def fetch(self, rows: Rows) -> Modality:
        return self.read(rows, middle(len(rows))).numbers

    def windows(self, rows: Rows) -> Rows:
        return np.array([self._windows(self.clips[row]) for row in rows], dtype=np.int64)

    def _windows(self, clip: Clip) -> int:
        try:
            return self.reader.windows(clip)
        except UnreadableError:
            return 1  # reading it will say what is wrong

    def read(self, rows: Rows, parts: Parts) -> Reading:
        samples: list[npt.NDArray[np.float32 | np.uint8] | None] = []
        notes: list[Note] = []
        for row, start, end in runs(rows, parts):
            clip, taken = self.clips[row], None
            seed = None if parts.seeds is None else int(parts.seeds[start])
            try:
                taken = self.reader.take(clip, parts.positions[start:end].tolist(), seed)
            except UnreadableError as error:
                if isinstance(error, NoStreamError) and not self.required:
                    notes.append(Note(f"{clip}: {error}; the sample lacks this modality", skipped=False, place=start))
                else:
                    notes.append(self._note(f"{clip}: {error}", True, start))
            if taken is not None and taken.warning:
                notes.append(self._note(f"{clip}: {taken.warning}", False, start))
            samples += [None] * (end - start) if taken is None else list(taken.samples)
        reading = assemble(samples, self.shape, notes)
        if self.reader.kind == "audio" or not bool(reading.present.any()):
            return reading
        mean, std = self.reader.settings.mean, self.reader.settings.std
        return reading._replace(modality=Pixels(cast(Tensor, reading.modality), reading.present, mean, std))

    def _note(self, text: str, skipped: bool, place: int) -> Note:
        if self.strict:
            raise InputError(text)
        return Note(text, skipped, place)


def runs(rows: Rows, parts: Parts) -> Iterator[tuple[int, int, int]]:
    """(row, start, end) of neighbours that are windows of one sample, to be read in one pass; in training, each row."""
    alone = parts.seeds is not None
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or alone or rows[end] != rows[start]:
            yield int(rows[start]), start, end
            start = end


def pyav() -> ModuleType:
    """PyAV, which brings FFmpeg with it. Raises InputError where it is not installed."""
    with needed_for("reading video and sound"):
        import av
    return av
