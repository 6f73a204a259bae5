"""Every frame of every container, wherever it is asked for, against a slow reader that decodes all from the start."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from crossdistill.data.readers import CacheFolder, Clip, ReaderSettings, VideoReader
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.decoding import FileFrames
from crossdistill.data.readers.media import WHOLE
from crossdistill.data.readers.opening import opened
from tests.data.clips import bars, number_of, tone, write_video

COUNT, SIZE = 64, 32
X265 = "log-level=none:keyint=12:min-keyint=12"
X264 = "scenecut=0:keyint=12:min-keyint=12"


class Made(NamedTuple):
    codec: str
    options: dict[str, str] = {}
    muxing: dict[str, str] = {}
    times: list[int] = []
    sound: bool = False


def every(start: int, gap: int) -> list[int]:
    return [start + gap * number for number in range(COUNT)]


UNEVEN = [40 * number + 110 * (number // 9) for number in range(COUNT)]
LONG = {"x264-params": "scenecut=0:keyint=250:min-keyint=250"}
OPEN = {"x264-params": f"{X264}:open-gop=1:bframes=3"}
B_FRAMES = {"bf": "2", "g": "12", "b": "2000000"}
VPX = {"b": "2000000", "g": "12", "auto-alt-ref": "1", "lag-in-frames": "8"}

FILES = {
    "h264.mp4": Made("libx264"),
    "h264.m4v": Made("libx264", OPEN),
    "h264.mov": Made("libx264", OPEN, sound=True),
    "h264.3gp": Made("libx264"),
    "h264.mkv": Made("libx264", OPEN),
    "h264.ts": Made("libx264"),
    "h264_long.ts": Made("libx264", LONG),
    "h264_open.mts": Made("libx264", OPEN),
    "h264_sound.ts": Made("libx264", sound=True),
    "h264_refresh.ts": Made("libx264", {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}),
    "h264.flv": Made("libx264"),
    "h264.avi": Made("libx264"),
    "h264_open.avi": Made("libx264", OPEN),
    "h264_no_b.avi": Made("libx264", {"x264-params": f"{X264}:bframes=0"}),
    "h264_live.mkv": Made("libx264", muxing={"live": "1"}),
    "h264_fragments.mp4": Made("libx264", {"x264-params": X264}, {"movflags": "frag_keyframe+empty_moov"}),
    "h264_no_edits.mp4": Made("libx264", muxing={"use_editlist": "0"}),
    "h264_late.mkv": Made("libx264", times=every(2000, 40)),
    "h264_late.mp4": Made("libx264", times=every(2000, 40)),
    "h264_late.ts": Made("libx264", times=every(3_600_000, 40)),
    "h264_wraps.ts": Made("libx264", times=every(95_442_500, 40)),
    "h264_negative.mp4": Made("libx264", times=every(-500, 40)),
    "h264_negative.mkv": Made("libx264", times=every(-500, 40)),
    "h264_uneven.mp4": Made("libx264", times=UNEVEN),
    "h264_uneven_negative.mp4": Made("libx264", times=[time - 700 for time in UNEVEN], sound=True),
    "h264_uneven.ts": Made("libx264", times=UNEVEN),
    "h264_uneven.mkv": Made("libx264", times=UNEVEN),
    "h265.mp4": Made("libx265", {"x265-params": f"{X265}:open-gop=1"}),
    "h265.ts": Made("libx265", {"x265-params": f"{X265}:open-gop=1"}),
    "mpeg4.avi": Made("mpeg4", {"g": "12", "b": "2000000"}),
    "mpeg4_b.avi": Made("mpeg4", B_FRAMES),
    "mpeg4_b.mp4": Made("mpeg4", B_FRAMES),
    "mpeg2.mpg": Made("mpeg2video", B_FRAMES),
    "mpeg2_no_b.mpeg": Made("mpeg2video", {"g": "12", "b": "2000000"}),
    "mpeg2.m2ts": Made("mpeg2video", B_FRAMES),
    "mpeg1.mpg": Made("mpeg1video", B_FRAMES),
    "mpeg2.mkv": Made("mpeg2video", B_FRAMES),
    "vp8.webm": Made("libvpx", VPX, sound=True),
    "vp8_live.webm": Made("libvpx", VPX, {"live": "1"}),
    "vp9.webm": Made("libvpx-vp9", {**VPX, "deadline": "realtime", "cpu-used": "8"}),
    "vp8.ogv": Made("libvpx", {"b": "2000000", "g": "12"}),
    "wmv2.wmv": Made("wmv2", {"g": "12", "b": "2000000"}),
    "sorenson.flv": Made("flv", {"g": "12", "b": "2000000"}),
    "av1.mkv": Made("libsvtav1", {"preset": "12", "g": "12"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("videos")

    def make(name: str) -> Path:
        path, file = folder / name, FILES[name]
        if not path.exists():
            pictures = [bars(number, 64, 64) for number in range(COUNT)]
            sound = tone(2.56, rate=44100) if file.sound else None
            if path.suffix == ".webm" and file.sound:
                sound = tone(2.56, rate=48000)
            write_video(
                *(path, file.codec, pictures, sound, file.times),
                options=file.options,
                muxing=file.muxing,
                sound_rate=48000 if path.suffix == ".webm" else 44100,
            )
        return path

    return make


def slow(path: Path) -> tuple[np.ndarray, list[int]]:
    """When each frame is shown, counted from where the file's first stream begins, and its number: all is decoded."""
    with av.open(str(path)) as container:
        streams = container.streams.video + container.streams.audio
        zero = min(float(s.start_time * s.time_base) for s in streams if s.start_time is not None)
        times, sent, numbers = [], [], []
        for packet in container.demux(container.streams.video[0]):
            sent += [] if packet.dts is None else [float(packet.dts * packet.time_base)]
            for frame in packet.decode():
                numbers.append(number_of(frame.to_ndarray(format="rgb24")))
                times.append(frame.time)
        if path.suffix == ".avi":  # it counts frames and knows no other times
            times = sorted(sent)
    return np.array(times) - zero, numbers


def shown(path: Path, times: list[float]) -> list[int]:
    """The numbers of the frames that are given for these times, by a reader of its own."""
    with opened(path, "video") as file:
        pixels = FileFrames(file).take(times, lambda width, height: WHOLE, SIZE)
    return [number_of(picture) for picture in pixels.transpose(1, 2, 3, 0)]


@pytest.mark.parametrize("name", FILES)
def test_each_frame_is_the_one_that_is_shown_then(name: str, made: Callable[[str], Path]) -> None:
    path = made(name)
    times, numbers = slow(path)
    assert numbers == list(range(COUNT - len(numbers), COUNT)), "the file holds what it should"
    assert shown(path, times.tolist()) == numbers, "all frames asked"
    assert shown(path, [times[-1]]) == numbers[-1:], "the last frame"
    random = np.random.default_rng(len(name))
    places = [times[1] - 0.004, *random.uniform(0, times[-1] + 0.02, 8)]
    for place in places:
        last = max(int(np.searchsorted(times, place + 0.0015, side="right")) - 1, 0)
        assert shown(path, [float(place)]) == [numbers[last]], place


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), 1])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "h264"), ("b.mkv", "h264"), ("c.flv", "h264"), ("d.ts", "h264"), ("e.avi", "h264"), ("f.wmv", "wmv2")],
)
def test_rates_whose_times_are_rounded(name: str, codec: str, fps: Fraction, tmp_path: Path) -> None:
    pictures = [bars(number, 64, 64) for number in range(120)]
    path = write_video(tmp_path / name, codec, pictures, fps=fps, options={"b": "2000000"})
    settings = ReaderSettings(frames=8, size=SIZE, resize=SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    reader = VideoReader(settings, CacheFolder(tmp_path))
    assert reader.windows(Clip(path, "p")) == 15
    samples = reader.take(Clip(path, "p"), np.linspace(0, 1, 15).tolist(), None).samples
    read = [number_of(picture) for sample in samples for picture in sample.transpose(1, 2, 3, 0)]
    assert read == list(range(120))


@pytest.mark.parametrize("name", FILES)
def test_a_clip_of_all_frames_has_each_once_and_the_cache_agrees(
    name: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    path = made(name)
    _, numbers = slow(path)
    even = ReaderSettings(frames=len(numbers), size=SIZE, resize=SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    timed = ReaderSettings(frames=16, fps=12.5, size=SIZE, resize=SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    assert fill(CacheFolder(tmp_path), path, "video", "raw", 0, 16000)
    for settings, clip in ((even, Clip(path, "p")), (timed, Clip(path, "p")), (timed, Clip(path, "p", start=0.71))):
        file, cache = (
            VideoReader(settings, CacheFolder(tmp_path / "none")),
            VideoReader(settings, CacheFolder(tmp_path)),
        )
        assert file.windows(clip) == cache.windows(clip)
        found = [reader.take(clip, [0.5], None) for reader in (file, cache)]
        read = [[number_of(picture) for picture in taken.samples[0].transpose(1, 2, 3, 0)] for taken in found]
        assert read[0] == read[1]
        assert found[0].warning == found[1].warning == ""
        if settings is even and "uneven" not in name:
            assert read[0] == numbers
            assert file.windows(clip) == 1
