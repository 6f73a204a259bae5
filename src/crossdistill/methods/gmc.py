"""GMC: geometric multimodal contrastive representation learning (Poklukar et al.; ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import nn

from crossdistill.losses import labelled_cross_entropy, nt_xent_loss
from crossdistill.losses.checks import require_one_of
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn

_Supervision = Literal["student_and_joint", "joint"]


class GMC(Method):
    """Behind one shared projection, S and A are each to lie where M, the joint representation of the sample, lies.

    Use it where one space for all modalities is wanted, in which any of them can stand in for all.
    The contrast asks for no class, so that unlabelled pairs take part in it like all others.
    Paper: Poklukar et al.; ICML 2022.

    Args:
        contrast_weight: of the contrastive terms, one for S and one for A
        temperature: τ of NT-Xent; the paper's for supervised learning
        projection: width of the shared projection head's output, where the contrast takes place
        supervision: whose predictions are trained: "joint" is the paper's, where one classifier reads what the
            projection makes of either; here the student ships without it, and "student_and_joint" trains it as well

    Raises:
        ValueError: a negative weight, a temperature or a projection that is not positive, an unknown supervision, or
            "joint" for a student that shares no classifier with the teacher.

    Example:
        >>> from crossdistill.methods import GMC
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = GMC(model)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_student', 'classification_teacher', 'contrast_auxiliary', 'contrast_student']
    """

    views = ("target", "auxiliary", "full")
    predicts = ("target", "full")
    learns_unlabelled = True
    search = {"contrast_weight": LogUniform(0.1, 10.0), "temperature": Choice((0.1, 0.2, 0.3, 0.5))}

    def __init__(
        self,
        model: CrossModalModel,
        contrast_weight: float = 1.0,
        temperature: float = 0.3,
        projection: int = 60,
        supervision: _Supervision = "student_and_joint",
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"contrast_weight": contrast_weight})
        require_above_zero({"temperature": temperature, "projection": projection})
        require_one_of("supervision", supervision, get_args(_Supervision))
        if supervision == "joint" and model.separate_teacher:
            raise ValueError("expected supervision 'student_and_joint' with a separate teacher: nothing else trains it")
        self.contrast_weight, self.temperature, self.supervision = contrast_weight, temperature, supervision
        self.projection = nn.Linear(model.width, projection)

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "auxiliary", "full"), *self.projection.parameters()]
        labels_student = self.supervision == "student_and_joint"
        return [Turn("student and teacher", parameters, self._objective, labels_student=labels_student)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        joint = self.projection(representations.full)
        student, auxiliary = self.projection(representations.target), self.projection(representations.auxiliary)
        contrast_student = nt_xent_loss(joint, student, self.temperature, batch.share())
        contrast_auxiliary = nt_xent_loss(joint, auxiliary, self.temperature, batch.share())
        teacher = labelled_cross_entropy(representations.full_logits, batch.labels)
        total = teacher + self.contrast_weight * (contrast_student + contrast_auxiliary)
        terms = {
            "classification_teacher": teacher,
            "contrast_student": contrast_student,
            "contrast_auxiliary": contrast_auxiliary,
        }
        if self.supervision == "student_and_joint":
            terms["classification_student"] = labelled_cross_entropy(representations.target_logits, batch.labels)
            total = total + terms["classification_student"]
        return Objective(total, terms)
