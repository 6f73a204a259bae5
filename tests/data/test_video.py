"""Clips of real encoded videos: which frames, which part of them, and what becomes of broken files."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data.loading import drawn_parts
from crossdistill.data.readers import CacheFolder, Clip, MediaColumn, ReaderSettings, UnreadableError, VideoReader
from crossdistill.data.readers.frames import Extent, centre_box, clip_times, inside, random_box
from crossdistill.data.readers.media import NoStreamError
from crossdistill.data.readers.orientation import Orientation
from crossdistill.data.reading import middle
from crossdistill.types import InputError, Pixels
from tests.data.clips import FPS, HEIGHT, WIDTH, bars, halved, number_of, sample_of, write_sound, write_video

PLAIN = ReaderSettings(frames=8, size=48, resize=48, least_area=1.0, mirror=False, mean=(0, 0, 0), std=(1, 1, 1))
WHOLE = Clip(Path(), "p")


def reader(folder: Path, **changes: object) -> VideoReader:
    return VideoReader(ReaderSettings(**{**vars(PLAIN), **changes}), CacheFolder(folder))  # type: ignore[arg-type]


def clip(path: Path, **changes: object) -> Clip:
    return Clip(path, "m.csv row 2", **changes)  # type: ignore[arg-type]


def square(number: int) -> np.ndarray:
    """Bars that are all there in the centre of a frame."""
    return bars(number, HEIGHT, HEIGHT)


def numbers(sample: np.ndarray) -> list[int]:
    return [number_of(picture) for picture in sample.transpose(1, 2, 3, 0)]


FORMATS = {
    "a.mp4": "h264",
    "b.avi": "mpeg4",
    "c.mkv": "h264",
    "d.webm": "libvpx",
    "e.webm": "libvpx-vp9",
    "f.mov": "h264",
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 square frames at 25 a second, a key frame each 12, in every container."""
    folder = tmp_path_factory.mktemp("videos")
    for name, codec in FORMATS.items():
        write_video(folder / name, codec, [square(number) for number in range(40)])
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_evaluation_takes_the_middle_and_training_any_run_of_frames(name: str, videos: Path) -> None:
    found = sample_of(reader(videos), clip(videos / name), None)
    assert found.sample.shape == (3, 8, 48, 48)
    assert found.sample.dtype == np.uint8
    assert found.warning == ""
    assert numbers(found.sample) == list(range(16, 24))
    starts = set()
    for draw in range(12):
        taken = numbers(sample_of(reader(videos), clip(videos / name), draw).sample)
        assert taken == list(range(taken[0], taken[0] + 8))
        starts.add(taken[0])
    assert len(starts) > 5


@pytest.mark.parametrize("name", FORMATS)
def test_stride_and_frame_rate(name: str, videos: Path) -> None:
    strided = numbers(sample_of(reader(videos, stride=3), clip(videos / name), None).sample)
    assert strided == list(range(strided[0], strided[0] + 24, 3))
    halved_rate = numbers(sample_of(reader(videos, fps=12.5), clip(videos / name), None).sample)
    assert halved_rate == list(range(halved_rate[0], halved_rate[0] + 16, 2))
    doubled = numbers(sample_of(reader(videos, fps=50), clip(videos / name, start=0.2, end=0.36), None).sample)
    assert doubled == [5, 5, 6, 6, 7, 7, 8, 8]


@pytest.mark.parametrize("name", FORMATS)
def test_segments_and_what_is_shorter_than_a_clip(name: str, videos: Path) -> None:
    segment = clip(videos / name, start=1.0, end=1.12)
    for draw in (None, 5):
        assert numbers(sample_of(reader(videos), segment, draw).sample) == [25, 26, 27, 25, 26, 27, 25, 26]
    inside_segment = clip(videos / name, start=0.4, end=0.8)
    taken = {n for draw in range(20) for n in numbers(sample_of(reader(videos), inside_segment, draw).sample)}
    assert taken == set(range(10, 20))
    with pytest.raises(UnreadableError, match=r"begins at 2 s, the video ends at 1\.6"):
        sample_of(reader(videos), clip(videos / name, start=2.0, end=3.0), None)


def test_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=[square(77)])
    assert numbers(sample_of(reader(tmp_path), clip(tmp_path / "a.mp4"), 3).sample) == [77] * 8


def test_variable_frame_rate_goes_by_time(tmp_path: Path) -> None:
    """Twenty frames 20 ms apart, then twenty 80 ms apart."""
    times = [20 * n for n in range(20)] + [400 + 80 * n for n in range(20)]
    for name in ("a.mp4", "b.mkv"):
        write_video(tmp_path / name, frames=[square(n) for n in range(40)], times=times)
        taken = numbers(sample_of(reader(tmp_path, fps=12.5), clip(tmp_path / name, end=0.62), None).sample)
        assert taken == [0, 4, 8, 12, 16, 20, 21, 22]


def test_a_file_that_says_no_frame_rate(tmp_path: Path) -> None:
    """Browsers' recordings: FFmpeg guesses the rate of the clock, 1000 a second."""
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx")
        stream.width = stream.height = 48
        stream.codec_context.time_base, stream.codec_context.framerate = Fraction(1, 1000), Fraction(0, 1)
        for number, time in enumerate(np.random.default_rng(0).integers(25, 45, 60).cumsum()):
            frame = av.VideoFrame.from_ndarray(square(number), format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate is None
    assert reader(tmp_path).windows(clip(path)) == 60 // PLAIN.frames
    shown = numbers(sample_of(reader(tmp_path), clip(path), None).sample)
    assert shown[-1] - shown[0] == pytest.approx(PLAIN.frames - 1, abs=1)


@pytest.mark.parametrize("name", ["12:30.mp4", "concat:a.mp4", "http:a.mp4", "-a.mp4", "a, 'b' #1 %03d.mp4", "[ü].mp4"])
def test_any_name_of_a_file_in_the_working_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mkv", frames=[square(number) for number in range(8)]).rename(name)
    shown = sample_of(reader(Path()), clip(Path(name)), None)
    assert numbers(shown.sample) == list(range(8))


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_telephone_s_rotation_is_honoured(degrees: int, tmp_path: Path) -> None:
    upright = bars(0b00101101, 64, 32)  # shown: 64 wide, 32 high
    stored = np.rot90(upright, -degrees // 90)
    write_video(tmp_path / "a.mp4", frames=[np.ascontiguousarray(stored)] * 3, rotation=degrees)
    whole = sample_of(reader(tmp_path, size=32, resize=32), clip(tmp_path / "a.mp4", crop=(0, 0, 0.5, 1)), None)
    assert np.abs(whole.sample[:, 0].transpose(1, 2, 0) * 255 - upright[:, :32]).mean() < 8
    right = sample_of(reader(tmp_path, size=32, resize=32), clip(tmp_path / "a.mp4", crop=(0.5, 0, 0.5, 1)), None)
    assert np.abs(right.sample[:, 0].transpose(1, 2, 0) * 255 - upright[:, 32:]).mean() < 8


def test_the_crop_of_a_row_and_the_centre_of_a_frame(tmp_path: Path) -> None:
    """Four colours in the quarters of the frame."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:], picture[32:, :32], picture[32:, 32:] = 40, 90, 150, 220
    path = write_video(tmp_path / "a.mp4", frames=[picture] * 4)
    for crop, level in {(0, 0, 0.5, 0.5): 40, (0.5, 0, 0.5, 0.5): 90, (0, 0.5, 0.5, 0.5): 150}.items():
        for draw in (None, 1):
            part = sample_of(reader(tmp_path, size=16, resize=24), clip(path, crop=crop), draw).sample
            assert abs(part[:, :, 2:-2, 2:-2].mean() - level) < 6
    centre = sample_of(reader(tmp_path, size=32, resize=64), clip(path), None).sample[0, 0]
    assert [round(centre[y, x] / 10) for y, x in ((4, 4), (4, 28), (28, 4), (28, 28))] == [4, 9, 15, 22]


def test_normalisation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=[np.full((48, 48, 3), 128, np.uint8)] * 4)
    settings = ReaderSettings(frames=2, size=32, resize=32)
    column = MediaColumn([clip(path)], VideoReader(settings, CacheFolder(tmp_path)))
    found = column.fetch(np.zeros(1, dtype=np.int64))[0]
    for colour in range(3):
        expected = (128 / 255 - settings.mean[colour]) / settings.std[colour]
        np.testing.assert_allclose(found[colour], expected, atol=0.05)


def test_every_byte_becomes_one_float32_number_which_is_0_where_nothing_was_read() -> None:
    mean, std = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
    values = np.arange(256, dtype=np.uint8)[None, None].repeat(2, 0).repeat(3, 1)
    numbers = Pixels(torch.from_numpy(values), torch.tensor([True, False]), mean, std).numbers().numpy()
    for colour in range(3):
        scale, shift = np.float32(1 / (255 * std[colour])), np.float32(mean[colour] / std[colour])
        assert numbers[0, colour].tolist() == [np.float32(byte) * scale - shift for byte in range(256)]
    assert not numbers[1].any()


def test_training_mirrors_half_of_the_clips_and_crops_at_random(videos: Path) -> None:
    train = reader(videos, mirror=True)
    forward, mirrored = 0, 0
    for draw in range(40):
        taken = sample_of(train, clip(videos / "a.mp4", start=0.2, end=0.24), draw).sample  # number 5, 10100000 in bars
        found = numbers(taken)[0]
        forward, mirrored = forward + (found == 5), mirrored + (found == 0b10100000)
    assert forward + mirrored == 40
    assert 10 < mirrored < 30
    crops = [sample_of(reader(videos, least_area=0.25), clip(videos / "a.mp4"), draw).sample for draw in range(4)]
    assert len({crop.tobytes() for crop in crops}) == 4


def test_a_draw_decides_everything(videos: Path) -> None:
    train = reader(videos, least_area=0.25, mirror=True)
    for draw in (0, 1, 2**64 - 1):
        first, again = (sample_of(train, clip(videos / "a.mp4"), draw).sample for _ in range(2))
        assert np.array_equal(first, again)
    plain = [sample_of(train, clip(videos / "a.mp4"), None).sample for _ in range(2)]
    assert np.array_equal(*plain)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("b.webm", "libvpx")])
def test_a_file_that_ends_early_gives_what_there_is_and_says_so(name: str, codec: str, tmp_path: Path) -> None:
    path = halved(write_video(tmp_path / name, codec, [square(n) for n in range(120)], faststart=name == "a.mp4"))
    train = reader(tmp_path)
    taken, warnings = set(), set()
    for draw in [None, *range(15)]:
        found = sample_of(train, clip(path), draw)
        ran = numbers(found.sample)
        assert ran == list(range(ran[0], ran[0] + 8)), "frames that are there, none repeated"
        taken |= set(ran)
        warnings.add(found.warning)
    assert 20 < max(taken) < 90
    (said,) = warnings - {""}
    assert "ends after" in said
    assert "of 4.80 seconds" in said
    column = MediaColumn([clip(path)] * 15, train, strict=True)
    with pytest.raises(InputError, match=rf"m\.csv row 2: .*{name}: ends after"):
        column.read(np.arange(15), drawn_parts(0, 0, np.arange(15)))


BROKEN = {
    "half.mp4": lambda path: halved(write_video(path)),  # its index is at the end
    "empty.mp4": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("Once upon a time\n" * 50),
    "noise.avi": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_an_absent_sample_and_a_note_or_an_error(name: str, tmp_path: Path) -> None:
    BROKEN[name](tmp_path / name)
    good = write_video(tmp_path / "good.mp4")
    clips = [clip(good), clip(tmp_path / name)]
    found = MediaColumn(clips, reader(tmp_path, mean=(0.4, 0.4, 0.4))).read(np.array([1, 0, 1]), middle(3))
    assert found.present.tolist() == [False, True, False]
    assert not found.numbers[[0, 2]].any()  # type: ignore[index]
    assert all(note.skipped and name in note.text and "\n" not in note.text for note in found.notes)
    with pytest.raises(InputError, match=rf"^m\.csv row 2: .*{name}: cannot read it as a media file"):
        MediaColumn(clips, reader(tmp_path), strict=True).read(np.array([1]), middle(1))


@pytest.mark.parametrize("box", ["hdlr", "mdhd", "stts", "stsd", "avc1", "stsz", "stco"])
def test_a_file_cut_inside_its_header_or_with_a_box_that_nobody_knows(box: str, tmp_path: Path) -> None:
    content = write_video(tmp_path / "good.mp4", faststart=True).read_bytes()
    place = content.index(box.encode())
    damaged = [content[: place + more] for more in (0, 8, 40)] + [content.replace(box.encode(), b"zzzz")]
    for number, bad in enumerate(damaged):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(bad)
        read = MediaColumn([clip(path), clip(tmp_path / "good.mp4")], reader(tmp_path)).read(np.arange(2), middle(2))
        assert read.present[1]
        assert read.present[0] or [note.skipped for note in read.notes] == [True]
        assert "\n" not in "".join(note.text for note in read.notes)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("b.mkv", "h264"), ("c.avi", "mpeg4")])
def test_tags_in_no_known_encoding(name: str, codec: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, codec, [square(number) for number in range(8)])
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    assert numbers(sample_of(reader(tmp_path), clip(path), None).sample) == list(range(8))


def test_damaged_data_in_a_whole_container(tmp_path: Path) -> None:
    """The index is there; the pictures are noise."""
    path = write_video(tmp_path / "a.avi", "mpeg4", 40)
    content = bytearray(path.read_bytes())
    begin, end = content.index(b"movi") + 12, content.index(b"idx1")
    content[begin:end] = bytes(end - begin)
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableError, match="no video frame can be decoded"):
        sample_of(reader(tmp_path), clip(path), None)


def test_a_sound_file_has_no_pictures(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", np.zeros(1000))
    with pytest.raises(NoStreamError, match="no video stream"):
        sample_of(reader(tmp_path), clip(tmp_path / "a.wav"), None)


settings_of = st.builds(
    ReaderSettings,
    frames=st.integers(1, 40),
    stride=st.integers(1, 8),
    fps=st.sampled_from([0.0, 1.0, 8.0, 30.0]),
)


@given(settings_of, st.integers(1, 500), st.sampled_from([24.0, 25.0, 29.97, 60.0]), st.floats(0, 1, exclude_max=True))
def test_times_are_inside_and_evenly_spaced(settings: ReaderSettings, count: int, fps: float, position: float) -> None:
    extent = Extent(3.0, 3.0 + count / fps, 1 / fps)
    times = clip_times(extent, settings, position)
    assert len(times) == settings.frames
    assert min(times) >= 3.0
    assert max(times) < extent.end
    step = 1 / settings.fps if settings.fps else settings.stride / fps
    steps = np.diff(times)
    assert np.allclose(steps[steps > 0], step), "all steps but those back to the start are the same"
    if (settings.frames - 1) * step + 1 / fps <= count / fps:
        assert (steps > 0).all(), "what is long enough is not looped"
    if settings.fps == 0:
        frames = (np.array(times) - 3.0) * fps
        assert np.allclose(frames, frames.round(), atol=1e-6)


def test_every_first_frame_is_equally_likely() -> None:
    extent, settings = Extent(0.0, 20 / FPS, 1 / FPS), ReaderSettings(frames=8)
    first = [round(clip_times(extent, settings, position)[0] * FPS) for position in np.linspace(0, 1, 1300, False)]
    assert np.bincount(first).tolist() == [100] * 13
    assert clip_times(extent, settings, 1.0)[0] == pytest.approx(12 / FPS), "the last place, not beyond it"


@given(st.integers(8, 400), st.integers(8, 400), st.floats(0.05, 1), st.integers(0, 2**32))
def test_random_crops_are_of_the_area_and_shape_that_they_should_be(w: int, h: int, least: float, seed: int) -> None:
    left, top, width, height = random_box(w, h, ReaderSettings(least_area=least), np.random.default_rng(seed))
    assert min(left, top) >= 0
    assert max(left + width, top + height) <= 1 + 1e-9
    shape = width * w / (height * h)
    assert 3 / 4 - 1e-9 <= shape <= 4 / 3 + 1e-9
    if 3 / 4 <= w / h <= 4 / 3:
        assert width * height >= least - 1e-9


def test_the_areas_of_random_crops_are_uniform() -> None:
    random = np.random.default_rng(0)
    boxes = [random_box(100, 100, ReaderSettings(), random) for _ in range(2000)]
    areas = np.array([w * h for _, _, w, h in boxes])
    kept = areas[areas < 0.75]  # larger ones do not fit in every shape and are drawn again
    assert abs(kept.mean() - 0.5) < 0.02
    assert math.isclose(kept.min(), 0.25, abs_tol=0.01)


@given(st.integers(10, 300), st.integers(10, 300))
def test_the_centre_is_a_square_in_the_middle(w: int, h: int) -> None:
    left, top, width, height = centre_box(w, h, ReaderSettings(size=112, resize=128))
    assert width * w == pytest.approx(height * h)
    assert width * w == pytest.approx(min(w, h) * 112 / 128)
    assert (left + width / 2, top + height / 2) == pytest.approx((0.5, 0.5))


boxes = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.1, 0.5), st.floats(0.1, 0.5))


@given(boxes, st.integers(0, 3), st.booleans())
def test_a_box_of_the_shown_picture_is_the_same_part_of_the_stored_one(
    box: tuple[float, float, float, float], quarters: int, mirrored: bool
) -> None:
    stored, orientation = np.arange(100 * 100).reshape(100, 100), Orientation(quarters, mirrored)
    left, top, w, h = (round(100 * v) for v in box)
    part = orientation.shown(stored)[top : top + h, left : left + w]
    x, y, width, height = (round(100 * v) for v in orientation.stored((left / 100, top / 100, w / 100, h / 100)))
    assert np.array_equal(orientation.shown(stored[y : y + height, x : x + width]), part)


def test_a_box_inside_a_box() -> None:
    assert inside((0.5, 0.0, 0.5, 1.0), (0.5, 0.25, 0.5, 0.5)) == (0.75, 0.25, 0.25, 0.5)
    assert WIDTH > HEIGHT
