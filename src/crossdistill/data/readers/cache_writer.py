"""Writing the cache: each file is decoded once."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdistill.data.readers.cache import CacheFolder, is_whole, read_part, stamp, write_part
from crossdistill.data.readers.clock import is_early, timing_at
from crossdistill.data.readers.decoding import FileFrames
from crossdistill.data.readers.frames import PixelArray
from crossdistill.data.readers.media import MediaKind, NoStreamError, UnreadableError
from crossdistill.data.readers.opening import opened
from crossdistill.data.readers.orientation import Orientation
from crossdistill.data.readers.picture import open_picture, pillow
from crossdistill.data.readers.sound import decoded

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL import Image

_QUALITY = 90
"""Quality of the JPEG pictures in a cache."""
_PIECE = 1 << 20
"""Samples of sound that are written at once."""


def fill(folder: CacheFolder, source: Path, kind: MediaKind, form: str, short_side: int, rate: int) -> bool:
    """Make the source's part of the cache, unless it is there, whole, and of the source as it is; whether it was made.

    A file from which nothing can be read gets no part. form: raw or jpeg, of frames and pictures; short_side: to which
    larger ones are scaled down, 0 for none; rate: of sound, which is kept as float32, so that a run hears the same with
    a cache.
    """
    path = folder.part(source, kind)
    wanted = {"source": stamp(source)} | (
        {"rate": rate} if kind == "audio" else {"form": form, "short_side": short_side}
    )
    entry = read_part(path)
    if entry is not None and wanted.items() <= entry.description.items() and is_whole(entry):
        return False
    try:
        if kind == "audio":
            sound = decoded(source, rate)
            described = {**wanted, "promised": sound.promised, "end": timing_at(source, "audio").end}
            samples = sound.part(0.0, math.inf, rate)
            pieces = (samples[place : place + _PIECE] for place in range(0, len(samples), _PIECE))
            write_part(path, ((0.0, piece.tobytes()) for piece in pieces), described)
        elif kind == "picture":
            picture = scaled_down(open_picture(source), short_side)
            described = {**wanted, "width": picture.width, "height": picture.height, "warning": ""}
            described |= dict.fromkeys(("frame", "end", "promised"), 0.0)  # it has no time
            write_part(path, iter([(0.0, encode(np.asarray(picture), form))]), described)
        else:
            _fill_video(path, source, wanted)
    except (NoStreamError, UnreadableError):
        return False
    return True


def _fill_video(path: Path, source: Path, wanted: dict[str, Any]) -> None:
    with opened(source, "video") as file:
        frames = FileFrames(file)
        extent = frames.extent
        described = {**wanted, "frame": extent.frame, "end": extent.end, "promised": extent.promised, "warning": ""}

        def pictures() -> Iterator[tuple[float, bytes]]:
            end, count = 0.0, 0
            for time, frame in frames.all():
                orientation = frames.orientation(frame)
                if count == 0:
                    size = fitted(frame, orientation, wanted["short_side"])
                    described["width"], described["height"] = size
                yield time, encode(picture_of(frame, orientation, size), wanted["form"])
                end, count = time + extent.frame, count + 1
            if count == 0:
                raise UnreadableError("no video frame can be decoded")
            if is_early(end, timing_at(source, "video").last):  # what comes then cannot be decoded
                described["end"], described["promised"] = end, max(extent.end, extent.promised)

        write_part(path, pictures(), described)


def fitted(frame: VideoFrame, orientation: Orientation, short_side: int) -> tuple[int, int]:
    """Width and height of a frame as it is shown, scaled down to the short side."""
    return _reduced(*orientation.turned(frame.width, frame.height), short_side)


def scaled_down(picture: Image.Image, short_side: int) -> Image.Image:
    """A picture of the short side, or as it is where it is smaller."""
    size = _reduced(*picture.size, short_side)
    return picture if size == picture.size else picture.resize(size, pillow().Resampling.BILINEAR)


def _reduced(width: int, height: int, short_side: int) -> tuple[int, int]:
    scale = min(1.0, short_side / min(width, height)) if short_side else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))


def picture_of(frame: VideoFrame, orientation: Orientation, size: tuple[int, int]) -> PixelArray:
    """A frame as an upright picture (H, W, 3) of this size."""
    scaled = frame.reformat(*orientation.turned(*size), "rgb24", interpolation="BILINEAR", threads=1).to_ndarray()
    return np.ascontiguousarray(orientation.shown(scaled))


def encode(picture: PixelArray, form: str) -> bytes:
    """A picture's bytes in a cache of this form, raw or jpeg."""
    if form == "raw":
        return picture.tobytes()
    content = io.BytesIO()
    pillow().fromarray(picture).save(content, "jpeg", quality=_QUALITY)
    return content.getvalue()
