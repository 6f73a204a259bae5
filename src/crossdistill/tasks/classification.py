"""Single-label classification: each sample is of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from crossdistill.losses import (
    as_own_classes,
    jensen_shannon_divergence,
    labelled_cross_entropy,
    soft_label_divergence,
)
from crossdistill.tasks.task import weighted_mean
from crossdistill.types import TaskKind


@dataclass(frozen=True)
class Classification:
    """Cross-entropy, softmax, positives of one class; see `Task`.

    >>> import torch
    >>> from crossdistill.tasks import Classification
    >>> task = Classification(("rest", "fall"))
    >>> task.predicted(torch.tensor([[0.0, 3.0]])).tolist(), task.positives(torch.tensor([1, -1, 1])).tolist()
    (['fall'], [1, -2, 1])
    """

    names: tuple[str, ...]
    kind: ClassVar[TaskKind] = "classification"
    term: ClassVar[str] = "classification"
    has_classes: ClassVar[bool] = True

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return labelled_cross_entropy(logits, labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def logits_of(self, probabilities: Tensor) -> Tensor:
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()

    def sharpened(self, soft: Tensor, exponent: float) -> Tensor:
        return (exponent * self.logits_of(soft)).softmax(1)

    def soft_loss(self, logits: Tensor, soft: Tensor, weights: Tensor | None = None) -> Tensor:
        return weighted_mean(cross_entropy(logits, soft, reduction="none"), weights)

    def known_or(self, soft: Tensor, labels: Tensor) -> Tensor:
        known = one_hot(labels.clamp_min(0), soft.shape[1]).to(soft)
        return torch.where(labels[:, None] >= 0, known, soft)

    def softened(self, logits: Tensor, temperature: float) -> Tensor:
        return logits / temperature

    def divergence(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        return soft_label_divergence(student, teacher, temperature)

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        return jensen_shannon_divergence(first, second)

    def positives(self, labels: Tensor) -> Tensor:
        return as_own_classes(labels)

    def beliefs(self, soft: Tensor, labels: Tensor) -> Tensor | None:
        return self.known_or(soft, labels)

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        return {"logits": logits, "probabilities": logits.softmax(1)}

    def right(self, logits: Tensor, labels: Tensor) -> Tensor:
        """1 where the highest logit is the label's, else 0."""
        return (logits.argmax(1) == labels).double()

    def predicted(self, logits: Tensor) -> npt.NDArray[Any]:
        names: npt.NDArray[Any] = np.array(self.names)[logits.argmax(1).numpy()]
        return names
