"""Frames from the cache: bytes as they are, or JPEG pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crossdistill.data.readers.cache import Entry
from crossdistill.data.readers.frames import ChooseBox, Extent, PixelArray
from crossdistill.data.readers.media import UnreadableError
from crossdistill.data.readers.opening import TICK

if TYPE_CHECKING:
    from PIL import Image


class CachedFrames:
    """A `FrameSource` of all frames of a video, scaled down when they were decoded, upright."""

    def __init__(self, entry: Entry) -> None:
        self._entry, described = entry, entry.description
        self._size: tuple[int, int] = (described["width"], described["height"])
        self._jpeg = described["form"] == "jpeg"
        end, frame, promised = described["end"], described["frame"], described["promised"]
        self.extent = Extent(0.0, end, frame, float(entry.times[0]), promised)
        self.in_one_pass = False
        self.warning = str(described["warning"])

    def take(self, times: Sequence[float], box: ChooseBox, size: int) -> PixelArray:
        numbers = np.searchsorted(self._entry.times, np.array(times) + TICK, side="right") - 1
        shown = {number: scaled_part(self.picture(number), box, size) for number in np.unique(np.maximum(numbers, 0))}
        return np.stack([shown[number] for number in np.maximum(numbers, 0)], axis=1)

    def picture(self, number: int) -> Image.Image:
        """Frame `number`, from 0. Raises UnreadableError where the part is damaged."""
        from PIL import Image

        content = self._entry.payload[self._entry.offsets[number] : self._entry.offsets[number + 1]]
        try:
            if self._jpeg:
                return Image.open(io.BytesIO(content)).convert("RGB")
            return Image.fromarray(np.frombuffer(content, dtype=np.uint8).reshape(*self._size[::-1], 3))
        except (OSError, ValueError, SyntaxError):  # the last from Pillow, too
            raise UnreadableError(f"frame {number} is damaged in the cache: prepare it again") from None


def scaled_part(picture: Image.Image, choose: ChooseBox, size: int) -> PixelArray:
    """(3, size, size): the chosen part of a picture, scaled."""
    from PIL import Image  # where a cache is read: video files themselves need no pillow

    width, height = picture.size
    left, top, w, h = choose(width, height)
    box = (left * width, top * height, min((left + w) * width, width), min((top + h) * height, height))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box)).transpose(2, 0, 1)
