"""The cache of decoded frames and samples: what is read from it, and when it is not to be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from crossdistill.data.readers import AudioReader, CacheFolder, Clip, ReaderSettings, VideoReader, cache_writer
from crossdistill.data.readers.cache import is_whole, read_part, write_part
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.media import UnreadableError
from tests.data.clips import bars, halved, number_of, sample_of, tone, write_sound, write_video

SETTINGS = ReaderSettings(frames=8, size=40, resize=48, mean=(0, 0, 0), std=(1, 1, 1), rate=16000)
DRAWS = [None, *range(8)]


def clip(path: Path, **changes: object) -> Clip:
    return Clip(path, "p", **changes)  # type: ignore[arg-type]


def video(folder: Path) -> VideoReader:
    return VideoReader(SETTINGS, CacheFolder(folder))


def filled(path: Path, kind: str = "video", form: str = "raw", short_side: int = 0, rate: int = 16000) -> bool:
    return fill(CacheFolder(path.parent), path, kind, form, short_side, rate)  # type: ignore[arg-type]


def smooth(number: int, height: int = 64, width: int = 96) -> np.ndarray:
    """A soft picture that moves with the number: scaling it twice costs little."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 15 + number / 3), np.cos(y / 12 - number / 5), np.sin((x + y) / 20 + number / 7)]
    return np.uint8(127.5 + 120 * np.stack(waves, -1))


@pytest.mark.parametrize(("form", "error"), [("raw", 5), ("jpeg", 10)])  # grey levels
def test_clips_from_the_cache_are_those_of_the_file(form: str, error: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=[smooth(n) for n in range(40)])
    segment = clip(path, start=0.3, end=1.4, crop=(0.1, 0.0, 0.8, 0.9))
    decoded = [sample_of(video(tmp_path), c, draw).sample for c in (clip(path), segment) for draw in DRAWS]
    assert filled(path, form=form)
    cached = [sample_of(video(tmp_path), c, draw).sample for c in (clip(path), segment) for draw in DRAWS]
    for first, second in zip(decoded, cached, strict=True):
        assert np.abs(first.astype(float) - second).mean() < error, "the same frames, place, crop and mirroring"
    assert not np.array_equal(decoded[0], cached[0]), "it is the cache that was read"


def test_every_frame_is_in_the_cache_scaled_down_and_upright(tmp_path: Path) -> None:
    upright = [bars(n, 96, 48) for n in range(20)]
    path = write_video(tmp_path / "a.mp4", frames=[np.ascontiguousarray(np.rot90(p, -1)) for p in upright], rotation=90)
    filled(path, short_side=24)
    entry = read_part(CacheFolder(tmp_path).part(path, "video"))
    assert entry is not None
    assert (entry.description["width"], entry.description["height"]) == (48, 24)
    frames = np.frombuffer(entry.payload, dtype=np.uint8).reshape(20, 24, 48, 3)
    assert [number_of(frame) for frame in frames] == list(range(20))
    np.testing.assert_allclose(entry.times, np.arange(20) / 25, atol=1e-6)
    filled(write_video(tmp_path / "small.mp4", frames=3), short_side=1000)
    small = read_part(CacheFolder(tmp_path).part(tmp_path / "small.mp4", "video"))
    assert small is not None
    assert small.description["height"] == 48, "never scaled up"


@pytest.mark.parametrize("rate", [8000, 16000])
def test_sound_from_the_cache_is_that_of_the_file_bit_for_bit(rate: int, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1.0, 300))
    reader = AudioReader(ReaderSettings(rate=rate, seconds=0.3), CacheFolder(tmp_path))
    whole = AudioReader(ReaderSettings(rate=rate), CacheFolder(tmp_path))
    decoded = [
        sample_of(whole, clip(path), None).sample,
        *(sample_of(reader, clip(path), draw).sample for draw in DRAWS),
    ]
    assert filled(path, "audio", rate=rate)
    path.write_bytes(b"")  # so that nothing can be read from it
    part = CacheFolder(tmp_path).part(path, "audio")
    os.utime(path, ns=(0, 0))
    entry = read_part(part)
    assert entry is not None
    write_part(part, iter([(0.0, bytes(entry.payload))]), {**entry.description, "source": [0, 0]})
    cached = [
        sample_of(whole, clip(path), None).sample,
        *(sample_of(reader, clip(path), draw).sample for draw in DRAWS),
    ]
    assert all(np.array_equal(a, b) for a, b in zip(decoded, cached, strict=True))
    assert len(sample_of(whole, clip(path, start=0.2, end=0.5), None).sample) == round(0.3 * rate)
    with pytest.raises(UnreadableError, match="begins at 5 s"):
        sample_of(whole, clip(path, start=5), None)
    other = AudioReader(ReaderSettings(rate=rate + 1000), CacheFolder(tmp_path))
    with pytest.raises(UnreadableError, match="cannot read"):
        sample_of(other, clip(path), None)  # another rate is decoded from the file


def test_a_stale_cache_is_not_used_and_said_to_be_stale(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=[bars(0, 48, 48)] * 10)
    filled(path)
    write_video(path, frames=[bars(255, 48, 48)] * 10)
    found = sample_of(video(tmp_path), clip(path), None)
    assert found.sample.mean() > 0.9, "the new pictures"
    assert "has changed since it was decoded" in found.warning
    assert filled(path), "it is decoded again"
    assert not filled(path)
    again = sample_of(video(tmp_path), clip(path), None)
    assert again.sample.mean() > 0.9
    assert again.warning == ""


def test_what_is_done_is_not_done_again_unless_it_is_damaged_or_of_another_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", sound=tone())
    part = CacheFolder(tmp_path).part(path, "video")
    assert filled(path)
    whole = part.read_bytes()
    monkeypatch.setattr(cache_writer, "_fill_video", lambda *_: pytest.fail("decoded again"))
    assert not filled(path)
    monkeypatch.undo()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1
    damages = {"one bit": bytes(flipped), "cut": whole[: len(whole) // 2], "cut at the end": whole[:-1], "empty": b""}
    for damage in damages.values():
        part.write_bytes(damage)
        assert filled(path)
        assert part.read_bytes() == whole
    assert filled(path, form="jpeg")
    assert part.stat().st_size < len(whole) / 2
    assert filled(path, form="jpeg", short_side=24)
    assert filled(path, "audio")
    assert filled(path, "audio", rate=8000)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_damaged_part_is_decoded_from_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    expected = sample_of(video(tmp_path), clip(path), None).sample
    filled(path)
    part = CacheFolder(tmp_path).part(path, "video")
    for content in (b"", b"\0" * 100, part.read_bytes()[:-3], part.read_bytes()[5:]):
        part.write_bytes(content)
        assert read_part(part) is None
        assert np.array_equal(sample_of(video(tmp_path), clip(path), None).sample, expected)


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_a_damaged_frame_is_an_unreadable_sample(form: str, tmp_path: Path) -> None:
    """What the index does not show, only prepare, which reads everything, finds before training."""
    path = write_video(tmp_path / "a.mp4")
    filled(path, form=form)
    part = CacheFolder(tmp_path).part(path, "video")
    entry = read_part(part)
    assert entry is not None
    content = bytearray(part.read_bytes())
    if form == "jpeg":
        content[: entry.offsets[-1]] = bytes(entry.offsets[-1])
    else:  # another size than that of the payload's pictures
        content = bytearray(bytes(content).replace(b'"width": 64', b'"width": 65'))
    part.write_bytes(content)
    with pytest.raises(UnreadableError, match="damaged in the cache: prepare it again"):
        sample_of(video(tmp_path), clip(path), None)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_file_that_is_gone_is_unreadable_although_its_part_is_there(kind: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", sound=tone())
    filled(path, kind)
    path.unlink()
    reader = video(tmp_path) if kind == "video" else AudioReader(SETTINGS, CacheFolder(tmp_path))
    with pytest.raises(UnreadableError, match="No such file"):
        sample_of(reader, clip(path), None)


def test_a_writer_that_dies_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def dying() -> object:
        yield 0.0, b"frame"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_part(tmp_path / "a.part", dying(), {"source": [0, 0]})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir()), "a full disk does not stay full"
    write_part(tmp_path / "a.part", iter([(0.0, b"frame"), (0.5, b""), (1.0, b"frames")]), {"source": [0, 0]})
    entry = read_part(tmp_path / "a.part")
    assert entry is not None
    assert is_whole(entry)
    assert entry.offsets.tolist() == [0, 5, 5, 11]
    assert entry.times.tolist() == [0.0, 0.5, 1.0]


def test_what_cannot_be_read_gets_no_part(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("Once upon a time")
    silent = write_video(tmp_path / "b.mp4")
    assert not filled(tmp_path / "a.mp4")
    assert not filled(silent, "audio")
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*.part"))


def test_the_readable_part_of_a_file_that_ends_early_is_cached_with_its_warning(tmp_path: Path) -> None:
    path = halved(write_video(tmp_path / "a.mp4", frames=120, faststart=True))
    filled(path)
    found = sample_of(video(tmp_path), clip(path), None)
    assert "ends after" in found.warning
    assert "of 4.80 seconds" in found.warning


def test_files_of_the_same_name_in_different_folders(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    parts = {folder.part(tmp_path / name, "video") for name in ("x/a.mp4", "y/a.mp4", "x/a.avi", "../a.mp4")}
    assert len(parts) == 4
    assert all(part.parent == tmp_path / "cache" / "video" for part in parts)
