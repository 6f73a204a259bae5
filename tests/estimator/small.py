"""A problem whose target says little and whose auxiliary much: what estimators are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossdistill import CrossModalClassifier

SAMPLES, CLASSES = 90, 3


def problem(seed: int = 0, samples: int = SAMPLES) -> tuple[Any, Any, Any]:
    """X (N, 6), y (N,) of three classes in turn, and the auxiliary (N, 4)."""
    random = np.random.default_rng(seed)
    y = np.arange(samples) % CLASSES
    X = 1.5 * np.eye(CLASSES, 6)[y] + random.normal(size=(samples, 6))
    return X, y, 2 * np.eye(CLASSES, 4)[y] + 0.3 * random.normal(size=(samples, 4))


def quick(method: str = "amid_u", **options: Any) -> CrossModalClassifier:
    """An estimator that trains for moments: what is tried does not hang on how well it has learnt."""
    settings = {"n_epochs": 3, "batch_size": 30, "width": 16, "learning_rate": 1e-2, "random_state": 0, "device": "cpu"}
    return CrossModalClassifier(method, **{**settings, **options})
