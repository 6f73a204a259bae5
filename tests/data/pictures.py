"""Picture files, tiny, whose four corners tell which way up they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
CORNERS = (RED, GREEN, BLUE, BLACK)
"""Top left, top right, bottom left, bottom right."""


def quarters(width: int = 48, height: int = 32) -> Image.Image:
    """A picture of four rectangles in the colours of `CORNERS`."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for place, colour in enumerate(CORNERS):
        top, left = place // 2 * height // 2, place % 2 * width // 2
        pixels[top : top + height // 2, left : left + width // 2] = colour
    return Image.fromarray(pixels)


def saved(path: Path, picture: Image.Image | None = None, **options: Any) -> Path:
    """The picture, `quarters` unless given, in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture or quarters()).save(path, **options)
    return path


def corners(picture: Image.Image) -> list[tuple[int, int, int]]:
    """The colours a quarter of the way in from each corner, each channel 0 or 255."""
    width, height = picture.size
    found = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            pixel = picture.getpixel((x, y))
            assert isinstance(pixel, tuple)
            red, green, blue = (255 if value > 127 else 0 for value in pixel)
            found.append((red, green, blue))
    return found


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 pictures (N, 20, 24, 3) of stripes across or along, of any phase, contrast and colour, in noise: no pixel
    alone tells which."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    down, right = np.mgrid[:20, :24]
    phase, colour = random.uniform(0, 6.3, (count, 1, 1, 1)), random.uniform(20, 60, (count, 1, 1, 3))
    along = np.where(labels[:, None, None], right, down)[..., None]
    pixels = 128 + colour * np.sin(along * 1.3 + phase) + random.normal(0, 25, (count, 20, 24, 3))
    return pixels.clip(0, 255).astype(np.uint8), labels
