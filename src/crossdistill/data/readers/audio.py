"""Sound from a file of its own or from a video's: mono, at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.readers.cache import CacheFolder
from crossdistill.data.readers.decoding import declared_end, is_early, opened
from crossdistill.data.readers.media import Clip, MediaKind, Taken, UnreadableError, pyav
from crossdistill.data.readers.settings import ReaderSettings

Samples = npt.NDArray[np.float32]

_PREROLL = 0.25
"""Seconds decoded before a segment and thrown away: codecs need some time to swing in."""


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
        with opened(clip.path, "audio") as (container, stream):
            declared = declared_end(container, stream)
        rate = self.settings.rate
        seconds = min(clip.end, declared) - clip.start if declared else len(self._segment(clip)[0]) / rate
        return max(1, math.floor(seconds / self.settings.seconds + 1e-6))

    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken:
        length = self.shape[0]
        sound, warning = self._segment(clip)
        if length < 0:
            return Taken(np.stack([sound[:, None]] * len(positions)), warning)
        begins = [round(position * max(0, len(sound) - length)) for position in positions]
        parts = [np.resize(sound[begin : begin + length], length) for begin in begins]
        return Taken(np.stack(parts)[..., None], warning)

    def _segment(self, clip: Clip) -> tuple[Samples, str]:
        cached = self.cache.find(clip.path, "audio")
        if cached.entry is not None and cached.entry.description["rate"] == self.settings.rate:
            samples = np.frombuffer(cached.entry.payload, dtype=np.float32)
            return cut(samples, 0.0, clip.start, clip.end, self.settings.rate), str(cached.entry.description["warning"])
        samples, warning = decoded(clip.path, self.settings.rate, clip.start, clip.end)
        return samples, warning or cached.warning


def decoded(path: Path, rate: int, start: float = 0.0, end: float = math.inf) -> tuple[Samples, str]:
    """(T,) the sound from `start` to `end` seconds, and what is wrong with the file, empty for nothing.

    Raises UnreadableError for a file that is no media file, has nothing in the segment, or holds NaN or infinity;
    NoStreamError where it has no sound.
    """
    with opened(path, "audio") as (container, stream):
        zero = float((stream.start_time or 0) * stream.time_base)
        if start > _PREROLL:
            container.seek(int((start - _PREROLL + zero) / stream.time_base), stream=stream)
        pieces, begin = [], math.inf
        for time, piece in _resampled(container, stream, rate, end + zero):
            begin = min(begin, time - zero)
            pieces.append(piece)
        length = declared_end(container, stream)
    samples = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    if not len(samples):
        raise UnreadableError("no sound can be decoded")
    if not np.isfinite(samples).all():
        raise UnreadableError("holds NaN or infinity among its samples")
    last = begin + len(samples) / rate
    warning = f"ends after {last:.2f} of {length:.2f} seconds" if is_early(last, min(end, length)) else ""
    return cut(samples, begin, start, end, rate), warning


def cut(samples: Samples, begin: float, start: float, end: float, rate: int) -> Samples:
    """The samples from `start` to `end` seconds, of samples that begin at `begin`. Raises UnreadableError for none."""
    last = round((end - begin) * rate) if end < math.inf else len(samples)
    part = samples[max(0, round((start - begin) * rate)) : max(0, last)]
    if not len(part):
        raise UnreadableError(
            f"the segment begins at {start:g} s, the sound ends at {begin + len(samples) / rate:.2f} s"
        )
    return part


def _resampled(container: Any, stream: Any, rate: int, end: float) -> Iterator[tuple[float, Samples]]:
    """(seconds, samples) of decoded frames until `end`, mixed to one channel.

    Broadcasts and joined files change rate and channels on their way; each part has a resampler of its own.
    """
    time, heard = 0.0, _before_end(_frames(container, stream), end)
    for _, part in groupby(heard, key=lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)):
        resampler = pyav().AudioResampler(format="flt", layout="mono", rate=rate)
        for frame in part:
            time = frame.time if frame.time is not None else time
            for out in resampler.resample(frame):
                yield time, out.to_ndarray()[0]
        for out in resampler.resample(None):
            yield time, out.to_ndarray()[0]


def _before_end(frames: Iterable[Any], end: float) -> Iterator[Any]:
    for frame in frames:
        if frame.time is not None and frame.time >= end:
            return
        yield frame


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    av = pyav()
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue  # one damaged packet
            yield from frames
    except (av.FFmpegError, EOFError):
        return  # the end of what can be read
