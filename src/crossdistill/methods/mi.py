"""Maximising I(M; S) alone: the shortcut of Figure 1(a), row "L_MIs" of Table 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from crossdistill.losses import jensen_shannon_divergence, mutual_information_loss, symmetric_kl_divergence
from crossdistill.losses.checks import Reduction, require_reduction
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.tasks import Task
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn

Divergence = Literal["jsd", "symmetric_kl"]
DIVERGENCES = {"jsd": jensen_shannon_divergence, "symmetric_kl": symmetric_kl_divergence}


class MI(Method):
    """L_cls + L_JSD + α1 L_MIs. Nothing keeps the teacher's information, so it may fall to the student's.

    Use it to see what AMID's other terms are for.
    Unlabelled pairs are left out, as in `AMID`.
    Paper: row L_MIs of AMID's Table 4 (CVPR 2023).

    Args:
        alpha_1: weight of L_MIs
        temperature: τ of Eq. 7
        warmup_epochs: the first epochs with L_cls + L_JSD only
        reduction: "sum" is Eq. 8 as printed, "mean" divides by the numbers of positives and of negatives

    Raises:
        ValueError: a negative weight or number of epochs, a temperature that is not positive, or an unknown reduction.

    Example:
        >>> from crossdistill.methods import MI
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = MI(model)
        >>> representations = model(batch.modalities, method.views)
        >>> (warmup,), (distillation,) = method.turns(epoch=0), method.turns(epoch=20)
        >>> terms, more = (turn.objective(representations, batch).terms for turn in (warmup, distillation))
        >>> sorted(terms), sorted(more.keys() - terms.keys())
        (['classification_student', 'classification_teacher', 'jsd'], ['mi_student'])
    """

    views = ("target", "full")
    predicts = ("target", "full")
    tasks = ALL_TASKS
    search = {"alpha_1": LogUniform(0.003, 10.0), "temperature": Choice((0.1, 0.2, 0.5))}

    def __init__(
        self,
        model: CrossModalModel,
        alpha_1: float = 4.0,
        temperature: float = 0.5,
        warmup_epochs: int = 20,
        reduction: Reduction = "sum",
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"alpha_1": alpha_1, "warmup_epochs": warmup_epochs})
        require_above_zero({"temperature": temperature})
        require_reduction(reduction)
        self.alpha_1, self.temperature = alpha_1, temperature
        self.warmup_epochs, self.first_epochs, self.reduction = warmup_epochs, warmup_epochs, reduction

    def turns(self, epoch: int) -> Sequence[Turn]:
        objective = self._warmup if epoch < self.warmup_epochs else self._objective
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), objective)]

    def _warmup(self, representations: Representations, batch: Batch) -> Objective:
        return warmup_objective(self.task, representations, batch)

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        warmup = warmup_objective(self.task, representations, batch)
        positives = self.task.positives(batch.labels)
        mi_student = mutual_information_loss(
            representations.full,
            representations.target,
            positives,
            self.temperature,
            self.reduction,
            share=batch.share(),
        )
        return Objective(warmup.total + self.alpha_1 * mi_student, {**warmup.terms, "mi_student": mi_student})


def warmup_objective(
    task: Task, representations: Representations, batch: Batch, divergence: Divergence = "jsd"
) -> Objective:
    """L_cls + L_JSD: what labels teach S and M (Eq. 15) and the divergence of their predictions (Eq. 16)."""
    student = task.loss(representations.target_logits, batch.labels)
    teacher = task.loss(representations.full_logits, batch.labels)
    between = task.agreement if divergence == "jsd" else DIVERGENCES[divergence]
    disagreement = between(representations.target_logits, representations.full_logits)
    terms = {f"{task.term}_student": student, f"{task.term}_teacher": teacher, divergence: disagreement}
    return Objective(student + teacher + disagreement, terms)
