"""A student that is asked about samples in another unit says so."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossdistill
from crossdistill.data import from_arrays
from crossdistill.student import Student


def student(folder: Path, steps: int = 0) -> tuple[Student, Any]:
    """Trained for an epoch, and its test samples."""
    random, labels = np.random.default_rng(0), np.arange(80) % 2
    values = random.normal(5.0, 2.0, (80, steps, 3) if steps else (80, 3))
    data = from_arrays({"wrist": values}, labels, splits=np.arange(80) >= 40)
    recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=1, batch_size=8)
    crossdistill.run(recipe, folder / "run", dataset=data)
    return crossdistill.load(folder / "run"), values[40:]


@pytest.mark.parametrize("steps", [0, 6])
def test_another_unit_or_offset_is_a_warning_and_none_else(tmp_path: Path, steps: int) -> None:
    trained, samples = student(tmp_path, steps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained.predict(samples)
        trained.predict(samples + 2.0)
        trained.predict(samples[:9] * 1000)  # a few may be odd
    for changed in (samples * 1000, samples + np.array([0.0, 0.0, 50.0]), samples * 1e30):
        with pytest.warns(
            UserWarning, match="wrist: half of a feature's numbers or more are beyond 4 standard"
        ) as said:
            trained.predict(changed)
        assert len(said) == 1
        assert said[0].filename == __file__
