"""What a media file holds and whether it can be read, before anything is trained on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossdistill.data.readers.audio import decoded
from crossdistill.data.readers.cache_writer import encode, fitted, picture_of, scaled_down
from crossdistill.data.readers.decoding import FileFrames, is_early, opened
from crossdistill.data.readers.media import Clip, MediaKind, NoStreamError, UnreadableError
from crossdistill.data.readers.picture import open_picture


@dataclass(frozen=True)
class Inspected:
    """One file, as a modality of one kind.

    seconds: that can be read, 0 of a picture; problem: why nothing can, empty where something can; warning: what is
    wrong all the same; missing: it is a whole file that has no stream of this kind; frames, picture: how many frames,
    and the bytes that the first one takes in a cache of a form and short side
    """

    seconds: float = 0.0
    problem: str = ""
    warning: str = ""
    missing: bool = False
    frames: int = 0
    picture: int = 0


def inspect(path: Path, kind: MediaKind, form: str, short_side: int, rate: int) -> Inspected:
    """A sound is decoded as a whole, as any of its samples may be no number, and so is a picture; of a video, the first
    frame, and all of its packets are read. form, short_side, rate: of the cache whose size is to be told."""
    try:
        if kind == "audio":
            return _sound(path, rate)
        return _picture(path, form, short_side) if kind == "picture" else _video(path, form, short_side)
    except NoStreamError as error:
        return Inspected(problem="" if kind == "audio" else str(error), missing=kind == "audio")
    except UnreadableError as error:
        return Inspected(problem=str(error))


def at_segment(file: Inspected, clip: Clip) -> Inspected:
    """What is known of a file, for a segment of it; one that begins after the end is a problem."""
    if file.problem or file.missing or not file.seconds:
        return file
    if clip.start >= file.seconds:
        return replace(file, problem=f"the segment begins at {clip.start:g} s, the file ends at {file.seconds:.2f} s")
    return replace(file, seconds=min(clip.end, file.seconds) - clip.start)


def _sound(path: Path, rate: int) -> Inspected:
    samples, warning = decoded(path, rate, 0.0, math.inf)
    return Inspected(len(samples) / rate, warning=warning)


def _picture(path: Path, form: str, short_side: int) -> Inspected:
    picture = scaled_down(open_picture(path), short_side)
    return Inspected(frames=1, picture=len(encode(np.asarray(picture), "raw" if form == "none" else form)))


def _video(path: Path, form: str, short_side: int) -> Inspected:
    with opened(path, "video") as (container, stream):
        source = FileFrames(container, stream)
        declared, end = source.extent.end, source.readable_end(source.extent.frame)
        _, frame, quarters = next(source.all(), (0.0, None, 0))
        if frame is None:
            raise UnreadableError("no video frame can be decoded")
        warning = f"ends after {end:.2f} of {declared:.2f} seconds" if is_early(end, declared) else ""
        size = fitted(frame, quarters, short_side)
        picture = len(encode(picture_of(frame, quarters, size), "raw" if form == "none" else form))
        return Inspected(end, warning=warning, frames=round(end / source.extent.frame), picture=picture)
