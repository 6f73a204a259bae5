"""Data sets: from files or arrays to batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossdistill.data import avletters, emoji, mosi, utd_mhad, watch
from crossdistill.data.columns import ArrayColumn, Column, FileColumn, RowColumn, SequenceColumn
from crossdistill.data.controls import with_control
from crossdistill.data.dataset import MultimodalDataset, from_arrays, in_memory
from crossdistill.data.loading import EpochBatches, evaluation_batches, training_batches, windows_of
from crossdistill.data.manifest import check_values, read_manifest, write_manifest
from crossdistill.data.splits import with_fold, with_validation

BUNDLED: dict[str, Callable[[], MultimodalDataset]] = {"emoji": emoji.load, "watch": watch.load}
"""Data set name -> load(): the data sets inside the package."""

PREPARERS: dict[str, Callable[[Path, Path], Path]] = {
    "avletters": avletters.prepare,
    "emoji": emoji.prepare,
    "mosi": mosi.prepare,
    "utd_mhad": utd_mhad.prepare,
    "watch": watch.prepare,
}
"""Data set name -> prepare(source, output): raw release -> folder with a manifest."""

__all__ = [
    "BUNDLED",
    "PREPARERS",
    "ArrayColumn",
    "Column",
    "EpochBatches",
    "FileColumn",
    "MultimodalDataset",
    "RowColumn",
    "SequenceColumn",
    "check_values",
    "evaluation_batches",
    "from_arrays",
    "in_memory",
    "read_manifest",
    "training_batches",
    "windows_of",
    "with_control",
    "with_fold",
    "with_validation",
    "write_manifest",
]
