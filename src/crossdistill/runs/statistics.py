"""Means and deviations of the training samples' features, into the model that standardises its inputs by them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.encoders import Standardized
from crossdistill.encoders.standardize import centred_like
from crossdistill.models import CrossModalModel
from crossdistill.types import InputError, Modality, Padded

_CHUNK_VALUES = 1 << 24
"""Numbers in memory at once: as float64, 128 MiB."""

_ROUNDING = 8 * torch.finfo(torch.float32).eps
"""What centring leaves of a constant, at most, relative to it."""


def set_statistics(model: CrossModalModel, dataset: MultimodalDataset) -> None:
    """Let every encoder that standardises its input do so by the training samples, and its copies too."""
    for name in model.encoders:
        encoder = model.encoders[name]
        if isinstance(encoder, Standardized):
            mean, std = feature_statistics(dataset, name, encoder.center, axis=encoder.axis)
            for standardized in model.encoders_of(name):
                assert isinstance(standardized, Standardized)
                standardized.set_statistics(mean, std)


def feature_statistics(
    dataset: MultimodalDataset, name: str, center: bool, chunk: int = 512, axis: int = -1
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature (along `axis`) over the training samples and their steps, in float64.

    In two passes: squares less the squared mean would leave rounding as the spread of a constant. So does a constant
    less its own mean over time: where no more than that is left of a centred feature, it has no deviation.
    """
    count, total, largest = 0, torch.zeros(()), torch.zeros(())
    for steps, given in _training_steps(dataset, name, center, chunk, axis):
        count, total = count + len(steps), total + steps.sum(0)
        largest = torch.maximum(largest, given.abs().amax(0)) if len(given) else largest
    mean, squares = total / count, torch.zeros(())
    for steps, _ in _training_steps(dataset, name, center, chunk, axis):
        squares = squares + (steps - mean).square().sum(0)
    std = (squares / count).sqrt()
    return mean, std.where(std > _ROUNDING * largest, 0.0) if center else std


def _training_steps(
    dataset: MultimodalDataset, name: str, center: bool, chunk: int, axis: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """(n, F) float64 twice: the training samples' features, centred where that is asked for, and as they were given;
    every step of a sequence a row, a chunk of samples at a time."""
    rows = dataset.rows("train")
    rows = rows[dataset.present([name])[rows]]
    if not len(rows):
        raise InputError(f"{dataset.place}: no training sample has the modality '{name}'")
    chunk = min(chunk, max(1, _CHUNK_VALUES // abs(math.prod(dataset.columns[name].shape))))
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        reading = read(dataset.columns[name], part, middle(len(part)))
        given = _steps(reading.numbers, reading.present, axis)
        yield _steps(centred_like(reading.numbers), reading.present, axis) if center else given, given


def _steps(values: Modality, present: Tensor, axis: int) -> Tensor:
    """(n, F) float64: every step of the samples that are there."""
    if isinstance(values, Padded):
        sequences = zip(*values, present, strict=True)
        there = torch.cat([sequence[:length] for sequence, length, is_present in sequences if is_present])
    else:
        there = values[present]
    return there.double().movedim(axis, -1).flatten(0, -2)
