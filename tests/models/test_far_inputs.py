"""A student that is asked about samples in another unit says so."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossdistill
from crossdistill.cli.main import main
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
        two = np.where(samples > 5, 0.0, 9000.0) if not steps else samples
        trained.predict(two)  # of a class or a person all may be, and rare in training
    for changed in (samples * 1000, samples + np.array([0.0, 0.0, 50.0]), samples * 1e30):
        with pytest.warns(
            UserWarning, match="wrist: half of a feature's numbers or more are beyond 4 standard"
        ) as said:
            trained.predict(changed)
        assert len(said) == 1
        assert said[0].filename == __file__


@pytest.mark.parametrize("steps", [0, 6])
def test_predict_says_it_of_files(tmp_path: Path, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose samples are opened when they are read; some may be missing."""
    _, samples = student(tmp_path, steps)
    np.save(tmp_path / "same.npy", samples)
    np.save(tmp_path / "milli.npy", samples * 1000)
    for name, said in (("same", 0), ("milli", 1)):
        assert main(["predict", str(tmp_path / "run"), str(tmp_path / f"{name}.npy"), "--device", "cpu"]) == 0
        assert capsys.readouterr().out.replace("\n", " ").count("half of a feature's numbers or more") == said
    for row, sample in enumerate(samples[:12]):
        np.save(tmp_path / f"s{row}.npy", sample * 1000)
    rows = ["id,wrist", *(f"{row},s{row}.npy" for row in range(12)), "12,missing.npy"]
    (tmp_path / "new.csv").write_text("\n".join(rows) + "\n")
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "--device", "cpu"]) == 1
    assert "half of a feature's numbers" in capsys.readouterr().out
