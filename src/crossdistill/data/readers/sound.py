"""Decoded sound of a media file on the file's clock: one channel, at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossdistill.data.readers.clock import early, is_early, timing_of
from crossdistill.data.readers.decoding import BACK
from crossdistill.data.readers.media import UnreadableError, pyav
from crossdistill.data.readers.opening import MediaFile, opened

Samples = npt.NDArray[np.float32]

_PREROLL = 0.25
"""Seconds decoded before a segment and thrown away: codecs need some time to swing in."""
_GAP = 0.1
"""Seconds that a frame may come after the end of those before it: clocks are rounded, rates not quite what they say."""
_ROUNDED = 0.02
"""Seconds that a frame's time may be off."""
_LONGEST = 1 << 27
"""Samples that are read at once, 512 MiB: a few kilobytes can unfold to any number of them."""
_SLOWEST = 64
"""How many times the file's own rate is the most that it is read at: beyond, nearly all samples would be made up."""


class Decoded(NamedTuple):
    """(T,) samples, the first at `begin` seconds; promised: the end that their file declares."""

    samples: Samples
    begin: float
    promised: float

    def part(self, start: float, end: float, rate: int) -> Samples:
        """The samples from `start` to `end` seconds. Raises UnreadableError for none."""
        last = min(round((end - self.begin) * rate), len(self.samples)) if end < math.inf else len(self.samples)
        part = self.samples[max(0, round((start - self.begin) * rate)) : max(0, last)]
        if not len(part):
            ends = self.begin + len(self.samples) / rate
            raise UnreadableError(f"the segment begins at {start:g} s, the sound ends at {ends:.2f} s")
        return part

    def warning(self, end: float, rate: int) -> str:
        """What is wrong with the file up to `end` seconds, empty for nothing."""
        last = self.begin + len(self.samples) / rate
        return early(last, self.promised) if is_early(last, min(end, self.promised)) else ""


def decoded(path: Path, rate: int, start: float = 0.0, end: float = math.inf) -> Decoded:
    """Sound that has all from `start` to `end` seconds. Where the stream has gaps, there is silence.

    Raises UnreadableError for a file that is no media file, has nothing in the segment, holds NaN or infinity, or more
    than can be read at once; NoStreamError where it has no sound.
    """
    with opened(path, "audio") as file:
        timing, counted = timing_of(file), file.counted
        _require_bearable((min(end, timing.end) - start) * rate, rate)
        heard = _Until(end, _frames_from(file, start))
        runs = list(_runs(file, heard, rate))
    if heard.ended and not counted:
        runs.append((end, np.zeros(0, dtype=np.float32)))  # silent until the next run, which is later
    begin = min(runs[0][0], start) if runs else start  # silent from there on, if it begins later
    count, pieces = 0, []
    for number, (time, samples) in enumerate(runs):
        silence = 0 if counted or time > timing.end else round((time - begin) * rate) - count
        if silence > (_GAP * rate / 2 if number else 0):
            _require_bearable(count + silence, rate)
            pieces.append(np.zeros(silence, dtype=np.float32))
            count += silence
        pieces.append(samples)
        count += len(samples)
        _require_bearable(count, rate)
    if not count:
        raise UnreadableError("no sound can be decoded")
    joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if not np.isfinite(joined).all():
        raise UnreadableError("holds NaN or infinity among its samples")
    return Decoded(joined, begin, max(timing.end, timing.promised))


def _require_bearable(samples: float, rate: int) -> None:
    if samples > _LONGEST:
        raise UnreadableError(
            f"{samples / rate / 3600:.1f} hours of sound are too much to read at once at {rate} samples a second "
            f"(at most {_LONGEST / rate / 3600:.1f} hours): give start and end, or a lower rate"
        )


def _frames_from(file: MediaFile, start: float) -> Iterator[tuple[float, Any]]:
    """Decoded frames and when they are heard, the first some time before `start`, or the file's first."""
    for back in BACK:
        place = start - max(back, _PREROLL)
        if place <= file.first or not file.seek(place):
            break
        frames = _frames(file)
        found = next(frames, None)
        if found is not None and found[0] <= start - _PREROLL / 2:
            return _without_before(start - _PREROLL, chain([found], frames))
    file.restart()
    return _without_before(start - _PREROLL, _frames(file))


def _without_before(start: float, frames: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    """The frames from the one that is heard at `start` on."""
    return dropwhile(lambda timed: timed[0] + _seconds(timed[1]) < start, frames)


def _frames(file: MediaFile) -> Iterator[tuple[float, Any]]:
    time = 0.0
    for _, frames in file.decoded(file.packets()):
        for frame in frames:  # whose time base is the stream's
            time = time if frame.pts is None else file.seconds(frame.pts)
            yield time, frame
            time += _seconds(frame)


class _Until:
    """The frames that begin before `end`; ended: whether one was met that begins later."""

    def __init__(self, end: float, frames: Iterator[tuple[float, Any]]) -> None:
        self._end, self._frames, self.ended = end, frames, False

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        for time, frame in self._frames:
            if time >= self._end:
                self.ended = True
                return
            yield time, frame


def _runs(file: MediaFile, frames: Iterable[tuple[float, Any]], rate: int) -> Iterator[tuple[float, Samples]]:
    """(seconds, samples) of what follows without a gap, resampled; the mean of the channels.

    Broadcasts and joined files change rate and channels on their way; each part has a resampler of its own.
    """
    run: _Run | None = None
    for time, frame in frames:
        if run is None or not run.goes_on(time, frame, file.counted):
            if run is not None:
                yield run.ended()
            run = _Run(time, frame, rate)
        run.add(time, frame)
    if run is not None:
        yield run.ended()


class _Run:
    """Frames of one format that follow each other, resampled."""

    def __init__(self, time: float, frame: Any, rate: int) -> None:
        if rate > _SLOWEST * frame.sample_rate:
            raise UnreadableError(
                f"has {frame.sample_rate} samples a second, too few to be read at {rate}: choose a lower rate"
            )
        self._resampler = pyav().AudioResampler(format="flt", layout=frame.layout, rate=rate)
        self._rate, self._form, self._begin = rate, _form(frame), time
        self._seconds, self._count = 0.0, 0
        self._pieces: list[Samples] = []
        self._begins: list[float] = []

    def goes_on(self, time: float, frame: Any, counted: bool) -> bool:
        """Whether a frame is the next one of this run. counted: whether times tell of no gaps."""
        return _form(frame) == self._form and (counted or time <= self._begin + self._seconds + _GAP)

    def add(self, time: float, frame: Any | None) -> None:
        for out in self._resampler.resample(frame):
            channels: Samples = out.to_ndarray().reshape(out.samples, -1)  # side by side: PyAV has at most 7 planes
            mono = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32)
            self._pieces.append(mono)
            self._count += out.samples
        if frame is not None:
            self._begins.append(time - self._seconds)
            self._seconds += _seconds(frame)
        _require_bearable(self._count, self._rate)

    def ended(self) -> tuple[float, Samples]:
        """When the run begins, and its samples. Times of single frames are rounded, some to milliseconds."""
        self.add(0.0, None)
        begin = min(max(float(np.median(self._begins)), self._begin - _ROUNDED), self._begin + _ROUNDED)
        return begin, np.concatenate(self._pieces) if self._pieces else np.zeros(0, dtype=np.float32)


def _seconds(frame: Any) -> float:
    return float(frame.samples / max(frame.sample_rate, 1))


def _form(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
