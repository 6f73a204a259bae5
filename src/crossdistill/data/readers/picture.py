"""Pictures from their files: upright, in colour, one size."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from crossdistill.data.readers.cache import CacheFolder, Found
from crossdistill.data.readers.cached_video import CachedFrames, scaled_part
from crossdistill.data.readers.frames import chosen_part
from crossdistill.data.readers.media import WHOLE, Clip, MediaKind, Taken, UnreadableError
from crossdistill.data.readers.settings import OF_16_BITS, ReaderSettings
from crossdistill.data.unpacking import require_unpackable
from crossdistill.extras import needed_for
from crossdistill.types import Pixels

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names of what is read, whatever a file's ending says."""

_SOME = 1 << 16
"""Numbers of a picture that are looked at."""


@dataclass(frozen=True)
class PictureReader:
    """Pictures (3, H, W), bytes. Random crop and mirroring in training, the picture's centre in evaluation; of an
    animation or a file of several pages the first picture."""

    settings: ReaderSettings
    cache: CacheFolder
    kind: MediaKind = field(default="picture", init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.settings.size, self.settings.size)

    def windows(self, clip: Clip) -> int:
        return 1

    def take(self, clip: Clip, positions: Sequence[float], seed: int | None) -> Taken:
        levels = self.settings.levels
        cached = self.cache.find(clip.path, "picture") if levels == OF_16_BITS else Found(None)
        box, mirrored = chosen_part(clip.crop, self.settings, seed)
        if cached.entry is not None:
            frames = CachedFrames(cached.entry)
            pixels, warning = frames.take([0.0], box, self.settings.size)[:, 0], frames.warning
        else:
            pixels, warning = scaled_part(open_picture(clip.path, levels), box, self.settings.size), cached.warning
        pixels = pixels[..., ::-1] if mirrored else pixels
        return Taken(np.repeat(pixels[None], len(positions), axis=0), warning)

    def of_pictures(self, pictures: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """(N, 3, H, W) numbers of pictures in memory, as they are read in evaluation. Raises UnreadableError."""
        box, _ = chosen_part(WHOLE, self.settings, None)
        size, levels = self.settings.size, self.settings.levels
        parts = np.stack([scaled_part(in_colour(picture, levels), box, size) for picture in pictures])
        there = torch.ones(len(parts), dtype=torch.bool)
        numbers: npt.NDArray[np.float32] = (
            Pixels(torch.from_numpy(parts), there, self.settings.mean, self.settings.std).numbers().numpy()
        )
        return numbers


def as_pictures(values: Any) -> list[Image.Image]:
    """Pictures in memory: Pillow's, or bytes (H, W), (H, W, 3) or, with alpha, (H, W, 4); one of them, a list of them,
    or a batch (N, H, W, C). Empty for anything else."""
    image = pillow()
    is_batch = isinstance(values, np.ndarray) and values.ndim == 4
    items = list(values) if is_batch or isinstance(values, list | tuple) else [values]
    pictures = []
    for item in items:
        if isinstance(item, image.Image):
            pictures.append(item)
        elif isinstance(item, np.ndarray) and item.dtype == np.uint8 and _is_of_bytes(item.shape):
            pictures.append(image.fromarray(item))
        else:
            return []
    return pictures


def _is_of_bytes(shape: tuple[int, ...]) -> bool:
    return 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)))


def open_picture(path: Path, levels: tuple[int, int] = OF_16_BITS) -> Image.Image:
    """The picture in a file, upright, in red, green and blue.

    Raises UnreadableError for a file that is no picture, or not whole; InputError where Pillow is not installed.
    """
    image = pillow()
    try:
        with _opened(path, image) as picture:
            picture.load()
            return in_colour(picture, levels)
    except UnreadableError:
        raise
    except Exception as error:  # what Pillow raises for a damaged file depends on the damage
        raise UnreadableError(f"cannot read it as a picture ({_reason(error, path)})") from None


@contextmanager
def _opened(path: Path, image: ModuleType) -> Iterator[Image.Image]:
    """The picture in a file, not decoded yet, and small enough to be. Raises what Pillow does, and UnreadableError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a large picture, and of odd tags; what is too large is an error
        with image.open(path, formats=_FORMATS) as picture:
            require_unpackable("it", path.stat().st_size, 3 * picture.width * picture.height)
            yield picture


@cache
def shades(levels: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(65536,) of each number of 16 bits the shade that is read, from 0 at the first level to 255 at the second."""
    black, white = levels
    return np.rint(255 * np.clip((np.arange(1 << 16) - black) / (white - black), 0, 1)).astype(np.uint8)


def some_numbers(path: Path) -> npt.NDArray[np.int64] | None:
    """About `_SOME` numbers of a grey picture of 16 bits, all over it; None of any other, and of what cannot be read.
    Raises InputError where Pillow is not installed."""
    image = pillow()
    try:
        with _opened(path, image) as picture:
            if not _has_16_bits(picture):
                return None
            step = max(1, round((picture.width * picture.height / _SOME) ** 0.5))
            return np.asarray(picture)[::step, ::step].ravel().astype(np.int64)
    except Exception:  # reading it will say what is wrong
        return None


def _has_16_bits(picture: Image.Image) -> bool:
    """Whether it is grey of 16 bits, which Pillow has as 32 of some PNG files."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG")


def in_colour(picture: Image.Image, levels: tuple[int, int] = OF_16_BITS) -> Image.Image:
    """Turned as its EXIF says, what is transparent on white, 16 bits between the levels scaled to 8: in red, green and
    blue.

    Raises UnreadableError for numbers of 32 bits, of which nothing says which is white.
    """
    image = pillow()
    has_16_bits, turned = _has_16_bits(picture), _upright(picture)
    if has_16_bits:
        turned = image.fromarray(shades(levels)[np.asarray(turned).astype(np.uint16, copy=False)])
    if turned.mode in ("I", "F"):
        raise UnreadableError("has pixels of 32 bits, whose black and white are not known; give it as an array")
    if {"A", "a"} & set(turned.getbands()) or "transparency" in turned.info:
        visible = turned.convert("RGBA")
        turned = image.alpha_composite(image.new("RGBA", visible.size, "white"), visible)
    coloured: Image.Image = turned.convert("RGB")
    return coloured


def _upright(picture: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # tags that are damaged do not spoil the pixels
        return picture


def _reason(error: Exception, path: Path) -> str:
    """What went wrong in Pillow's words, without the path."""
    if isinstance(error, pillow().UnidentifiedImageError):
        return "it is no PNG, JPEG, WebP, BMP, GIF or TIFF, or its header is cut"
    text = str(getattr(error, "strerror", None) or error).replace(repr(str(path)), "it").replace(str(path), "it")
    return " ".join(text.split()) or type(error).__name__


def pillow() -> ModuleType:
    """PIL.Image. Raises InputError where Pillow is not installed."""
    with needed_for("reading pictures"):
        from PIL import Image
    return Image
