"""A data set of one's own that trains in a fraction of a second: gestures of different length, with folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crossdistill.data import MultimodalDataset, from_arrays, write_manifest
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.training import Machine, Optimization

CLASSES, SAMPLES = 3, 48
METHOD_OPTIONS = {"warmup_epochs": 1, "reduction": "mean"}


def gestures(change: Callable[[np.ndarray], np.ndarray] = lambda values: values) -> MultimodalDataset:
    """`wrist` (T_i, 3) and `eye` (5,), 48 samples of 3 classes, the last third for testing; each half a fold.

    change: what happens to a test sample's values.
    """
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % CLASSES
    test = np.arange(SAMPLES) >= SAMPLES * 2 // 3
    wrist = [label + random.normal(size=(random.integers(1, 9), 3)) for label in labels]
    eye = np.eye(CLASSES, 5)[labels] + 0.3 * random.normal(size=(SAMPLES, 5))
    return from_arrays(
        {
            "wrist": [change(values) if held else values for values, held in zip(wrist, test, strict=True)],
            "eye": np.stack([change(values) if held else values for values, held in zip(eye, test, strict=True)]),
        },
        [f"gesture {label}" for label in labels],
        splits=test,
        folds=(np.arange(SAMPLES) % 2).tolist(),
        ids=[f"s{row}" for row in range(SAMPLES)],
        name="gestures",
    )


def folder_of(dataset: MultimodalDataset, parent: Path) -> Path:
    return write_manifest(parent / "gestures", dataset)


def recipe(source: Path | str = "unused", **changes: Any) -> Recipe:
    base = Recipe(
        name="gestures",
        epochs=3,
        auxiliary_epochs=2,
        batch_size=16,
        evaluate_every=1,
        checkpoint_every=1,
        data=DataSettings(str(source), ("wrist",), ("eye",)),
        model=ModelSettings(
            width=8,
            encoders={
                "wrist": EncoderSettings("conv", {"width": 8, "layers": 2, "hidden": 8}),
                "eye": EncoderSettings("mlp", {"width": 8, "layers": 2, "hidden": 8}),
            },
        ),
        optimization=Optimization(learning_rate=3e-3),
        machine=Machine(accelerator="cpu"),
        options={"amid": {**METHOD_OPTIONS, "discriminator_width": 8}, "mi": METHOD_OPTIONS},
    )
    return replace(base, **changes)


def with_model(made: Recipe, **changes: Any) -> Recipe:
    return replace(made, model=replace(made.model, **changes))


def with_data(made: Recipe, **changes: Any) -> Recipe:
    return replace(made, data=replace(made.data, **changes))
