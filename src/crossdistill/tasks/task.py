"""What every task answers; methods, measures and students ask it, and none of them asks which one it is."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt
from torch import Tensor

from crossdistill.types import TaskKind


class Task(Protocol):
    """What a model's outputs, its logits (B, C), mean, and what follows from that.

    names: of the C classes, labels or numbers; term: how losses on labels are called; has_classes: whether each sample
    is of one class and no other

    >>> import torch
    >>> from crossdistill.tasks import Classification, MultiLabel, Regression
    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> Classification(("cat", "dog")).loss(logits, torch.tensor([1])).item()  # log 2
    0.6931471824645996
    >>> MultiLabel(("cat", "dog")).loss(logits, torch.tensor([[1.0, 0.0]])).item()
    0.6931471824645996
    >>> numbers = Regression(("height", "weight"), mean=(170.0, 70.0), deviation=(10.0, 20.0))
    >>> numbers.loss(logits, torch.tensor([[180.0, 70.0]])).item()  # one deviation off, and none
    0.5
    """

    @property
    def kind(self) -> TaskKind: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def term(self) -> str: ...
    @property
    def has_classes(self) -> bool: ...

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What labels teach: the mean over the samples that have one, 0 where none has. labels: as in `Batch`."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, C) what a soft label is made of: probabilities, or the numbers themselves, in deviations from their
        mean."""

    def logits_of(self, probabilities: Tensor) -> Tensor:
        """(B, C) logits of which these are the probabilities."""

    def sharpened(self, soft: Tensor, exponent: float) -> Tensor:
        """Soft labels (B, C) made surer, where there is such a thing."""

    def soft_loss(self, logits: Tensor, soft: Tensor, weights: Tensor | None = None) -> Tensor:
        """What soft labels (B, C) teach, as `loss` where they are sure; the mean over all samples, each times its
        weight (B,)."""

    def known_or(self, soft: Tensor, labels: Tensor) -> Tensor:
        """(B, C): the label as a soft label where there is one, else the row of `soft`."""

    def softened(self, logits: Tensor, temperature: float) -> Tensor:
        """Logits (B, C) whose probabilities are softened by T, where there is such a thing."""

    def divergence(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """How far a student's logits are from a teacher's, both softened by T; T² times it has one scale for all T."""

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """How far two views' logits are from each other, alike for both, with gradients to both (in Eq. 16's place)."""

    def positives(self, labels: Tensor) -> Tensor:
        """(B,) int64, equal for samples that class-aware terms take for positives of each other; a number of its own,
        below 0, for a sample of which that is not known."""

    def beliefs(self, soft: Tensor, labels: Tensor) -> Tensor | None:
        """(B, C) whose rows' inner products say how surely two samples are positives; None where nothing says it."""

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        """What a student answers, by name, each (B, C); numbers in their own units are float64."""

    def right(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B,) float64, how well each sample's label is told; more is better."""

    def predicted(self, logits: Tensor) -> npt.NDArray[Any]:
        """What is said of N samples: class names (N,), 0 and 1 for each label (N, C), or numbers (N,) or (N, K)."""


def weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    """The mean over samples of losses (B,), each times its weight (B,), or as it is."""
    return losses.mean() if weights is None else (losses * weights).mean()
