"""A few training samples to remember, batches of them, and what CRD and CMC owe them, in slow loops."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossdistill.methods.noise_contrast import NoiseContrast
from crossdistill.types import Batch, Representations, TrainingSamples
from tests.losses import contrastive_equations as equations
from tests.methods.small import leaves, rows

SAMPLE_LABELS = (0, 1, 0, 2, 1, 0, 3, 1, 2, 0)
SAMPLES = TrainingSamples(torch.tensor([3, 4, 7, 8, 11, 12, 13, 20, 21, 30]), torch.tensor(SAMPLE_LABELS))
FEW_SAMPLE_LABELS = (-1, 1, 0, 2, -1, 0, -1, 1, -1, 0)
FEW_SAMPLES = TrainingSamples(SAMPLES.rows, torch.tensor(FEW_SAMPLE_LABELS))
PLACES = (6, 0, 3, 5, 9)  # the samples of a batch, by their place in the banks


class Step(NamedTuple):
    """What a method meets in one step."""

    made: Representations
    batch: Batch
    places: tuple[int, ...]


def step_of(places: Sequence[int] = PLACES, labels: Sequence[int] | None = None, seed: int = 0) -> Step:
    """labels: those of the samples, unless others are given."""
    labels = [SAMPLE_LABELS[place] for place in places] if labels is None else labels
    batch = Batch({}, torch.tensor(labels), SAMPLES.rows[list(places)], {})
    return Step(leaves(tuple(labels), seed), batch, tuple(places))


def embedded(layer: nn.Linear, representations: Tensor) -> list[list[float]]:
    """W x + b for each row x."""
    weights, biases = rows(layer.weight), layer.bias.tolist()
    return [
        [sum(w * x for w, x in zip(line, row, strict=True)) + b for line, b in zip(weights, biases, strict=True)]
        for row in rows(representations)
    ]


def unit(row: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row] if length else list(row)


class Expected(NamedTuple):
    losses: list[float]
    log_normalizers: list[float]


def expected_contrast(
    contrast: NoiseContrast,
    sides: tuple[Tensor, Tensor],
    step: Step,
    log_normalizers: Sequence[float] | None = None,
    sample_labels: Sequence[int] = SAMPLE_LABELS,
) -> Expected:
    """Of each direction, the loss with all negatives there are, and log Z of the batch, which the loss takes unless
    others are given. A sample without a label is of no class but its own."""
    anchors = embedded(contrast.embed_first, sides[0]), embedded(contrast.embed_second, sides[1])
    banks = rows(contrast.bank_second.vectors), rows(contrast.bank_first.vectors)
    labels, everyone = step.batch.labels.tolist(), range(len(sample_labels))
    allowed = [
        [
            place != own and not (contrast.sampler.other_classes and label >= 0 and sample_labels[place] == label)
            for place in everyone
        ]
        for own, label in zip(step.places, labels, strict=True)
    ]
    losses, own_normalizers = [], []
    for direction, (mine, bank) in enumerate(zip(anchors, banks, strict=True)):
        positives = [bank[place] for place in step.places]
        arguments = (mine, positives, bank, allowed, len(bank))
        own_normalizers.append(equations.noise_contrastive_normalizer(*arguments, contrast.temperature))
        log_z = own_normalizers[-1] if log_normalizers is None else log_normalizers[direction]
        losses.append(equations.noise_contrastive_loss(*arguments, log_z, contrast.temperature))
    return Expected(losses, own_normalizers)


def continued(method: nn.Module, build: Callable[[], nn.Module]) -> nn.Module:
    """A newly built method with the state of this one, as after resuming."""
    fresh = build()
    fresh.load_state_dict(copy.deepcopy(method.state_dict()))
    return fresh
