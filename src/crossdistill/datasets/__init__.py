"""One file per data set: from its release to a manifest, or from the package to a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossdistill.data import MultimodalDataset
from crossdistill.datasets import avletters, emoji, leaves, mfeat, mosi, utd_mhad, watch

BUNDLED: dict[str, Callable[[], MultimodalDataset]] = {"emoji": emoji.load, "watch": watch.load}
"""Data set name -> load(): the data sets inside the package."""

PREPARERS: dict[str, Callable[[Path, Path], Path]] = {
    "avletters": avletters.prepare,
    "emoji": emoji.prepare,
    "leaves": leaves.prepare,
    "mfeat": mfeat.prepare,
    "mosi": mosi.prepare,
    "utd_mhad": utd_mhad.prepare,
    "watch": watch.prepare,
}
"""Data set name -> prepare(source, output): raw release -> folder with a manifest."""

__all__ = ["BUNDLED", "PREPARERS"]
