"""Sound from a file of its own or from a video's: mono, at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crossdistill.data.readers.cache import CacheFolder, Entry
from crossdistill.data.readers.clock import timing_at
from crossdistill.data.readers.media import Clip, MediaKind, Taken
from crossdistill.data.readers.opening import TICK
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.data.readers.sound import Decoded, decoded

_WHOLE = 600.0
"""Seconds up to which a sound is decoded as a whole where a part is wanted: then it is the cache's, bit for bit."""


@dataclass(frozen=True)
class AudioReader:
    """Sound (T, 1) in [-1, 1]: all of it, T of any length, whatever the positions; or `seconds` of it, shorter ones
    looped. Nothing but its place is left to chance."""

    settings: ReaderSettings
    cache: CacheFolder
    kind: MediaKind = field(default="audio", init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return (round(self.settings.seconds * self.settings.rate) or -1, 1)

    def windows(self, clip: Clip) -> int:
        if self.settings.seconds == 0:
            return 1
        return self._windows(self._end(clip, self._cached(clip)[0]) - clip.start)

    def _windows(self, seconds: float) -> int:
        length = self.settings.seconds
        looped = self.settings.last_window == "looped"
        return max(1, math.ceil((seconds - TICK) / length) if looped else math.floor((seconds + TICK) / length))

    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken:
        length, rate = self.shape[0], self.settings.rate
        cached, stale = self._cached(clip)
        if length > 0 and cached is None and (end := self._end(clip, None)) - clip.start > _WHOLE:
            return self._of_long(replace(clip, end=end), positions, seed, stale)
        if cached is not None:
            sound = Decoded(np.frombuffer(cached.payload, np.float32), 0.0, cached.description["promised"])
        else:
            sound = decoded(clip.path, rate, clip.start, clip.end)
        samples, warning = sound.part(clip.start, clip.end, rate), sound.warning(clip.end, rate) or stale
        if length < 0:
            return Taken(np.stack([samples[:, None]] * len(positions)), warning)
        begins = self._begins(len(samples), positions, seed)
        parts = [np.resize(samples[begin : begin + length], length) for begin in begins]
        return Taken(np.stack(parts)[..., None], warning)

    def _of_long(self, clip: Clip, positions: Sequence[float], seed: int | None, stale: str) -> Taken:
        """What is taken of a clip whose end is known, decoding no more than is wanted."""
        rate = self.settings.rate
        parts, warning = [], stale
        for begin in self._begins(round((clip.end - clip.start) * rate), positions, seed):
            start = clip.start + begin / rate
            stop = min(start + self.settings.seconds, clip.end)
            sound = decoded(clip.path, rate, start, stop)
            parts.append(np.resize(sound.part(start, stop, rate), self.shape[0]))
            warning = sound.warning(stop, rate) or warning
        return Taken(np.stack(parts)[..., None], warning)

    def _begins(self, samples: int, positions: Sequence[float], seed: int | None) -> list[int]:
        """Where in so many samples the parts at these positions begin."""
        length = self.shape[0]
        room = max(0, samples - length)
        if seed is None and self.settings.last_window == "looped":
            room = (self._windows(samples / self.settings.rate) - 1) * length
        return [min(round(position * room), samples - 1) for position in positions]

    def _end(self, clip: Clip, cached: Entry | None) -> float:
        """Where the clip, or its sound before it, ends."""
        return min(clip.end, timing_at(clip.path, "audio").end if cached is None else cached.description["end"])

    def _cached(self, clip: Clip) -> tuple[Entry | None, str]:
        """What the cache has of the clip's sound at this rate, and what is to be said of it."""
        found = self.cache.find(clip.path, "audio")
        usable = found.entry is not None and found.entry.description["rate"] == self.settings.rate
        return (found.entry if usable else None), found.warning
