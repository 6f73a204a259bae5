"""Windows that do not overlap: how many there are, where they lie, and that one pass reads what each alone would."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data import from_arrays, with_control
from crossdistill.data.loading import evaluation_batches, windows_of
from crossdistill.data.readers import AudioReader, CacheFolder, Clip, MediaColumn, ReaderSettings, VideoReader
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.frames import Extent, clip_times, window_count
from crossdistill.data.reading import PartialColumn, Parts, middle
from tests.data.clips import RATE, bars, number_of, tone, write_sound, write_video

PLAIN = ReaderSettings(frames=8, size=48, resize=48, least_area=1.0, mirror=False, mean=(0, 0, 0), std=(1, 1, 1))
FORMATS = {"a.mp4": "h264", "b.avi": "mpeg4", "c.mkv": "h264", "d.webm": "libvpx"}


@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 4), st.integers(0, 60), st.sampled_from([24, 25, 29.97]))
def test_as_many_as_fit_and_none_overlap(length: int, frames: int, stride: int, start: int, rate: float) -> None:
    """A window takes `frames` x `stride` frames of the file: its own and those left out after each."""
    settings = ReaderSettings(frames=frames, stride=stride)
    extent = Extent(start / rate, (start + length) / rate, 1 / rate)
    count = window_count(extent, settings)
    assert count == max(1, length // (frames * stride))
    ends = -1
    for position in np.linspace(0, 1, count) if count > 1 else [0.5]:
        taken = [round(time * rate) - start for time in clip_times(extent, settings, position)]
        assert min(taken) > ends
        assert max(taken) < length
        ends = max(taken)
    if count > 1:
        assert round(clip_times(extent, settings, 0)[0] * rate) == start
        assert ends == length - 1, "from the first frame to the last"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, codec in FORMATS.items():
        write_video(folder / name, codec, [bars(number, 48, 48) for number in range(43)])
    return folder


def numbers(samples: np.ndarray) -> list[list[int]]:
    return [[number_of(picture) for picture in sample.transpose(1, 2, 3, 0)] for sample in samples]


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_one_pass_reads_what_each_window_alone_would(name: str, cached: bool, videos: Path, tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path)
    if cached:
        fill(cache, videos / name, "video", "raw", 0, RATE)
    reader, clip = VideoReader(PLAIN, cache), Clip(videos / name, "row 2")
    assert reader.windows(clip) == 5
    positions = np.linspace(0, 1, 5).tolist()
    found = reader.take(clip, positions, None)
    alone = [reader.take(clip, [position], None).samples[0] for position in positions]
    assert np.array_equal(found.samples, np.stack(alone))
    shown = numbers(found.samples)
    assert [window[0] for window in shown] == [0, 9, 18, 27, 35], "43 frames: 3 are left over, 8 to a window"
    assert all(window == list(range(window[0], window[0] + 8)) for window in shown)
    few = reader.take(clip, [0.0, 1.0], None)
    assert numbers(few.samples) == [list(range(8)), list(range(35, 43))]
    short = VideoReader(ReaderSettings(**{**vars(PLAIN), "frames": 2}), cache)
    assert numbers(short.take(clip, [0.0, 1.0], None).samples) == [[0, 1], [41, 42]], "far apart: each is sought"


LOOPED = ReaderSettings(**{**vars(PLAIN), "last_window": "looped"})  # type: ignore[arg-type]


@pytest.mark.parametrize("cached", [False, True])
def test_windows_one_after_the_other_with_the_last_one_looped(cached: bool, videos: Path, tmp_path: Path) -> None:
    """43 frames, 8 to a window: what is left over, 3 frames, is a window, too."""
    cache = CacheFolder(tmp_path)
    if cached:
        fill(cache, videos / "a.mp4", "video", "raw", 0, RATE)
    reader, clip = VideoReader(LOOPED, cache), Clip(videos / "a.mp4", "row 2")
    assert reader.windows(clip) == 6
    found = numbers(reader.take(clip, np.linspace(0, 1, 6).tolist(), None).samples)
    assert found == [list(range(n, n + 8)) for n in range(0, 40, 8)] + [[40, 41, 42, 40, 41, 42, 40, 41]]
    short = Clip(videos / "a.mp4", "row 2", end=0.64)
    assert reader.windows(short) == 2
    assert numbers(reader.take(short, [0.0, 1.0], None).samples) == [list(range(8)), list(range(8, 16))]
    training = [numbers(reader.take(clip, [position], 3).samples)[0] for position in (0.0, 0.5, 0.999)]
    plain = VideoReader(PLAIN, cache)
    assert training == [numbers(plain.take(clip, [position], 3).samples)[0] for position in (0.0, 0.5, 0.999)]


def test_the_paper_s_protocol_for_forty_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", "mpeg4", [bars(number, 48, 48) for number in range(40)])
    settings = ReaderSettings(**{**vars(LOOPED), "frames": 16})  # type: ignore[arg-type]
    reader = VideoReader(settings, CacheFolder(tmp_path))
    assert reader.windows(Clip(path, "p")) == 3
    found = numbers(reader.take(Clip(path, "p"), [0.0, 0.5, 1.0], None).samples)
    assert found == [list(range(16)), list(range(16, 32)), list(range(32, 40)) * 2]


def test_windows_of_sound_one_after_the_other(tmp_path: Path) -> None:
    sound = np.arange(2.6 * RATE, dtype=np.float32) / (3 * RATE)
    path = write_sound(tmp_path / "a.wav", sound, "pcm_f32le")
    reader = AudioReader(ReaderSettings(rate=RATE, seconds=1.0, last_window="looped"), CacheFolder(tmp_path))
    assert reader.windows(Clip(path, "p")) == 3
    found = reader.take(Clip(path, "p"), [0.0, 0.5, 1.0], None).samples[..., 0]
    np.testing.assert_allclose(found[1], sound[RATE : 2 * RATE], atol=1e-6)
    np.testing.assert_allclose(found[2], np.resize(sound[2 * RATE :], RATE), atol=1e-6)


def test_windows_of_a_segment_and_of_a_short_or_broken_file(videos: Path, tmp_path: Path) -> None:
    reader = VideoReader(PLAIN, CacheFolder(tmp_path))
    assert reader.windows(Clip(videos / "a.mp4", "", start=0.4, end=1.04)) == 2
    assert reader.windows(Clip(videos / "a.mp4", "", start=0.4, end=0.5)) == 1
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    column = MediaColumn([Clip(tmp_path / "broken.mp4", "row 2"), Clip(videos / "a.mp4", "row 3")], reader)
    assert column.windows(np.array([1, 0, 1])).tolist() == [5, 1, 5]
    read = column.read(np.array([1, 1, 0, 0, 1]), Parts(np.array([0.0, 1, 0, 1, 0.5])))
    assert read.present.tolist() == [True, True, False, False, True]
    assert [window[0] for window in numbers(read.numbers.numpy()[[0, 1, 4]])] == [0, 35, 18]  # type: ignore[union-attr]
    assert len(read.notes) == 1, "one line for both windows of the broken file"


def test_a_file_that_ends_early_has_the_windows_of_what_is_there(videos: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=[bars(n, 48, 48) for n in range(200)], faststart=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = VideoReader(PLAIN, CacheFolder(tmp_path)).take(Clip(path, ""), [0.0, 0.5, 1.0], None)
    shown = numbers(found.samples)
    assert found.warning.startswith("ends after")
    assert shown[0] == list(range(8))
    assert shown[1] == list(range(shown[1][0], shown[1][0] + 8))
    assert shown[1][0] > 7
    assert shown[2] == sorted(shown[2]), "where it breaks off some frames are missing among others"
    assert shown[1][7] < shown[2][0] < 90


def test_windows_of_sound_whose_length_no_header_says(tmp_path: Path) -> None:
    """As browsers record it."""
    with av.open(str(tmp_path / "a.webm"), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(2.1)[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration is None
    half = AudioReader(ReaderSettings(rate=RATE, seconds=0.5), CacheFolder(tmp_path))
    assert half.windows(Clip(tmp_path / "a.webm", "")) == 4
    assert half.windows(Clip(tmp_path / "a.webm", "", start=0.5, end=1.7)) == 2


def test_windows_of_sound(tmp_path: Path) -> None:
    sound = np.concatenate([tone(0.5, hertz) for hertz in (300, 600, 1200, 2400)])
    path = write_sound(tmp_path / "a.wav", sound)
    half = AudioReader(ReaderSettings(rate=RATE, seconds=0.5), CacheFolder(tmp_path))
    assert half.windows(Clip(path, "")) == 4
    assert half.windows(Clip(path, "", start=0.5, end=1.7)) == 2
    found = half.take(Clip(path, ""), np.linspace(0, 1, 4).tolist(), None).samples
    assert np.allclose(found[..., 0], sound.reshape(4, -1), atol=1e-3)
    whole = AudioReader(ReaderSettings(rate=RATE), CacheFolder(tmp_path))
    assert whole.windows(Clip(path, "")) == 1
    assert whole.take(Clip(path, ""), [0.0, 1.0], None).samples.shape == (2, len(sound), 1), "all of it at each place"


def dataset_of(videos: Path, names: list[str]):
    """`face`: videos, `pose`: vectors that say their row."""
    count = len(names)
    dataset = from_arrays({"pose": np.arange(count)[:, None]}, [0] * count, splits=np.zeros(count, bool))
    clips = [Clip(videos / name, name) for name in names]
    dataset.columns["face"] = MediaColumn(clips, VideoReader(PLAIN, CacheFolder(videos)))
    return dataset


def test_rows_and_positions_of_all_windows_of_some_and_of_the_middle_alone(videos: Path, tmp_path: Path) -> None:
    write_video(videos / "short.mp4", frames=9)
    dataset = dataset_of(videos, ["a.mp4", "short.mp4", "b.avi"])
    order = np.array([2, 1, 0])
    rows, positions = windows_of(dataset, order, ["face"], 0)
    assert rows.tolist() == [2] * 5 + [1] + [0] * 5
    assert positions.tolist() == [0, 0.25, 0.5, 0.75, 1, 0.5, 0, 0.25, 0.5, 0.75, 1]
    rows, positions = windows_of(dataset, order, ["face"], 2)
    assert (rows.tolist(), positions.tolist()) == ([2, 2, 1, 0, 0], [0, 1, 0.5, 0, 1])
    for most, modalities in ((1, ["face"]), (0, ["pose"])):
        rows, positions = windows_of(dataset, order, modalities, most)
        assert (rows.tolist(), positions.tolist()) == ([2, 1, 0], [0.5, 0.5, 0.5])
    rows, _ = windows_of(dataset, order, ["pose", "face"], 0)
    assert len(rows) == 11, "of the modality that has most"
    assert len(windows_of(dataset, order[:0], ["face"], 0)[0]) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_windows(workers: int, videos: Path) -> None:
    """A batch may end between two windows of a sample; other modalities are repeated with each window."""
    dataset = dataset_of(videos, ["a.mp4", "c.mkv"])
    rows, positions = windows_of(dataset, np.array([1, 0]), ["face"], 0)
    batches = list(evaluation_batches(dataset, rows, positions, 4, workers))
    assert [batch.rows.tolist() for batch in batches] == [[1, 1, 1, 1], [1, 0, 0, 0], [0, 0]]
    assert all(batch.pixels["face"].values.dtype == torch.uint8 for batch in batches), "bytes, from workers too"
    shown = [window[0] for batch in batches for window in numbers(batch.to("cpu").modalities["face"].numpy())]  # type: ignore[union-attr]
    assert shown == [0, 9, 18, 27, 35] * 2
    assert torch.cat([batch.modalities["pose"][:, 0] for batch in batches]).tolist() == rows.tolist()


def test_columns_around_a_column_count_its_windows(videos: Path) -> None:
    write_video(videos / "short.mp4", frames=9)
    inner = dataset_of(videos, ["a.mp4", "short.mp4"]).columns["face"]
    gaps = PartialColumn(inner, np.array([False, True, True, False]))
    dataset = from_arrays({"pose": np.zeros((4, 1))}, [0] * 4, splits=np.zeros(4, bool))
    dataset.columns["face"] = gaps
    assert dataset.windows(np.array([1, 2, 0]), ["face"]).tolist() == [5, 1, 1]
    for control in ("shuffled", "noise"):
        other = with_control(dataset, control, ["pose"], ["face"], seed=1)  # type: ignore[arg-type]
        assert sorted(other.windows(np.arange(4), ["face"]).tolist()) == [1, 1, 1, 5]
        absent = ~other.columns["face"].read(np.arange(4), middle(4)).present  # type: ignore[union-attr]
        assert (other.windows(np.arange(4), ["face"])[absent] == 1).all()
