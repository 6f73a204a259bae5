"""Sound of real files: mono, at the rate that is asked for, of a segment; and what becomes of broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdistill.data.readers import AudioReader, CacheFolder, Clip, MediaColumn, ReaderSettings, UnreadableError
from crossdistill.data.readers.inspection import inspect
from crossdistill.data.readers.media import NoStreamError
from crossdistill.data.reading import middle
from crossdistill.types import InputError, Padded
from tests.data.clips import RATE, halved, sample_of, tone, write_sound, write_video

FILES = {"a.wav": "pcm_s16le", "b.flac": "flac", "c.ogg": "libopus", "d.m4a": "aac"}


def reader(folder: Path, rate: int = RATE, seconds: float = 0.0) -> AudioReader:
    return AudioReader(ReaderSettings(rate=rate, seconds=seconds), CacheFolder(folder))


def clip(path: Path, **changes: object) -> Clip:
    return Clip(path, "m.csv row 2", **changes)  # type: ignore[arg-type]


def hertz(samples: np.ndarray, rate: int) -> float:
    """Of the loudest tone."""
    spectrum = np.abs(np.fft.rfft(samples.ravel() * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * rate / samples.size)


def rising() -> np.ndarray:
    """Two seconds: 400 Hz, 800 Hz, 1200 Hz, 1600 Hz, half a second each."""
    return np.concatenate([tone(0.5, 400 * step) for step in (1, 2, 3, 4)])


@pytest.mark.parametrize("rate", [16000, 32000, 8000])
@pytest.mark.parametrize("name", FILES)
def test_every_format_at_every_rate(name: str, rate: int, tmp_path: Path) -> None:
    write_sound(tmp_path / name, tone(2.0, 440), FILES[name])
    found = sample_of(reader(tmp_path, rate), clip(tmp_path / name), None)
    assert found.warning == ""
    assert found.sample.dtype == np.float32
    assert found.sample.shape[1] == 1
    assert len(found.sample) == pytest.approx(2 * rate, abs=0.12 * rate)  # codecs add a little silence
    middle = found.sample[rate // 2 : -rate // 2]
    assert abs(hertz(middle, rate) - 440) < 2
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


def test_resampling_keeps_the_wave(tmp_path: Path) -> None:
    """Against the tone itself, sampled at the other rate."""
    write_sound(tmp_path / "a.wav", tone(1.0, 440), codec="pcm_f32le")
    for rate in (16000, 32000):
        found = sample_of(reader(tmp_path, rate), clip(tmp_path / "a.wav"), None).sample[:, 0]
        assert abs(len(found) - rate) <= 2
        inner = slice(rate // 10, -rate // 10)
        np.testing.assert_allclose(found[: rate - 2][inner], tone(1.0, 440, rate)[: rate - 2][inner], atol=2e-3)


def test_two_channels_become_one(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", np.stack([tone(0.5), -tone(0.5)]))
    assert np.abs(sample_of(reader(tmp_path), clip(tmp_path / "a.wav"), None).sample).max() < 1e-3


LAYOUTS = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "5.0": 5, "5.1": 6, "6.1": 7, "7.1": 8}


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mka", "pcm_f32le")])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_level_does_not_depend_on_the_number_of_channels(
    layout: str, name: str, codec: str, tmp_path: Path
) -> None:
    """The mean of the channels: a tone in all of them keeps its level, one in the last alone is as much softer."""
    channels = LAYOUTS[layout]
    for heard in (channels, 1):
        samples = np.zeros((channels, RATE // 2), np.float32)
        samples[-heard:] = tone(0.5)
        path = write_sound(tmp_path / name, samples, codec, layout=layout)
        for rate in (RATE, 32000):
            found = sample_of(reader(tmp_path, rate), clip(path), None).sample
            level = np.sqrt((found[rate // 10 : -rate // 10] ** 2).mean())
            assert level == pytest.approx(0.5 / np.sqrt(2) * heard / channels, rel=0.005)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "mp3"), ("a.aac", "aac")])
def test_rate_and_channels_may_change_on_the_way(name: str, codec: str, tmp_path: Path) -> None:
    first = write_sound(tmp_path / f"1{name}", tone(1.0, 400), codec).read_bytes()
    second = write_sound(tmp_path / f"2{name}", np.stack([tone(1.0, 800, 44100)] * 2), codec, 44100).read_bytes()
    (tmp_path / name).write_bytes(first + second)
    found = sample_of(reader(tmp_path), clip(tmp_path / name), None).sample
    assert len(found) == pytest.approx(2 * RATE, abs=0.2 * RATE)
    assert abs(hertz(found[2000:14000], RATE) - 400) < 3
    assert abs(hertz(found[-14000:-2000], RATE) - 800) < 3


@pytest.mark.parametrize("name", ["a.wav", "b.flac", "d.m4a", "e.mp4", "f.webm"])
def test_segments(name: str, tmp_path: Path) -> None:
    if name in FILES:
        path = write_sound(tmp_path / name, rising(), FILES[name])
    else:
        path = write_video(tmp_path / name, "h264" if name == "e.mp4" else "libvpx", 50, sound=rising())
    for step, start in enumerate((0.0, 0.5, 1.0, 1.5)):
        part = sample_of(reader(tmp_path), clip(path, start=start + 0.1, end=start + 0.4), None).sample
        assert len(part) == pytest.approx(0.3 * RATE, abs=2)
        assert abs(hertz(part, RATE) - 400 * (step + 1)) < 5
    with pytest.raises(UnreadableError, match=r"can be decoded|begins at 9 s"):
        sample_of(reader(tmp_path), clip(path, start=9, end=10), None)


def test_seconds_are_drawn_in_training_and_the_middle_ones_in_evaluation(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", rising())
    part = reader(tmp_path, seconds=0.5)
    assert part.shape == (RATE // 2, 1)
    middle = sample_of(part, clip(path), None).sample
    np.testing.assert_allclose(middle[:, 0], rising()[3 * RATE // 4 : 5 * RATE // 4], atol=1e-3)
    tones = {round(hertz(sample_of(part, clip(path), draw).sample, RATE) / 400) for draw in range(20)}
    assert tones == {1, 2, 3, 4}
    assert np.array_equal(sample_of(part, clip(path), 7).sample, sample_of(part, clip(path), 7).sample)


def test_what_is_shorter_is_looped(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.25))
    found = sample_of(reader(tmp_path, seconds=0.6), clip(path), 3).sample[:, 0]
    assert len(found) == round(0.6 * RATE)
    assert np.array_equal(found[: RATE // 4], found[RATE // 4 : RATE // 2])


def test_sounds_of_different_length_are_padded(tmp_path: Path) -> None:
    clips = [clip(write_sound(tmp_path / f"{n}.wav", tone(0.1 * (n + 1)))) for n in range(3)]
    found = MediaColumn(clips, reader(tmp_path)).read(np.array([2, 0]), middle(2))
    assert isinstance(found.modality, Padded)
    assert found.modality.lengths.tolist() == [4800, 1600]
    assert found.modality.values.shape == (2, 4800, 1)


def test_a_video_without_sound_lacks_the_modality(tmp_path: Path) -> None:
    """Which is no damage, so nothing is skipped, and being strict about damage changes nothing."""
    silent, heard = write_video(tmp_path / "a.mp4"), write_video(tmp_path / "b.mp4", sound=tone())
    for strict in (False, True):
        found = MediaColumn([clip(silent), clip(heard)], reader(tmp_path), strict).read(np.arange(2), middle(2))
        assert found.present.tolist() == [False, True]
        (note,) = found.notes
        assert not note.skipped
        assert "a.mp4: has no audio stream; the sample lacks this modality" in note.text
    with pytest.raises(NoStreamError):
        sample_of(reader(tmp_path), clip(silent), None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers(bad: float, tmp_path: Path) -> None:
    samples = tone()
    samples[9000] = bad
    path = write_sound(tmp_path / "a.wav", samples, codec="pcm_f32le")
    with pytest.raises(UnreadableError, match="NaN or infinity"):
        sample_of(reader(tmp_path, 32000), clip(path), None)
    with pytest.raises(InputError, match=r"m\.csv row 2: .*a\.wav: holds NaN"):
        MediaColumn([clip(path)], reader(tmp_path), strict=True).read(np.array([0]), middle(1))


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("Once upon a time\n" * 50)
    (tmp_path / "empty.mp3").write_bytes(b"")
    for name in ("text.wav", "empty.mp3"):
        with pytest.raises(UnreadableError, match="cannot read it as a media file"):
            sample_of(reader(tmp_path), clip(tmp_path / name), None)


def test_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    path = halved(write_video(tmp_path / "a.mp4", frames=150, sound=tone(6.0), faststart=True))
    found = sample_of(reader(tmp_path), clip(path), None)
    assert 0.5 < len(found.sample) / RATE < 5
    assert "ends after" in found.warning
    assert "of 6.0" in found.warning


def test_a_few_bytes_do_not_unfold_to_gigabytes(tmp_path: Path) -> None:
    """One sample a second is no sound at 32,000; at a rate near its own it is."""
    path = write_sound(tmp_path / "a.wav", np.zeros(3000), rate=1)
    assert path.stat().st_size < 7000
    with pytest.raises(UnreadableError, match="has 1 samples a second, too few to be read at 32000"):
        sample_of(reader(tmp_path, 32000), clip(path), None)
    assert sample_of(reader(tmp_path, 4), clip(path), None).sample.shape == (12000, 1)


def test_of_a_long_sound_only_the_wanted_part_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty minutes, a tone in the last second; as a whole it would be more than is allowed here."""
    sound = np.zeros(1200 * 1000, np.float32)
    sound[-1000:] = tone(1.0, 100, 1000)
    path = write_sound(tmp_path / "a.flac", sound, "flac", 1000)
    monkeypatch.setattr("crossdistill.data.readers.sound._LONGEST", 1_000_000)
    with pytest.raises(UnreadableError, match=r"0\.3 hours of sound are too much to read at once"):
        sample_of(reader(tmp_path, 1000), clip(path), None)
    parts = AudioReader(ReaderSettings(rate=1000, seconds=2.0), CacheFolder(tmp_path))
    assert parts.windows(clip(path)) == 600
    taken = parts.take(clip(path), [0.0, 1.0], None)
    assert taken.samples.shape == (2, 2000, 1)
    assert not taken.samples[0].any()
    assert not taken.samples[1, :950].any()
    assert abs(hertz(taken.samples[1, 1000:], 1000) - 100) < 2
    assert inspect(path, "audio", "none", 0, 1000).seconds == 1200
