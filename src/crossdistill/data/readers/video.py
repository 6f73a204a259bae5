"""Clips of videos, from their files or from decoded frames in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from crossdistill.data.readers.cache import CacheFolder
from crossdistill.data.readers.cached_video import CachedFrames
from crossdistill.data.readers.clock import early, is_early
from crossdistill.data.readers.decoding import FileFrames
from crossdistill.data.readers.frames import (
    ChooseBox,
    EndsEarlyError,
    Extent,
    FrameSource,
    PixelArray,
    chosen_part,
    clip_times,
    frame_step,
    window_count,
)
from crossdistill.data.readers.media import Clip, MediaKind, Taken, UnreadableError
from crossdistill.data.readers.opening import TICK, opened
from crossdistill.data.readers.settings import ReaderSettings

_SPARSE = 4
"""Clips that make up a smaller part of their video are each sought; others are decoded in one pass."""


@dataclass(frozen=True)
class VideoReader:
    """Clips (3, T, H, W), bytes. Random crop and mirroring in training, the frame's centre in evaluation."""

    settings: ReaderSettings
    cache: CacheFolder
    kind: MediaKind = field(default="video", init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.settings.frames, self.settings.size, self.settings.size)

    def windows(self, clip: Clip) -> int:
        with open_frames(clip, self.cache) as source:
            return window_count(segment(source.extent, clip), self.settings)

    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken:
        box, mirrored = chosen_part(clip.crop, self.settings, seed)
        settings = self.settings if seed is None else replace(self.settings, last_window="inside")
        with open_frames(clip, self.cache) as source:
            extent, warning = segment(source.extent, clip), source.warning
            if extent.promised and clip.end > extent.end + TICK:
                warning = early(extent.end, extent.promised)
            read = partial(_pixels, source, settings=settings, positions=positions, box=box)
            try:
                pixels = read(extent)
            except EndsEarlyError as found:
                pixels = _before(found.end, extent, read)
                if is_early(found.end, source.extent.end):
                    warning = early(found.end, max(source.extent.end, extent.promised))
        return Taken(pixels[..., ::-1] if mirrored else pixels, warning)


def _pixels(
    source: FrameSource, extent: Extent, settings: ReaderSettings, positions: Sequence[float], box: ChooseBox
) -> PixelArray:
    """The pixels (K, 3, T, H, W) of the clips at these positions."""
    times = [clip_times(extent, settings, position) for position in positions]
    size = settings.size
    wanted = len(times) * settings.frames * frame_step(extent, settings)
    if not source.in_one_pass and times[-1][-1] - times[0][0] > _SPARSE * wanted:
        return np.stack([source.take(clip, box, size) for clip in times])
    pixels = source.take([time for clip in times for time in clip], box, size)
    return pixels.reshape(3, len(times), -1, size, size).swapaxes(0, 1)


def _before(end: float, extent: Extent, read: Callable[[Extent], PixelArray]) -> PixelArray:
    """Read the clips at the same positions of what can be read, which ends at `end`."""
    if end <= extent.start:
        raise UnreadableError(f"no frame can be decoded after {end:.2f} s")
    try:
        return read(replace(extent, end=end))
    except EndsEarlyError:
        raise UnreadableError("no video frame can be decoded") from None


@contextmanager
def open_frames(clip: Clip, cache: CacheFolder) -> Iterator[FrameSource]:
    """The clip's frames, from the cache where it has them. Raises UnreadableError or NoStreamError."""
    cached = cache.find(clip.path, "video")
    if cached.entry is not None:
        yield CachedFrames(cached.entry)
        return
    with opened(clip.path, "video") as file:
        yield FileFrames(file, cached.warning)


def segment(whole: Extent, clip: Clip) -> Extent:
    """The clip's part of a video. Raises UnreadableError where it begins after the end."""
    if clip.start >= whole.end:
        raise UnreadableError(f"the segment begins at {clip.start:g} s, the video ends at {whole.end:.2f} s")
    start = clip.start
    if start < whole.first:  # in step with the frames, so that each is shown once
        start = whole.first - math.floor((whole.first - start) / whole.frame + 1e-3) * whole.frame
    return replace(whole, start=start, end=min(clip.end, whole.end))
