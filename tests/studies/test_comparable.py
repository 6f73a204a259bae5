"""What may be compared is known before any run: configurations that are measured on different samples may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.data import from_arrays, write_manifest
from crossdistill.recipes.recipe import Recipe
from crossdistill.studies.comparable import require_comparable
from crossdistill.studies.compare import compare
from crossdistill.types import InputError
from tests.runs.small import recipe, with_data

Made = Callable[..., Recipe]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A recipe of a manifest with these labels, ids and splits, one each."""

    def of(label: str, **changed: Any) -> Recipe:
        labels, test = np.arange(12) % 2, np.arange(12) >= 8
        arrays = {"labels": labels, "ids": [f"s{row}" for row in range(12)], "splits": test}
        arrays |= {name: changed.pop(name) for name in arrays if name in changed}
        rows = len(arrays["labels"])
        data = from_arrays({"wrist": np.eye(rows)[:, :3], "camera": np.eye(rows)[:, 3:5]}, **arrays)
        source = str(write_manifest(tmp_path / label, data))
        described = {"source": source, "target": ("wrist",), "auxiliary": ("camera",), **changed}
        return replace(with_data(recipe(), **described), label=label)

    return of


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"labels": 1 - np.arange(12) % 2}, "labels"),
        ({"ids": [f"other{row}" for row in range(12)]}, "ids"),
        ({"splits": np.arange(12) >= 6}, "splits"),
        ({"labels": [f"c{row % 2}" for row in range(12)]}, "classes"),
        ({"target": ("camera",), "auxiliary": ("wrist",)}, "data.target is camera and wrist"),
        ({"evaluate_on": "validation"}, "data.evaluate_on is validation and test"),
    ],
)
def test_other_samples_are_refused_before_any_run(
    made: Made, tmp_path: Path, changed: dict[str, Any], part: str
) -> None:
    with pytest.raises(InputError, match=part) as caught:
        compare([made("first"), made("second", **changed)], tmp_path / "runs")
    assert str(caught.value).startswith("second and first: ")
    assert not (tmp_path / "runs").exists()


def test_the_same_samples_from_another_source_are_compared(made: Made) -> None:
    """Such as two kinds of features; and what measures nothing stands beside anything."""
    first = made("first")
    require_comparable([first, made("second")])
    require_comparable([first, made("third", labels=np.zeros(12, int), evaluate_on="none")])
    validated = made("fourth", splits=np.arange(12) >= 6, choose_epoch_on="validation")
    require_comparable([first, validated])
