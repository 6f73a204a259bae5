"""RKD: Relational Knowledge Distillation (Park, Kim, Lu, Cho; CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.losses import angle_relation_loss, distance_relation_loss
from crossdistill.losses.checks import Reduction, require_reduction
from crossdistill.losses.cosine import unit_rows
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, LogUniform, Objective, Representations, Turn


class RKD(Method):
    """Samples keep, in the student's space, the relative distances and the angles that they have in the teacher's.

    Defaults are the paper's for classification (RKD-DA).
    Use it where the teacher's space should keep its geometry in the student's, at whatever scale.
    Relations are between all samples of a batch, unlabelled pairs among them.
    Paper: Park, Kim, Lu, Cho; CVPR 2019.

    Args:
        distance_weight: of L_RKD-D
        angle_weight: of L_RKD-A
        reduction: "mean" over pairs and triplets, for which the weights are meant; "sum" is the losses as printed
        normalize: relate the representations' directions only, as the published code for classification does

    Raises:
        ValueError: a negative weight, or an unknown reduction.

    Example:
        >>> from crossdistill.methods import RKD
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = RKD(model)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['angle', 'classification_student', 'classification_teacher', 'distance']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    tasks = ALL_TASKS
    search = {"distance_weight": LogUniform(2.5, 250.0), "angle_weight": LogUniform(5.0, 500.0)}

    def __init__(
        self,
        model: CrossModalModel,
        distance_weight: float = 25.0,
        angle_weight: float = 50.0,
        reduction: Reduction = "mean",
        normalize: bool = False,
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"distance_weight": distance_weight, "angle_weight": angle_weight})
        require_reduction(reduction)
        self.distance_weight, self.angle_weight = distance_weight, angle_weight
        self.reduction, self.normalize = reduction, normalize

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student, teacher = representations.target, representations.full.detach()
        if self.normalize:
            student, teacher = unit_rows(student), unit_rows(teacher)
        distance = distance_relation_loss(student, teacher, self.reduction)
        angle = angle_relation_loss(student, teacher, self.reduction, batch.share())
        hard = self.task.loss(representations.target_logits, batch.labels)
        online = self.task.loss(representations.full_logits, batch.labels)  # a constant when it is fixed
        total = hard + online + self.distance_weight * distance + self.angle_weight * angle
        named = self.task.term
        terms = {f"{named}_student": hard, f"{named}_teacher": online, "distance": distance, "angle": angle}
        return Objective(total, terms)
