"""The matrix of a file, all eight ways in which it may turn and mirror a picture by right angles."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crossdistill.data.readers import CacheFolder, Clip, ReaderSettings, VideoReader
from crossdistill.data.readers.cache_writer import fill
from tests.data.clips import write_video

LEVELS = np.array([[30, 90], [160, 230]])
STRAIGHT = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)]
ON_ITS_SIDE = [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]
Matrix = tuple[int, int, int, int]


def moved(picture: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Each point (x, y) sent to (a x + c y, b x + d y), as the standard says, one by one."""
    a, b, c, d = matrix
    found = {(a * x + c * y, b * x + d * y): picture[y, x] for y in (0, 1) for x in (0, 1)}
    left, top = min(x for x, _ in found), min(y for _, y in found)
    return np.array([[found[left + x, top + y] for x in (0, 1)] for y in (0, 1)])


def with_matrix(path: Path, matrix: Matrix) -> Path:
    """A video of four grey quarters, its header's matrix replaced."""
    picture = np.repeat(np.repeat(np.repeat(LEVELS, 24, 0), 32, 1)[..., None], 3, 2).astype(np.uint8)
    content = bytearray(write_video(path, frames=[picture] * 3).read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "b.mov"])
@pytest.mark.parametrize("matrix", STRAIGHT + ON_ITS_SIDE)
def test_a_picture_is_shown_as_its_matrix_says(matrix: Matrix, name: str, tmp_path: Path) -> None:
    path, expected = with_matrix(tmp_path / name, matrix), moved(LEVELS, matrix)
    assert fill(CacheFolder(tmp_path), path, "video", "raw", 0, 16000)
    for cache in (CacheFolder(tmp_path / "none"), CacheFolder(tmp_path)):
        settings = ReaderSettings(frames=1, size=16, resize=16, mirror=False, mean=(0, 0, 0), std=(1, 1, 1))
        whole = VideoReader(settings, cache).take(Clip(path, "p"), [0.5], None).samples[0, 0, 0].astype(int)
        corners = np.array([[whole[2, 2], whole[2, -3]], [whole[-3, 2], whole[-3, -3]]])
        assert np.abs(corners - expected).max() < 12
        for row in (0, 1):
            for column in (0, 1):
                clip = Clip(path, "p", crop=(column / 2, row / 2, 0.5, 0.5))
                for seed in (None, 3):
                    part = VideoReader(settings, cache).take(clip, [0.5], seed).samples[0, 0, 0].astype(int)
                    assert abs(part[3:-3, 3:-3].mean() - expected[row, column]) < 12


def test_the_eight_are_all_different() -> None:
    ways = Counter(moved(LEVELS, matrix).tobytes() for matrix in STRAIGHT + ON_ITS_SIDE)
    assert len(ways) == 8
