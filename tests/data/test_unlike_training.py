"""Measured samples that are unlike training's are said: a dead sensor, another unit, an offset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.data import MultimodalDataset, from_arrays, read_manifest, write_manifest
from crossdistill.data.inspection import CacheSettings, check_manifest
from crossdistill.data.unlike_training import unlike_training

TEST = np.arange(60) >= 40


def dataset(change: Any, steps: int = 0) -> MultimodalDataset:
    """Two modalities, of which `change` makes another of the first one's test samples."""
    random = np.random.default_rng(0)
    wrist = random.normal(size=(60, steps, 3) if steps else (60, 3))
    wrist[TEST] = change(wrist[TEST])
    return from_arrays({"wrist": wrist, "eye": random.normal(size=(60, 2))}, np.arange(60) % 2, splits=TEST)


@pytest.mark.parametrize("steps", [0, 7])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values, ""),
        (lambda values: 2 * values + 1, ""),
        (lambda values: 0 * values, "wrist is the same in all test samples, and not in training"),
        (lambda values: 1000 * values, "wrist: half of the test samples' numbers or more are beyond 4 standard"),
        (
            lambda values: values + np.array([0, 0, 9]),
            "wrist: half of the test samples' numbers or more are beyond 4 standard",
        ),
        (lambda values: 1e30 * values, "e+"),
    ],
)
def test_what_the_measured_samples_are_beside_training_s(change: Any, said: str, steps: int) -> None:
    found = unlike_training(dataset(change, steps), "test")
    assert len(found) == (1 if said else 0)
    assert all(said in line for line in found)


def test_rare_features_and_few_samples_are_no_news() -> None:
    """One that hardly varies in training may be far in some samples; nine of a split may be alike by chance."""
    rare = np.zeros((60, 2))
    rare[[3, 45, 50]] = 1
    labels = np.arange(60) % 2
    assert unlike_training(from_arrays({"words": rare}, labels, splits=TEST), "test") == []
    few = np.where(np.arange(60) >= 51, "test", "train")
    values = np.where(np.arange(60)[:, None] >= 51, 7.0, np.arange(60)[:, None] % 5)
    assert unlike_training(from_arrays({"wrist": values}, labels, splits=few), "test") == []
    constant = np.ones((60, 2))
    assert unlike_training(from_arrays({"wrist": constant}, labels, splits=TEST), "test") == [], "said of training"


def test_prepare_says_it_of_columns_that_may_be_one_modality(tmp_path: Path) -> None:
    lines = ["id,split,label,w_0,w_1,eye"]
    random = np.random.default_rng(0)
    for row in range(60):
        numbers = (0, 0) if TEST[row] else random.normal(size=2).round(3)
        lines.append(f"s{row},{'test' if TEST[row] else 'train'},{'ab'[row % 2]},{numbers[0]},{numbers[1]},{row % 7}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n")
    doubts = check_manifest(manifest, CacheSettings()).doubts
    assert [line for line in doubts if "test samples" in line] == [
        "w is the same in all test samples, and not in training: what is measured there says nothing of it"
    ]


def test_numbers_in_files_are_the_same_as_in_memory(tmp_path: Path) -> None:
    made = dataset(lambda values: 1000 * values)
    written = read_manifest(write_manifest(tmp_path / "data", made))
    assert unlike_training(written, "test") == unlike_training(made, "test")


@pytest.mark.parametrize(
    ("trained", "measured", "features"), [(4, 12, 10), (6, 20, 50), (48, 12, 200_000), (30, 30, 512)]
)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_drawn_alike_is_not_unlike(trained: int, measured: int, features: int, seed: int) -> None:
    """Few training samples, or few that can be looked at, have no deviation to speak of."""
    count = trained + measured
    values = np.random.default_rng(seed).normal(size=(count, features)).astype(np.float32)
    made = from_arrays({"x": values}, np.arange(count) % 2, splits=np.arange(count) >= trained)
    assert unlike_training(made, "test") == []


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.2), (1e9 / 3, 1e9 / 7)])
def test_a_feature_that_is_the_same_in_training_is_no_news(before: float, after: float) -> None:
    """Whose deviation is rounding's."""
    random = np.random.default_rng(0)
    values = np.column_stack([np.where(TEST, after + random.normal(size=60), before), random.normal(size=60)])
    assert unlike_training(from_arrays({"x": values}, np.arange(60) % 2, splits=TEST), "test") == []


def test_what_a_person_or_class_has_is_no_news() -> None:
    """One of 24 is 1 in all measured samples and rare in training, or a height that nobody else has."""
    random = np.random.default_rng(0)
    hours = np.eye(24)[np.where(np.arange(480) < 400, np.arange(480) % 24, 9)]
    heights = np.where(np.arange(480) < 400, 170 + np.arange(480) % 3, 195.0)
    values = np.column_stack([hours, heights, random.normal(size=480)])
    assert unlike_training(from_arrays({"x": values}, np.arange(480) % 2, splits=np.arange(480) >= 400), "test") == []
