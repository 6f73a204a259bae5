"""Decoded sound of a media file on the file's clock: one channel, at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

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
_LONGEST = 1 << 28
"""Samples that are read at once, 1 GiB: a few kilobytes can unfold to any number of them."""
_SLOWEST = 64
"""How many times the file's own rate is the most that it is read at: beyond, nearly all samples would be made up."""


def decoded(path: Path, rate: int, start: float = 0.0, end: float = math.inf) -> tuple[Samples, str]:
    """(T,) the sound from `start` to `end` seconds, and what is wrong with the file, empty for nothing.

    Where the stream begins later than the file or has gaps, there is silence. Raises UnreadableError for a file that is
    no media file, has nothing in the segment, holds NaN or infinity, or more than can be read at once; NoStreamError
    where it has no sound.
    """
    with opened(path, "audio") as file:
        timing = timing_of(file)
        _require_bearable((min(end, timing.end) - start) * rate, rate)
        begin, count, pieces = math.nan, 0, []
        for time, piece in _pieces(file, _before_end(_frames_from(file, start), end), rate):
            begin = time if math.isnan(begin) else begin
            silence = round((time - begin) * rate) - count
            if silence > _GAP * rate and not file.counted:
                _require_bearable(count + silence, rate)
                pieces.append(np.zeros(silence, dtype=np.float32))
                count += silence
            pieces.append(piece)
            count += len(piece)
            _require_bearable(count, rate)
    if not count and start < end <= timing.first + _GAP:
        return np.zeros(round((end - start) * rate), dtype=np.float32), ""  # before the stream begins
    if not count:
        raise UnreadableError("no sound can be decoded")
    samples = np.concatenate(pieces)
    if not np.isfinite(samples).all():
        raise UnreadableError("holds NaN or infinity among its samples")
    last, promised = begin + count / rate, max(timing.end, timing.promised)
    warning = early(last, promised) if is_early(last, min(end, promised)) else ""
    return cut(samples, begin, start, end, rate), warning


def cut(samples: Samples, begin: float, start: float, end: float, rate: int) -> Samples:
    """The samples from `start` to `end` seconds, of samples that begin at `begin`; silence before them.

    Raises UnreadableError where they end before `start`.
    """
    last = min(round((end - begin) * rate), len(samples)) if end < math.inf else len(samples)
    skipped = round((start - begin) * rate)
    part = samples[max(0, skipped) : max(0, last)]
    if not len(part):
        raise UnreadableError(
            f"the segment begins at {start:g} s, the sound ends at {begin + len(samples) / rate:.2f} s"
        )
    return np.concatenate([np.zeros(-skipped, dtype=np.float32), part]) if skipped < 0 else part


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
            return chain([found], frames)
    file.restart()
    return _frames(file)


def _frames(file: MediaFile) -> Iterator[tuple[float, Any]]:
    av: Any = pyav()
    time = 0.0
    for packet in file.packets():
        try:
            frames: list[Any] = packet.decode()
        except av.InvalidDataError:
            continue  # one damaged packet
        except (av.FFmpegError, EOFError):
            return  # the end of what can be read
        for frame in frames:  # whose time base is the stream's
            time = time if frame.pts is None else file.seconds(frame.pts)
            yield time, frame
            time += frame.samples / frame.sample_rate


def _before_end(frames: Iterable[tuple[float, Any]], end: float) -> Iterator[tuple[float, Any]]:
    for time, frame in frames:
        if time >= end:
            return
        yield time, frame


def _pieces(file: MediaFile, frames: Iterator[tuple[float, Any]], rate: int) -> Iterator[tuple[float, Samples]]:
    """(seconds, samples) of what follows without a gap, resampled; the mean of the channels.

    Broadcasts and joined files change rate and channels on their way; each part has a resampler of its own.
    """
    form, begin, due, made = None, 0.0, 0.0, 0
    resampler: Any = None
    for time, frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or found != form or (time > due + _GAP and not file.counted):
            for out in [] if resampler is None else resampler.resample(None):
                yield begin + made / rate, _mono(out)
            if rate > _SLOWEST * frame.sample_rate:
                raise UnreadableError(
                    f"has {frame.sample_rate} samples a second, too few to be read at {rate}: choose a lower rate"
                )
            resampler = pyav().AudioResampler(format="fltp", layout=frame.layout, rate=rate)
            form, begin, due, made = found, time, time, 0
        for out in resampler.resample(frame):
            yield begin + made / rate, _mono(out)
            made += out.samples
        due += frame.samples / frame.sample_rate
    for out in [] if resampler is None else resampler.resample(None):
        yield begin + made / rate, _mono(out)
        made += out.samples


def _mono(frame: Any) -> Samples:
    channels: Samples = frame.to_ndarray()
    mono: Samples = channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float32)
    return mono
