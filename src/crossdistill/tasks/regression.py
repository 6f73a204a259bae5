"""Regression: each sample has one or several numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from crossdistill.losses.checks import full_precision
from crossdistill.tasks.task import weighted_mean
from crossdistill.types import InputError, TaskKind, is_labelled


@dataclass(frozen=True)
class Regression:
    """Squared distance of numbers in units of their deviation from their mean; nothing is a positive but a sample's own
    pair, and no number is sharper or softer than another. See `Task`.

    mean, deviation: of the K numbers, over the labelled training samples; outputs are in these units until a student
    answers, so that results do not depend on the unit of measurement

    >>> import torch
    >>> from crossdistill.tasks import Regression
    >>> task = Regression(("kelvin",), mean=(300.0,), deviation=(10.0,))
    >>> task.predicted(torch.tensor([[0.0], [-1.5]])).tolist()
    [300.0, 285.0]
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    kind: ClassVar[TaskKind] = "regression"
    term: ClassVar[str] = "regression"
    has_classes: ClassVar[bool] = False

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        labelled, logits = is_labelled(labels), full_precision(logits)
        distance = (logits - self.known_or(logits.detach(), labels)).square().mean(1)
        return (distance * labelled).sum() / labelled.sum().clamp_min(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits

    def logits_of(self, probabilities: Tensor) -> Tensor:
        return probabilities

    def sharpened(self, soft: Tensor, exponent: float) -> Tensor:
        return soft

    def soft_loss(self, logits: Tensor, soft: Tensor, weights: Tensor | None = None) -> Tensor:
        return weighted_mean(mse_loss(logits, soft, reduction="none").mean(1), weights)

    def known_or(self, soft: Tensor, labels: Tensor) -> Tensor:
        return torch.where(is_labelled(labels)[:, None], self._standardized(labels).to(soft), soft)

    def softened(self, logits: Tensor, temperature: float) -> Tensor:
        return logits

    def divergence(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """The squared distance of both divided by T, which is what KL of softened predictions tends to for large T."""
        return mse_loss(student, teacher) / temperature**2

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        return mse_loss(first, second)

    def positives(self, labels: Tensor) -> Tensor:
        return -1 - torch.arange(len(labels), device=labels.device)

    def beliefs(self, soft: Tensor, labels: Tensor) -> Tensor | None:
        return None

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        wide = logits.double()  # float32 would round numbers that are far from 0 by more than their deviation
        values = wide * wide.new_tensor(self.deviation) + wide.new_tensor(self.mean)
        return {"standardized": logits, "values": values}

    def right(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Minus the mean, over a sample's numbers, of their squared distance from the label, so that more is better."""
        return -(logits.double() - self._standardized(labels.double())).square().mean(1)

    def predicted(self, logits: Tensor) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = self.outputs(logits)["values"].numpy()
        return values[:, 0] if len(self.names) == 1 else values

    def _standardized(self, labels: Tensor) -> Tensor:
        """In the labels' own precision, in which a large mean leaves the differences whole."""
        return (labels - labels.new_tensor(self.mean)) / labels.new_tensor(self.deviation)


def statistics_of(labels: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each column of numbers (n, K), both K values; a deviation of 1 for what is constant.

    Raises InputError for numbers so large that their squares are not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = labels.mean(0), labels.std(0)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise InputError("labels: numbers too large to be standardised; give them in a larger unit")
    constant = deviation <= 1e-12 * np.abs(mean)  # what is left is rounding
    return tuple(mean.tolist()), tuple(np.where(constant, 1.0, deviation).tolist())
