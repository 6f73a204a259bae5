"""Sound from a file of its own or from a video's: mono, at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossdistill.data.readers.cache import CacheFolder, Entry
from crossdistill.data.readers.clock import timing_of
from crossdistill.data.readers.media import Clip, Taken
from crossdistill.data.readers.opening import TICK, opened
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.data.readers.sound import Samples, cut, decoded


@dataclass(frozen=True)
class AudioReader:
    """Sound (T, 1) in [-1, 1]: all of it, T of any length, whatever the positions; or `seconds` of it, shorter ones
    looped. Nothing but its place is left to chance."""

    settings: ReaderSettings
    cache: CacheFolder

    @property
    def shape(self) -> tuple[int, ...]:
        return (round(self.settings.seconds * self.settings.rate) or -1, 1)

    def windows(self, clip: Clip) -> int:
        length = self.settings.seconds
        if length == 0:
            return 1
        cached = self._cached(clip)[0]
        if cached is not None:
            end = float(cached.description["end"])
        else:
            with opened(clip.path, "audio") as file:
                end = timing_of(file).end
        seconds = min(clip.end, end) - clip.start
        looped = self.settings.last_window == "looped"
        return max(1, math.ceil((seconds - TICK) / length) if looped else math.floor((seconds + TICK) / length))

    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken:
        length = self.shape[0]
        sound, warning = self._segment(clip)
        if length < 0:
            return Taken(np.stack([sound[:, None]] * len(positions)), warning)
        room = max(0, len(sound) - length)
        if seed is None and self.settings.last_window == "looped":
            room = (self.windows(clip) - 1) * length
        begins = [min(round(position * room), len(sound) - 1) for position in positions]
        parts = [np.resize(sound[begin : begin + length], length) for begin in begins]
        return Taken(np.stack(parts)[..., None], warning)

    def _segment(self, clip: Clip) -> tuple[Samples, str]:
        cached, stale = self._cached(clip)
        if cached is not None:
            samples = np.frombuffer(cached.payload, dtype=np.float32)
            return cut(samples, 0.0, clip.start, clip.end, self.settings.rate), str(cached.description["warning"])
        samples, warning = decoded(clip.path, self.settings.rate, clip.start, clip.end)
        return samples, warning or stale

    def _cached(self, clip: Clip) -> tuple[Entry | None, str]:
        """What the cache has of the clip's sound at this rate, and what is to be said of it."""
        found = self.cache.find(clip.path, "audio")
        usable = found.entry is not None and found.entry.description["rate"] == self.settings.rate
        return (found.entry if usable else None), found.warning
