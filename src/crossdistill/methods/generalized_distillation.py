"""Generalized distillation: a teacher that sees privileged information alone (Lopez-Paz et al.; ICLR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero
from crossdistill.types import Batch, Choice, InputError, Objective, Representations, Turn


class GeneralizedDistillation(Method):
    """The student learns the labels and, weighted by λ, the soft labels of a teacher that was trained before it on the
    auxiliary modalities alone; of unlabelled pairs the soft labels only.

    The auxiliary modalities are what Vapnik calls privileged information: there for the teacher, never for the student.
    Compare it with `kd`, whose teacher sees the target modalities as well.
    Paper: Lopez-Paz, Bottou, Schölkopf, Vapnik, "Unifying distillation and privileged information"; ICLR 2016.

    Args:
        imitation: λ, from 0 (labels alone) to 1 (soft labels alone)
        temperature: T, of the teacher's predictions alone

    Raises:
        InputError: a temperature that is not positive, or an imitation outside [0, 1].

    Example:
        >>> from dataclasses import replace
        >>> import torch
        >>> from crossdistill.methods import GeneralizedDistillation
        >>> from crossdistill.testing import small_problem
        >>> from crossdistill.training.passes import forward
        >>> model, _, batch = small_problem()
        >>> method = GeneralizedDistillation(model, imitation=0.25)
        >>> [turn] = method.turns(epoch=0)
        >>> unlabelled = replace(batch, labels=torch.full_like(batch.labels, -1))
        >>> objective = turn.objective(forward(method, unlabelled), unlabelled)
        >>> torch.equal(objective.total, 0.25 * objective.terms["soft_labels"])
        True
    """

    views = ("target", "auxiliary")
    predicts = ("target", "auxiliary")
    teacher = "fixed"
    taught_by = "auxiliary"
    learns_unlabelled = True
    tasks = ALL_TASKS
    search = {"imitation": Choice((0.25, 0.5, 0.75, 1.0)), "temperature": Choice((1.0, 2.0, 5.0, 10.0))}

    def __init__(self, model: CrossModalModel, imitation: float = 0.5, temperature: float = 2.0) -> None:
        super().__init__(model)
        require_above_zero({"temperature": temperature})
        if not 0 <= imitation <= 1:
            raise InputError(f"imitation: expected a share within [0, 1], found {imitation}")
        self.imitation, self.temperature = imitation, temperature

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = self.model.parameters_of("target", "auxiliary")
        return [Turn("student and teacher", parameters, self._objective, labels_student=self.imitation < 1)]

    def _objective(self, made: Representations, batch: Batch) -> Objective:
        """Eq. 4, its first term over the labelled samples, its second over all."""
        student, said = made.target_logits, made.auxiliary_logits.detach()
        hard = self.task.loss(student, batch.labels)
        softened = self.task.softened(said, self.temperature)
        soft = self.task.divergence(student, softened)  # the student's own predictions are not softened
        teacher = self.task.loss(made.auxiliary_logits, batch.labels)  # a constant when the teacher is fixed
        named = self.task.term
        terms = {f"{named}_student": hard, f"{named}_auxiliary": teacher, "soft_labels": soft}
        return Objective((1 - self.imitation) * hard + self.imitation * soft + teacher, terms)
