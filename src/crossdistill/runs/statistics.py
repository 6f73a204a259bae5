"""Means and deviations of the training samples' features, into the model that standardises its inputs by them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.encoders import Standardized
from crossdistill.encoders.standardize import centred_like
from crossdistill.models import CrossModalModel
from crossdistill.types import InputError, Padded

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
    count = sum(len(steps) for steps in _training_steps(dataset, name, center, chunk, axis))
    mean = _sum_of(steps.sum(0) for steps in _training_steps(dataset, name, center, chunk, axis)) / count
    squares = _sum_of((steps - mean).square().sum(0) for steps in _training_steps(dataset, name, center, chunk, axis))
    std = (squares / count).sqrt()
    if not center:
        return mean, std
    raw = (steps.abs().amax(0) for steps in _training_steps(dataset, name, False, chunk, axis))
    return mean, std.where(std > _ROUNDING * functools.reduce(torch.maximum, raw), 0.0)


def _sum_of(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)


def _training_steps(dataset: MultimodalDataset, name: str, center: bool, chunk: int, axis: int) -> Iterator[Tensor]:
    """(n, F) float64: the training samples' features, every step of a sequence a row, a chunk of samples at a time."""
    rows = dataset.rows("train")
    rows = rows[dataset.present([name])[rows]]
    if not len(rows):
        raise InputError(f"{dataset.name}: no training sample has the modality '{name}'")
    chunk = min(chunk, max(1, _CHUNK_VALUES // abs(math.prod(dataset.columns[name].shape))))
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        reading = read(dataset.columns[name], part, middle(len(part)))
        values, present = reading.numbers, reading.present
        if center:
            values = centred_like(values)
        if isinstance(values, Padded):
            sequences = zip(*values, present, strict=True)
            values = torch.cat([sequence[:length] for sequence, length, is_present in sequences if is_present])
        else:
            values = values[present]
        yield values.double().movedim(axis, -1).flatten(0, -2)
