"""What a media file holds and whether it can be read, before anything is trained on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossdistill.data.readers.cache_writer import encode, fitted, picture_of, scaled_down
from crossdistill.data.readers.clock import Timing, early, is_early, timing_at, timing_of
from crossdistill.data.readers.decoding import FileFrames
from crossdistill.data.readers.frames import PixelArray
from crossdistill.data.readers.media import Clip, MediaKind, NoStreamError, UnreadableError
from crossdistill.data.readers.opening import opened
from crossdistill.data.readers.picture import open_picture
from crossdistill.data.readers.sound import decoded

_AT_ONCE = 600
"""Seconds of sound that are decoded at once."""


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
    timing = timing_at(path, "audio")
    seconds, promised = 0.0, max(timing.end, timing.promised)
    for start in range(0, max(1, math.ceil(timing.end)), _AT_ONCE):  # the last also has what comes after that
        end = start + _AT_ONCE if start + _AT_ONCE < timing.end else math.inf
        try:
            seconds = start + len(decoded(path, rate, start, end).part(start, end, rate)) / rate
        except UnreadableError:
            if start == 0 or end < math.inf:
                raise
    warning = early(seconds, promised) if is_early(seconds, promised) else _short_header(timing)
    return Inspected(seconds, warning=warning)


def _picture(path: Path, form: str, short_side: int) -> Inspected:
    picture = scaled_down(open_picture(path), short_side)
    return Inspected(frames=1, picture=_bytes(np.asarray(picture), form))


def _video(path: Path, form: str, short_side: int) -> Inspected:
    with opened(path, "video") as file:
        source, timing = FileFrames(file), timing_of(file)
        _, frame = next(source.all(), (0.0, None))
        if frame is None:
            raise UnreadableError("no video frame can be decoded")
        orientation = source.orientation(frame)
        picture = _bytes(picture_of(frame, orientation, fitted(frame, orientation, short_side)), form)
    warning = early(timing.end, timing.promised) if timing.promised else _short_header(timing)
    frames = round((timing.end - timing.first) / timing.frame)
    return Inspected(timing.end, warning=warning, frames=frames, picture=picture)


def _bytes(picture: PixelArray, form: str) -> int:
    """How many a picture takes in a cache of this form."""
    return len(encode(picture, "raw" if form == "none" else form))


def _short_header(timing: Timing) -> str:
    """What is said of a file whose header names an end that is not its last: all of it is read."""
    if not timing.declared:
        return ""
    return f"its header says {timing.declared:.2f} seconds, but it goes on to {timing.end:.2f}, and all of it is read"
