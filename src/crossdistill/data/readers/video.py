"""Clips of videos, from their files or from decoded frames in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from crossdistill.data.readers.cache import CacheFolder
from crossdistill.data.readers.cached import CachedFrames
from crossdistill.data.readers.decoding import FileFrames, is_early, opened
from crossdistill.data.readers.frames import (
    ChooseBox,
    EndsEarlyError,
    Extent,
    FrameSource,
    Pixels,
    centre_box,
    clip_times,
    inside,
    random_box,
)
from crossdistill.data.readers.media import Box, Clip, Taken, UnreadableError
from crossdistill.data.readers.settings import ReaderSettings


@dataclass(frozen=True)
class VideoReader:
    """Clips (3, T, H, W), normalised. Random place, crop and mirroring in training, the middle of all in evaluation."""

    settings: ReaderSettings
    cache: CacheFolder

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.settings.frames, self.settings.size, self.settings.size)

    def sample(self, clip: Clip, draw: int | None) -> Taken:
        position, box, mirrored = self._chosen(clip, draw)
        settings = self.settings
        with open_frames(clip, self.cache) as source:
            extent, warning = segment(source.extent, clip), source.warning
            try:
                pixels = source.take(clip_times(extent, settings, position), box, settings.size)
            except EndsEarlyError as early:
                pixels = self._before(early.end, source, extent, position, box)
                if is_early(early.end, source.extent.end):
                    warning = f"ends after {early.end:.2f} of {source.extent.end:.2f} seconds"
        return Taken(normalised(pixels[..., ::-1] if mirrored else pixels, settings), warning)

    def _before(self, end: float, source: FrameSource, extent: Extent, position: float, box: ChooseBox) -> Pixels:
        """The clip at the same position of what can be read, which ends at `end`."""
        if end <= extent.start:
            raise UnreadableError(f"no frame can be decoded after {end:.2f} s")
        readable = Extent(extent.start, end, extent.frame)
        try:
            return source.take(clip_times(readable, self.settings, position), box, self.settings.size)
        except EndsEarlyError:
            raise UnreadableError("no video frame can be decoded") from None

    def _chosen(self, clip: Clip, draw: int | None) -> tuple[float, ChooseBox, bool]:
        """Where in time, where in the frame, and whether mirrored."""
        settings, crop = self.settings, clip.crop
        if draw is None:
            return 0.5, lambda w, h: inside(crop, centre_box(w * crop[2], h * crop[3], settings)), False
        random = np.random.default_rng(draw)
        position, mirrored, seed = random.random(), random.random() < 0.5, int(random.integers(1 << 62))

        @lru_cache(maxsize=1)  # it is asked for each frame
        def box(width: float, height: float) -> Box:
            fresh = np.random.default_rng(seed)
            return inside(crop, random_box(width * crop[2], height * crop[3], settings, fresh))

        return position, box, settings.mirror and mirrored


@contextmanager
def open_frames(clip: Clip, cache: CacheFolder) -> Iterator[FrameSource]:
    """The clip's frames, from the cache where it has them. Raises UnreadableError or NoStreamError."""
    found = cache.find(clip.path, "video")
    if found.entry is not None:
        yield CachedFrames(found.entry)
        return
    with opened(clip.path, "video") as (container, stream):
        yield FileFrames(container, stream, found.warning)


def segment(whole: Extent, clip: Clip) -> Extent:
    """The clip's part of a video. Raises UnreadableError where it begins after the end."""
    if clip.start >= whole.end:
        raise UnreadableError(f"the segment begins at {clip.start:g} s, the video ends at {whole.end:.2f} s")
    return Extent(clip.start, min(clip.end, whole.end), whole.frame)


def normalised(pixels: Pixels, settings: ReaderSettings) -> npt.NDArray[np.float32]:
    """(3, T, H, W) bytes -> less the mean and divided by the deviation of each colour."""
    out = pixels.astype(np.float32, order="C")
    for colour, mean, std in zip(out, settings.mean, settings.std, strict=True):
        colour *= 1 / (255 * std)
        colour -= mean / std
    return out
