"""Smartwatch: seven shoulder exercises seen by the watch's two motion sensors, 10 subjects. Bundled.

Modalities: `gyroscope` (200, 3) in rad/s and `accelerometer` (200, 3) in g: windows of 4 s at 50 Hz.
Test: the last four subjects. Group: the subject; fold: one per subject.
Source: Burns et al., Physiological Measurement 39 (2018), as shipped in seglearn 1.2.5. Licence: BSD-3, see NOTICE.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.bundles import load_bundle
from crossdistill.datasets.releases import named, release_arrays
from crossdistill.types import InputError

EXERCISES = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "lower trapezius row",
    "bent-over row",
)
"""Class names in the order of the release's `y`: PEN, ABD, FEL, IR, ER, TRAP, ROW."""

_TEST_SUBJECTS = 4


def load() -> MultimodalDataset:
    """Load the bundled data set."""
    return replace(load_bundle("watch"), licence="BSD-3-Clause")


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from watch.npz, or the folder that holds it; returns `output`. Raises InputError."""
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from watch.npz, or the folder that holds it. Raises InputError."""
    arrays = release_arrays(source, "watch.npz", ("acc", "gyro", "y", "subject"))
    if arrays["subject"].dtype.kind not in "iu":
        raise InputError(f"watch.npz: subject: expected integers, found {arrays['subject'].dtype}")
    subjects, folds = np.unique(arrays["subject"], return_inverse=True)
    return from_arrays(
        {"gyroscope": arrays["gyro"].astype(np.float16), "accelerometer": arrays["acc"].astype(np.float16)},
        named(arrays["y"], EXERCISES, "watch.npz: y"),
        splits=np.isin(arrays["subject"], subjects[-_TEST_SUBJECTS:]),
        ids=[f"s{subject}_{row:04d}" for row, subject in enumerate(arrays["subject"])],
        groups=arrays["subject"],
        folds=folds,
        name="watch",
    )
