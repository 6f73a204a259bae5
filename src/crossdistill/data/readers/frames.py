"""Which frames of a video make a clip, and which part of them: plain numbers, nothing is decoded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crossdistill.data.readers.media import Box
from crossdistill.data.readers.settings import ReaderSettings

PixelArray = npt.NDArray[np.uint8]
"""Pictures in memory, as decoders give them; what a batch holds is `types.Pixels`."""
ChooseBox = Callable[[float, float], Box]
"""Width and height of a frame as it is shown -> the part of it that is wanted; the same each time it is asked."""


class EndsEarlyError(Exception):
    """The file has nothing at the times that were asked for; `end`: of what can be read, in seconds."""

    def __init__(self, end: float) -> None:
        super().__init__(end)
        self.end = end


class FrameSource(Protocol):
    """Frames of one video. extent: of all of it; warning: what is wrong with the file, empty for nothing.

    in_one_pass: whether far places are not sought, so that it is quicker to take all at once
    take: the frames shown at these times, the chosen part of them scaled to (size, size): (3, T, size, size).
    Raises EndsEarlyError or UnreadableError.
    """

    @property
    def extent(self) -> Extent: ...
    @property
    def warning(self) -> str: ...
    @property
    def in_one_pass(self) -> bool: ...
    def take(self, times: Sequence[float], box: ChooseBox, size: int) -> PixelArray: ...


@dataclass(frozen=True)
class Extent:
    """The part of a video that a clip is taken from, in seconds on its file's clock: [start, end).

    frame: how long a frame is shown, on average
    first: where the first frame begins; before it, where sound began earlier, that frame is shown
    promised: a later end that the header declares although the file does not hold it, 0 for none
    """

    start: float
    end: float
    frame: float
    first: float = 0.0
    promised: float = 0.0

    @property
    def seconds(self) -> float:
        return max(self.end - self.start, self.frame)


def frame_step(extent: Extent, settings: ReaderSettings) -> float:
    """Seconds from one frame of a clip to the next."""
    return 1 / settings.fps if settings.fps > 0 else settings.stride * extent.frame


def clip_times(extent: Extent, settings: ReaderSettings, position: float) -> list[float]:
    """When each of the clip's frames is shown, in seconds.

    position: in [0, 1], where the clip lies among all places that it could have: 0 first, 1 last. Without fps it begins
    at a frame's own time, so that every frame is equally likely to be the first. What is shorter than a clip is looped.
    """
    step = frame_step(extent, settings)
    if settings.last_window == "looped":
        begin = position * (window_count(extent, settings) - 1) * settings.frames * step
        begin = round(begin / extent.frame) * extent.frame if settings.fps == 0 else begin
        return _looped(extent.start + begin, extent.end, step, settings.frames)
    room = extent.seconds - (settings.frames - 1) * step - extent.frame
    if room < -1e-6:
        return _looped(extent.start, extent.start + extent.seconds, step, settings.frames)
    begin = position * max(room, 0.0)
    if settings.fps == 0:
        places = math.floor(room / extent.frame + 1e-3) + 1
        begin = min(math.floor(position * places), places - 1) * extent.frame
    return [extent.start + begin + i * step for i in range(settings.frames)]


def _looped(start: float, end: float, step: float, frames: int) -> list[float]:
    """So many times from `start` on, from its beginning again where they reach `end`."""
    there = max(1, math.ceil((end - start) / step - 1e-6))
    return [start + (i % there) * step for i in range(frames)]


def window_count(extent: Extent, settings: ReaderSettings) -> int:
    """How many clips fit in without overlap, at least 1: at positions evenly from 0 to 1 they do not overlap. One more
    for what is left over, where the last window may be looped."""
    span, slack = settings.frames * frame_step(extent, settings), 0.05 * extent.frame
    looped = settings.last_window == "looped"
    return max(1, math.ceil((extent.seconds - slack) / span) if looped else math.floor((extent.seconds + slack) / span))


def centre_box(width: float, height: float, settings: ReaderSettings) -> Box:
    """The centre of `size` after the short side was scaled to `resize`, as fractions of a frame of this size."""
    side = min(width, height) * settings.size / settings.resize
    return ((1 - side / width) / 2, (1 - side / height) / 2, side / width, side / height)


def random_box(width: float, height: float, settings: ReaderSettings, random: np.random.Generator) -> Box:
    """RandomResizedCrop: an area from `least_area` to 1 of the frame, uniformly, of a shape from 3:4 to 4:3, in
    proportion; after ten draws that do not fit, the largest centred one of the nearest shape."""
    for _ in range(10):
        area = width * height * random.uniform(settings.least_area, 1)
        shape = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = math.sqrt(area * shape), math.sqrt(area / shape)
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return (left / width, top / height, w / width, h / height)
    shape = min(max(width / height, 3 / 4), 4 / 3)
    w, h = min(width, height * shape), min(height, width / shape)
    return ((1 - w / width) / 2, (1 - h / height) / 2, w / width, h / height)


def chosen_part(crop: Box, settings: ReaderSettings, seed: int | None) -> tuple[ChooseBox, bool]:
    """Choose the part that is taken of what lies in `crop`, and whether it is mirrored: the centre and not where there
    is no seed, in evaluation; by chance in training."""
    if seed is None:
        return lambda w, h: inside(crop, centre_box(w * crop[2], h * crop[3], settings)), False
    random = np.random.default_rng(seed)
    mirrored, box_seed = random.random() < 0.5, int(random.integers(1 << 62))

    @lru_cache(maxsize=1)  # it is asked for each frame
    def box(width: float, height: float) -> Box:
        fresh = np.random.default_rng(box_seed)
        return inside(crop, random_box(width * crop[2], height * crop[3], settings, fresh))

    return box, settings.mirror and mirrored


def inside(outer: Box, box: Box) -> Box:
    """A box given as fractions of `outer`, as fractions of what `outer` is a part of."""
    left, top, width, height = outer
    return (left + box[0] * width, top + box[1] * height, box[2] * width, box[3] * height)
