"""DKD: decoupled knowledge distillation (Zhao, Cui, Song, Qiu, Liang; CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from crossdistill.losses import labelled_cross_entropy
from crossdistill.losses.decoupled import divergence_of_targets
from crossdistill.losses.selection import divergence_of_others
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class DKD(Method):
    """Soft labels in two parts with weights of their own: the sample's class against all others (TCKD), and how the
    others relate (NCKD).

    L_cls + w T² (α TCKD + β NCKD), w rising from 0 over the first epochs. Defaults are the published code's.
    Use it in KD's place where the teacher is certain, so that its soft labels say little of the other classes; with two
    classes there are none, and TCKD alone is left.
    An unlabelled pair has, in its label's place, the class that the teacher predicts.
    Paper: Zhao, Cui, Song, Qiu, Liang; CVPR 2022.

    Args:
        alpha: weight of TCKD
        beta: weight of NCKD
        temperature: T, of both predictions; both parts are multiplied by T²
        warmup_epochs: over which the weight of both parts rises to its whole, epoch by epoch; 0 for all of it at once

    Raises:
        InputError: a negative weight or number of epochs, or a temperature that is not positive.

    Example:
        >>> from crossdistill.methods import DKD
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = DKD(model, warmup_epochs=20)
        >>> [method.weight_at(epoch) for epoch in (0, 9, 19, 100)]
        [0.05, 0.5, 1.0, 1.0]
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_student', 'classification_teacher', 'non_target_classes', 'target_class']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    learns_outputs = True
    search = {"beta": LogUniform(0.5, 10.0), "temperature": Choice((1.0, 2.0, 4.0))}

    def __init__(
        self,
        model: CrossModalModel,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: float = 4.0,
        warmup_epochs: int = 20,
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"alpha": alpha, "beta": beta, "warmup_epochs": warmup_epochs})
        require_above_zero({"temperature": temperature})
        self.alpha, self.beta, self.temperature, self.warmup_epochs = alpha, beta, temperature, warmup_epochs

    def turns(self, epoch: int) -> Sequence[Turn]:
        objective = partial(self._objective, self.weight_at(epoch))
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), objective)]

    def weight_at(self, epoch: int) -> float:
        """w in this epoch of the run.

        Args:
            epoch: the first of which is 0
        """
        return min((epoch + 1) / self.warmup_epochs, 1.0) if self.warmup_epochs else 1.0

    def _objective(self, weight: float, representations: Representations, batch: Batch) -> Objective:
        student, full = representations.target_logits, representations.full_logits.detach()
        labelled = batch.labelled
        targets, everywhere = torch.where(labelled, batch.labels, full.argmax(dim=1)), torch.ones_like(labelled)
        target = divergence_of_targets(student, full, targets, self.temperature)
        others = divergence_of_others(student, full, targets, everywhere, temperature=self.temperature)
        hard = labelled_cross_entropy(student, batch.labels)
        teacher = labelled_cross_entropy(representations.full_logits, batch.labels)  # a constant when it is fixed
        soft = self.temperature**2 * (self.alpha * target + self.beta * others)
        terms = {
            "classification_student": hard,
            "classification_teacher": teacher,
            "target_class": target,
            "non_target_classes": others,
        }
        return Objective(hard + weight * soft + teacher, terms)
