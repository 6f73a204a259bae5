"""What is taken where nothing is chosen: one rule by the number of samples and by what a sample is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossdistill.data.columns import Column
from crossdistill.encoders.kinds import is_sequence
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.library.bundled import amid_options, stage_epochs

BATCH_SIZE, LARGE_BATCH_SIZE = 64, 256
MANY = 20_000
"""Samples from which steps take more of them: 15 epochs of a million samples would else be a quarter of a million."""

MOST_COLOURS = 4
"""Red, green, blue and one more: what has more along both its ends is no picture."""

STEPS = 750
LEAST_EPOCHS = 15
THREADS = 1
"""Of the CPU: layers of this size gain little by more, searches run several trainings side by side, and sums round the
same whatever the machine's cores and `n_jobs`."""


@dataclass(frozen=True)
class Schedule:
    """How many samples a step takes, and how many epochs a training."""

    batch_size: int
    epochs: int


def schedule(samples: int, epochs: int | None = None, batch_size: int | None = None) -> Schedule:
    """About 750 steps, however few samples there are, and at least 15 epochs, however many; what is given is kept."""
    size = batch_size if batch_size is not None else BATCH_SIZE if samples < MANY else LARGE_BATCH_SIZE
    steps_an_epoch = max(1, samples // size) if size > 0 else 1
    return Schedule(size, epochs if epochs is not None else max(LEAST_EPOCHS, math.ceil(STEPS / steps_an_epoch)))


def encoder_for(column: Column, width: int, dropout: float) -> EncoderSettings:
    """The signal encoder for sequences, a small residual network for pictures, a perceptron for vectors and, of all
    their numbers, for what has more axes."""
    if is_sequence(column.shape):
        return EncoderSettings("signal", {"width": width, "layers": 3, "hidden": 16, "dropout": dropout})
    if len(column.shape) == 3 and (ends := sorted(column.shape[::2]))[0] <= MOST_COLOURS < ends[1]:
        return EncoderSettings("resnet", {"width": width, "channels": 16, "blocks": [1, 1, 1], "dropout": dropout})
    return EncoderSettings("mlp", {"width": width, "layers": 2, "hidden": width, "dropout": dropout})


def options_for(
    method: str, epochs: int, width: int, chosen: Mapping[str, Any] | None
) -> Mapping[str, Mapping[str, Any]]:
    """Options of the method: those that depend on the number of epochs, under what was chosen."""
    common: dict[str, Mapping[str, Any]] = {**stage_epochs(epochs), **amid_options(epochs, width)}
    options = {**common.get(method, {}), **(chosen or {})}
    return {method: options} if options else {}
