"""One clock for each file: streams that begin late stay in step, starts are subtracted, and ends are the real ones."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from crossdistill.data.readers import AudioReader, CacheFolder, Clip, ReaderSettings, UnreadableError, VideoReader
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.clock import timing_of
from crossdistill.data.readers.inspection import inspect
from crossdistill.data.readers.opening import Kind, opened
from tests.data.clips import RATE, bars, number_of, tone, write_sound, write_video

FPS, LOUD = 25, 44100
CONTAINERS = ("a.mp4", "b.mov", "c.mkv", "d.ts", "e.flv")
PLAIN = ReaderSettings(frames=2, size=32, resize=32, mean=(0, 0, 0), std=(1, 1, 1), rate=RATE)


def flashes(frames: int, at: int) -> list[np.ndarray]:
    """Black pictures, a white one at a place."""
    return [np.full((32, 32, 3), 255 * (number == at), np.uint8) for number in range(frames)]


def beeps(seconds: float, at: float, rate: int = LOUD) -> np.ndarray:
    """Silence with 0.1 seconds of a tone at a time."""
    sound = np.zeros(round(seconds * rate), np.float32)
    begin = round(at * rate)
    sound[begin : begin + rate // 10] = tone(0.1, 1000.0, rate)
    return sound


def flash_time(path: Path, cache: CacheFolder, **segment: float) -> float:
    """When the white picture is shown, counted from the segment's start, by pictures at 50 a second."""
    with opened(path, "video") as file:
        seconds = min(segment.get("end", 100.0), timing_of(file).end) - segment.get("start", 0.0)
    settings = ReaderSettings(**{**vars(PLAIN), "fps": 50.0, "frames": int(seconds * 50)})
    sample = VideoReader(settings, cache).take(Clip(path, "p", **segment), [0.0], None).samples[0]
    return int(np.argmax(sample.mean((0, 2, 3)) > 127)) / 50


def beep_time(path: Path, cache: CacheFolder, **segment: float) -> float:
    sound = AudioReader(PLAIN, cache).take(Clip(path, "p", **segment), [0.0], None).samples[0, :, 0]
    return int(np.argmax(np.abs(sound) > 0.2)) / RATE


@pytest.mark.parametrize("late", ["sound", "pictures", "both"])
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_flash_and_a_beep_at_the_same_time_are_read_at_the_same_time(name: str, late: str, tmp_path: Path) -> None:
    """At 2 seconds; a stream begins 1 second late, or both do, and then that second is none of the file's."""
    path = tmp_path / name
    pictures_from, sound_from = 1.0 * (late != "sound"), 1.0 * (late != "pictures")
    frames = round((3 - pictures_from) * FPS)
    write_video(
        path,
        frames=flashes(frames, round((2 - pictures_from) * FPS)),
        sound=beeps(3 - sound_from, 2 - sound_from),
        times=[round(1000 * pictures_from) + 40 * number for number in range(frames)],
        sound_from=sound_from,
        sound_rate=LOUD,
    )
    for kind in ("video", "audio"):
        assert fill(CacheFolder(tmp_path), path, kind, "raw", 0, RATE)
    at = 1.0 if late == "both" else 2.0
    for cache in (CacheFolder(tmp_path / "none"), CacheFolder(tmp_path)):
        assert beep_time(path, cache) == pytest.approx(at, abs=0.06)  # priming of AAC, where a container keeps it
        assert flash_time(path, cache) == pytest.approx(beep_time(path, cache), abs=0.06)
        segment = {"start": at - 0.6, "end": at + 0.6}
        assert flash_time(path, cache, **segment) == pytest.approx(0.6, abs=0.06)
        assert beep_time(path, cache, **segment) == pytest.approx(0.6, abs=0.06)
    if late == "sound":
        before = AudioReader(PLAIN, CacheFolder(tmp_path / "none")).take(Clip(path, "p", end=0.8), [0.0], None)
        assert before.samples.shape == (1, round(0.8 * RATE), 1)
        assert not before.samples.any(), "silence before the sound begins"


@pytest.mark.parametrize("name", [*CONTAINERS, "f.webm"])
def test_a_segment_of_sound_is_that_part_of_the_whole(name: str, tmp_path: Path) -> None:
    rate = 48000 if name == "f.webm" else LOUD
    codec = "libvpx" if name == "f.webm" else "h264"
    path = write_video(tmp_path / name, codec, 60, sound=beeps(4, 1.73, rate), sound_rate=rate)
    reader = AudioReader(PLAIN, CacheFolder(tmp_path))
    whole = reader.take(Clip(path, "p"), [0.5], None).samples[0, :, 0]
    for start, end in ((1.5, 2.0), (1.7, 1.9), (3.0, 3.5)):
        part = reader.take(Clip(path, "p", start=start, end=end), [0.5], None).samples[0, :, 0]
        expected = whole[round(start * RATE) : round(end * RATE)]
        assert len(part) == len(expected)
        apart = [np.abs(np.roll(part, by) - expected)[2:-2].max() for by in (-1, 0, 1)]
        assert min(apart) < 0.1, "within a sample"


def test_a_gap_in_the_sound_is_silence(tmp_path: Path) -> None:
    """Half a second of a tone at 0, another at 1.5 seconds; segments that end, lie and begin in the gap."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE)
        stream.layout = "mono"
        for begin in (0.0, 1.5):
            samples = (tone(0.5)[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, round(begin * RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sound = AudioReader(PLAIN, CacheFolder(tmp_path)).take(Clip(path, "p"), [0.5], None).samples[0, :, 0]
    assert len(sound) == 2 * RATE
    loud = [np.abs(sound[round(t * RATE) : round((t + 0.3) * RATE)]).max() > 0.4 for t in (0.1, 0.7, 1.1, 1.6)]
    assert loud == [True, False, False, True]
    for start, end in ((0.2, 1.0), (0.8, 1.2), (0.9, 1.7)):
        part = AudioReader(PLAIN, CacheFolder(tmp_path)).take(Clip(path, "p", start=start, end=end), [0.5], None)
        expected = sound[round(start * RATE) : round(end * RATE)]
        np.testing.assert_allclose(part.samples[0, :, 0], expected, atol=1e-4)


def seconds_of(path: Path, kind: Kind) -> float:
    with opened(path, kind) as file:
        return timing_of(file).end


@pytest.mark.parametrize("name", [*CONTAINERS, "f.mkv"])
def test_a_start_is_subtracted_and_nothing_ends_early(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, times=[2000 + 40 * number for number in range(40)])
    reader = VideoReader(ReaderSettings(**{**vars(PLAIN), "frames": 8}), CacheFolder(tmp_path))
    assert seconds_of(path, "video") == pytest.approx(1.6, abs=0.01)
    assert reader.windows(Clip(path, "p")) == 5
    assert reader.take(Clip(path, "p"), [0.0], None).warning == ""
    assert inspect(path, "video", "none", 0, RATE).warning == ""
    with pytest.raises(UnreadableError, match=r"begins at 1\.7 s, the video ends at 1\.60 s"):
        reader.take(Clip(path, "p", start=1.7), [0.0], None)


@pytest.mark.parametrize("name", ["a.flv", "b.mkv", "c.webm", "d.ts", "e.mp4"])
def test_a_longer_sound_does_not_lengthen_the_video(name: str, tmp_path: Path) -> None:
    rate, codec = (48000, "libvpx") if name == "c.webm" else (LOUD, "h264")
    path = write_video(tmp_path / name, codec, 40, sound=tone(3.2, rate=rate), sound_rate=rate)
    reader = VideoReader(ReaderSettings(**{**vars(PLAIN), "frames": 8}), CacheFolder(tmp_path))
    assert reader.windows(Clip(path, "p")) == 5
    assert inspect(path, "video", "none", 0, RATE).warning == ""
    assert reader.take(Clip(path, "p"), [0.0, 1.0], None).warning == ""


@pytest.mark.parametrize("name", ["a.mpg", "b.ts", "c.mpeg"])
def test_estimated_lengths_are_not_believed(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, "mpeg2video", 90)
    assert seconds_of(path, "video") == pytest.approx(3.6, abs=0.01)


def id3(size: int) -> bytes:
    """A tag before the sound, of so many bytes."""
    return b"ID3\x04\x00\x00" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize("name", ["a.aac", "tagged.aac", "b.mp3", "bare.mp3", "c.mka"])
def test_sound_is_as_long_as_its_packets(name: str, tmp_path: Path) -> None:
    """Nearly nothing for 20 seconds, then noise: no mean bit rate tells the length from the size."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE)
    sound = np.concatenate([np.zeros(20 * RATE), noise]).astype(np.float32)
    path = write_sound(tmp_path / name, sound, "mp3" if name.endswith("mp3") else "aac")
    content = path.read_bytes()
    if name == "bare.mp3":  # without the frame that counts the others
        body = content[content.index(b"\xff", content.index(b"Info" if b"Info" in content[:400] else b"Xing") + 4) :]
        path.write_bytes(body[body.index(b"\xff\xf3") :])
    if name == "tagged.aac":
        path.write_bytes(id3(3000) + content)
    reader = AudioReader(ReaderSettings(rate=RATE, seconds=5.0), CacheFolder(tmp_path))
    assert reader.windows(Clip(path, "p")) == 8
    assert seconds_of(path, "audio") == pytest.approx(40, abs=0.2)
    found = inspect(path, "audio", "none", 0, RATE)
    assert (found.seconds, found.warning) == (pytest.approx(40, abs=0.2), "")
    assert fill(CacheFolder(tmp_path), path, "audio", "raw", 0, RATE)
    assert reader.windows(Clip(path, "p")) == 8


@pytest.mark.parametrize("name", ["a.mp4", "b.mov"])
def test_frames_after_the_end_that_the_header_declares_are_read(name: str, tmp_path: Path) -> None:
    """Its durations are those of an order of frames that reordering changes: 3.1 seconds, with frames up to 5."""
    times = [30 * number for number in range(10)] + [1000, 2000, 3000, 4000, 5000]
    path = write_video(tmp_path / name, frames=[bars(number, 32, 32) for number in range(15)], times=times)
    settings = ReaderSettings(**{**vars(PLAIN), "frames": 6, "fps": 1.0})
    for cached in (False, True):
        if cached:
            assert fill(CacheFolder(tmp_path), path, "video", "raw", 0, RATE)
        taken = VideoReader(settings, CacheFolder(tmp_path)).take(Clip(path, "p"), [0.0], None)
        assert [number_of(picture) for picture in taken.samples[0].transpose(1, 2, 3, 0)] == [0, 10, 11, 12, 13, 14]
        assert taken.warning == ""
    found = inspect(path, "video", "none", 0, RATE)
    assert found.seconds == pytest.approx(5.36, abs=0.01)
    assert found.frames == 15
    assert found.warning.startswith("its header says 3.10 seconds, but it goes on to 5.36")


@pytest.mark.parametrize("seconds", [0.4, 9.0])
def test_a_header_that_is_wrong_about_a_whole_file(seconds: float, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", "mpeg4", 100)
    content = bytearray(path.read_bytes())
    for place in (content.index(b"avih") + 24, content.index(b"strh") + 40):  # both lengths, in frames
        content[place : place + 4] = struct.pack("<I", round(seconds * FPS))
    path.write_bytes(content)
    assert seconds_of(path, "video") == pytest.approx(4.0, abs=0.01)
    warning = inspect(path, "video", "none", 0, RATE).warning
    assert warning.startswith("its header says 0.40" if seconds < 4 else "ends after 4.00 of 9.00")


def test_a_file_that_changes_is_measured_anew(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=20)
    assert seconds_of(path, "video") == pytest.approx(0.8, abs=0.01)
    write_video(path, frames=40)
    assert seconds_of(path, "video") == pytest.approx(1.6, abs=0.01)
