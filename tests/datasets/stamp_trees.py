"""A collection like Tux Paint's, tiny: pictures with texts in many languages and speech in some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.clips import tone, write_sound

CLASSES = ("animals", "food", "plants", "seasonal", "symbols", "town")
SPARSE = "vehicles"
"""A class that has fewer stamps than the six."""


def stamps(folder: Path, each: int = 4) -> Path:
    """So many stamps in each class, in folders below it, two of them of the same text; and what is no whole stamp."""
    root = folder / "usr/share/tuxpaint/stamps"
    random = np.random.default_rng(0)
    for kind, label in enumerate((*CLASSES, SPARSE)):
        for number in range(each if label != SPARSE else 2):
            stem = root / label / f"kind{number % 2}" / f"{label[0]}{number}"
            _picture(stem.with_suffix(".png"), random, kind)
            what = f"A {label} thing, number {max(number, 1)}."  # of 0 and 1 the same
            _text(stem.with_suffix(".txt"), f"{what}\nes.utf8=Una cosa.\nde.utf8=Ein Ding.")
            _speech(Path(f"{stem}_desc_es.ogg"), 0.3 + 0.05 * number, 200 + 150 * kind)
    _picture(root / "animals/silent.png", random, 0)
    _text(root / "animals/silent.txt", "An animal of which nobody speaks.")
    _picture(root / "animals/nameless.png", random, 0)
    _speech(root / "animals/nameless_desc_es.ogg")
    _text(root / "animals/drawn.txt", "Lines alone.")
    (root / "animals/drawn.svg").write_text("<svg/>")
    _speech(root / "animals/drawn_desc_es.ogg")
    return root


def _picture(path: Path, random: np.random.Generator, kind: int) -> None:
    """A disc of the class's colour on a transparent ground."""
    path.parent.mkdir(parents=True, exist_ok=True)
    down, right = np.mgrid[:40, :56]
    inside = (down - 20) ** 2 + (right - 28) ** 2 < random.uniform(100, 300)
    colour = 255 * np.array([kind & 1, kind >> 1 & 1, kind >> 2 & 1])
    pixels = np.concatenate([np.broadcast_to(colour, (40, 56, 3)), 255 * inside[..., None]], axis=2)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _text(path: Path, content: str) -> None:
    path.write_text(content + "\n", encoding="utf-8")


def _speech(path: Path, seconds: float = 0.3, hertz: float = 440.0) -> None:
    write_sound(path, tone(seconds, hertz, 48_000), "libopus", 48_000)
