"""Multi-label classification: each sample has any number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from crossdistill.losses import as_own_classes, jensen_shannon_divergence, soft_label_divergence
from crossdistill.losses.checks import full_precision
from crossdistill.tasks.task import weighted_mean
from crossdistill.types import UNLABELLED, TaskKind, is_labelled


@dataclass(frozen=True)
class MultiLabel:
    """A binary decision for each label: binary cross-entropy, the mean over labels; positives have the same set.

    Each divergence is that of the two-class predictions (0, z), the mean over labels. See `Task`.

    >>> import torch
    >>> from crossdistill.tasks import MultiLabel
    >>> task = MultiLabel(("dog", "outdoors"))
    >>> task.predicted(torch.tensor([[3.0, -1.0], [-2.0, -2.0]])).tolist()
    [[1, 0], [0, 0]]
    >>> task.positives(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])).tolist()
    [1, 0, 1]
    """

    names: tuple[str, ...]
    kind: ClassVar[TaskKind] = "multilabel"
    term: ClassVar[str] = "classification"
    has_classes: ClassVar[bool] = False

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        labelled = is_labelled(labels)
        logits, known = full_precision(logits), torch.where(labelled[:, None], labels, 0.0)
        each = binary_cross_entropy_with_logits(logits, known.to(logits), reduction="none").mean(1)
        return (each * labelled).sum() / labelled.sum().clamp_min(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def logits_of(self, probabilities: Tensor) -> Tensor:
        tiny = torch.finfo(probabilities.dtype).tiny
        return probabilities.clamp_min(tiny).log() - (1 - probabilities).clamp_min(tiny).log()

    def sharpened(self, soft: Tensor, exponent: float) -> Tensor:
        """q^e against (1 - q)^e, normalised for each label by itself."""
        return (exponent * self.logits_of(soft)).sigmoid()

    def soft_loss(self, logits: Tensor, soft: Tensor, weights: Tensor | None = None) -> Tensor:
        return weighted_mean(binary_cross_entropy_with_logits(logits, soft, reduction="none").mean(1), weights)

    def known_or(self, soft: Tensor, labels: Tensor) -> Tensor:
        return torch.where(is_labelled(labels)[:, None], labels.to(soft), soft)

    def softened(self, logits: Tensor, temperature: float) -> Tensor:
        return logits / temperature

    def divergence(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        return soft_label_divergence(_two_classes(student), _two_classes(teacher), temperature)

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        return jensen_shannon_divergence(_two_classes(first), _two_classes(second))

    def positives(self, labels: Tensor) -> Tensor:
        labelled = is_labelled(labels)
        sets = torch.unique(torch.where(labelled[:, None], labels, 0.0), dim=0, return_inverse=True)[1]
        return as_own_classes(torch.where(labelled, sets, UNLABELLED))

    def beliefs(self, soft: Tensor, labels: Tensor) -> Tensor | None:
        """None: how surely two sets are the same, a product over labels, is no inner product of two rows."""
        return None

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        return {"logits": logits, "probabilities": logits.sigmoid()}

    def right(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The share of the labels that are told right, each at probability 1/2."""
        return ((logits > 0) == (labels > 0)).double().mean(1)

    def predicted(self, logits: Tensor) -> npt.NDArray[Any]:
        """1 where a label's probability is above 1/2."""
        has: npt.NDArray[Any] = (logits > 0).long().numpy()
        return has


def _two_classes(logits: Tensor) -> Tensor:
    """(B · C, 2): each label's logit z as the prediction (0, z) of two classes, whose softmax is its sigmoid."""
    return torch.stack([torch.zeros_like(logits), logits], dim=-1).flatten(0, 1)
