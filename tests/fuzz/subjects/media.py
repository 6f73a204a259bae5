"""Videos, sounds and pictures, read as training reads them and looked through as `prepare` does."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from crossdistill.data.readers import READERS, CacheFolder, Clip, MediaColumn, ReaderSettings
from crossdistill.data.readers.inspection import inspect
from crossdistill.data.reading import Parts, read
from crossdistill.types import Padded
from tests.data.clips import tone, write_sound, write_video
from tests.data.pictures import saved
from tests.fuzz.case import Attempt, Subject
from tests.fuzz.octets import damaged

SETTINGS = ReaderSettings(frames=4, size=16, resize=16, rate=8000, seconds=0.1)
KINDS = {
    ".png": "picture",
    ".jpg": "picture",
    ".gif": "picture",
    ".webp": "picture",
    ".tif": "picture",
    ".bmp": "picture",
}
SOUNDS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".ogg": "libopus", ".m4a": "aac", ".aac": "aac"}
VIDEOS = {
    ".mp4": "h264",
    ".mkv": "h264",
    ".avi": "mpeg4",
    ".ts": "h264",
    ".webm": "libvpx",
    ".flv": "h264",
    ".mpg": "mpeg1video",
}


def begin(folder: Path) -> list[Path]:
    for ending, codec in VIDEOS.items():
        with_sound = ending in (".mp4", ".mkv", ".avi")
        write_video(folder / f"v{ending}", codec, 8, sound=tone(0.3) if with_sound else None)
    for ending, codec in SOUNDS.items():
        write_sound(folder / f"s{ending}", tone(0.2, rate=48000), codec, 48000)
    for ending in KINDS:
        saved(folder / f"p{ending}")
    return sorted(folder.iterdir())


def tried(path: Path, draw: int) -> None:
    """The sample is there, finite and of its shape, or a note says why not."""
    kinds = [KINDS[path.suffix]] if path.suffix in KINDS else ["audio"] if path.suffix in SOUNDS else ["video", "audio"]
    for kind in kinds:
        inspect(path, kind, "none", 0, 8000)
        column = MediaColumn([Clip(path, "row 2")], READERS[kind](SETTINGS, CacheFolder(path.parent)), False, False)
        reading = read(column, np.array([0]), Parts(np.array([0.5]), np.array([draw], dtype=np.uint64)))
        if not reading.present.all():
            assert reading.notes or kind == "audio"
        assert all("\n" not in note.text for note in reading.notes)
        values = reading.numbers.values if isinstance(reading.numbers, Padded) else reading.numbers
        assert bool(values.isfinite().all())


def case(begun: list[Path], random: Random, folder: Path) -> Attempt:
    source = random.choice(begun)
    path = folder / (source.name if random.random() < 0.9 else random.choice(begun).name)
    path.write_bytes(damaged(source.read_bytes(), random))
    draw = random.randrange(1 << 30)
    return lambda: tried(path, draw)


MEDIA = Subject(20, begin, case)
