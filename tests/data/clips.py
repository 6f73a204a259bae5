"""Real encoded media, tiny: each frame says its number in black and white bars, each sound is a tone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from crossdistill.data.readers.media import Clip, ClipReader

WIDTH, HEIGHT, FPS, RATE = 64, 48, 25, 16000
BARS = 8


def bars(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3): bit b of the number is the b-th bar from the left, white for 1."""
    picture = np.zeros((height, width, 3), np.uint8)
    for bit in range(BARS):
        picture[:, bit * width // BARS : (bit + 1) * width // BARS] = 255 * (number >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number of a picture of bars, of any size, in bytes or in [0, 1]."""
    middle = picture[picture.shape[0] // 2].mean(-1)
    threshold = 127 if picture.dtype == np.uint8 else 0.5
    centres = [round((bit + 0.5) * picture.shape[1] / BARS) for bit in range(BARS)]
    return sum(1 << bit for bit, centre in enumerate(centres) if middle[centre] > threshold)


def tone(seconds: float = 1.6, hertz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@contextmanager
def own_priority() -> Iterator[None]:
    """SVT-AV1's encoder takes real-time priority where it may, as root, and keeps it: the process would then stop all
    others whenever it wants to compute."""
    if not hasattr(os, "sched_getscheduler"):  # not on Linux
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_video(
    path: Path,
    codec: str = "h264",
    frames: Sequence[np.ndarray] | int = 40,
    sound: np.ndarray | None = None,
    times: Sequence[int] = (),
    rotation: int = 0,
    faststart: bool = False,
    gop: int = 12,
    options: Mapping[str, str] | None = None,
    muxing: Mapping[str, str] | None = None,
    sound_from: float = 0.0,
    sound_rate: int = RATE,
    fps: int | Fraction = FPS,
) -> Path:
    """times: of each frame, in milliseconds, where they are not evenly spaced; rotation: degrees counter-clockwise.

    options, muxing: of the encoder of pictures, and of the container; sound_from: seconds at which the sound begins
    """
    pictures = [bars(number) for number in range(frames)] if isinstance(frames, int) else list(frames)
    container_options = {"movflags": "faststart"} if faststart else dict(muxing or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    with own_priority(), av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size, stream.bit_rate = "yuv420p", gop, 600_000
        stream.codec_context.thread_count = 1
        if codec == "h264":
            stream.options = {"preset": "superfast"}  # which still reorders frames
        if options:
            stream.options = {**stream.options, **options}
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        voice = None
        if sound is not None:
            voice = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=sound_rate)
            voice.layout = "mono"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice is not None and sound is not None:
            _encode(container, voice, sound, sound_rate, sound_from)
    return path


def write_sound(path: Path, samples: np.ndarray, codec: str = "pcm_s16le", rate: int = RATE, layout: str = "") -> Path:
    """samples: (T,) for one channel, (2, T) for two, or as many as the layout has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout or ("stereo" if samples.ndim == 2 else "mono")
        _encode(container, stream, samples, rate)
    return path


def _encode(
    container: av.container.OutputContainer,
    stream: av.AudioStream,
    sound: np.ndarray,
    rate: int = RATE,
    begins: float = 0.0,
) -> None:
    samples = np.atleast_2d(sound).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="flt", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, round(begins * rate), Fraction(1, rate)
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


class One(NamedTuple):
    sample: np.ndarray
    warning: str


def sample_of(reader: ClipReader, clip: Clip, draw: int | None) -> One:
    """What training takes by this seed; None: what evaluation takes, the middle."""
    position = 0.5 if draw is None else float(np.random.default_rng(draw).random())
    found = reader.take(clip, [position], draw)
    return One(found.samples[0], found.warning)


def halved(path: Path) -> Path:
    """The same file, cut in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
