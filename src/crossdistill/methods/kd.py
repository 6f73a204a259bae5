"""KD: knowledge distillation by soft labels (Hinton, Vinyals, Dean; 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.losses import standardized_logits
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class KD(Method):
    """The student learns the teacher's predictions, softened by a temperature, beside the true labels.

    Defaults are the paper's for speech recognition (Section 4.1).
    The first method to compare with: a fixed teacher's soft labels, and nothing of its representations.
    An unlabelled pair has the teacher's soft labels all the same; only the hard ones are of labelled samples alone.
    Paper: Hinton, Vinyals, Dean; 2015.

    Args:
        temperature: T, of both predictions in the soft term
        soft_weight: of the soft labels' divergence, which is multiplied by T² (Section 2)
        hard_weight: of the student's cross-entropy with the true labels
        standardize: divide each sample's logits by their standard deviation, less their mean, before the temperature,
            so that the student learns how they relate and not how large they are (Sun et al.; CVPR 2024)

    Raises:
        ValueError: a negative weight, or a temperature that is not positive.

    Example:
        >>> import torch
        >>> from crossdistill.encoders import MLP
        >>> from crossdistill.methods import KD
        >>> from crossdistill.models import CrossModalModel
        >>> from crossdistill.types import Batch
        >>> model = CrossModalModel({"video": MLP(4, 8), "audio": MLP(6, 8)}, ["video"], ["audio"], width=8, classes=3)
        >>> labels = torch.tensor([0, 2])
        >>> batch = Batch({"video": torch.randn(2, 4), "audio": torch.randn(2, 6)}, labels, torch.arange(2), {})
        >>> [turn] = KD(model, temperature=2.0, soft_weight=1.0, hard_weight=0.5).turns(epoch=0)
        >>> objective = turn.objective(model(batch.modalities, KD.views), batch)
        >>> hard, teacher, soft = objective.terms.values()
        >>> torch.allclose(objective.total, 0.5 * hard + 1.0 * 2.0**2 * soft + teacher)
        True
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    learns_outputs = True
    tasks = ALL_TASKS
    search = {"temperature": Choice((1.0, 2.0, 5.0, 10.0)), "soft_weight": LogUniform(0.1, 10.0)}

    def __init__(
        self,
        model: CrossModalModel,
        temperature: float = 2.0,
        soft_weight: float = 1.0,
        hard_weight: float = 0.5,
        standardize: bool = False,
    ) -> None:
        super().__init__(model)
        require_above_zero({"temperature": temperature})
        require_at_least_zero({"soft_weight": soft_weight, "hard_weight": hard_weight})
        if standardize:
            self.require_classes("standardize")
        self.temperature, self.soft_weight, self.hard_weight = temperature, soft_weight, hard_weight
        self.standardize = standardize

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters, by_labels = self.model.parameters_of("target", "full"), self.hard_weight > 0
        return [Turn("student and teacher", parameters, self._objective, labels_student=by_labels)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        hard = self.task.loss(representations.target_logits, batch.labels)
        student, full = representations.target_logits, representations.full_logits.detach()
        if self.standardize:
            student, full = standardized_logits(student), standardized_logits(full)
        soft = self.task.divergence(student, full, self.temperature)
        teacher = self.task.loss(representations.full_logits, batch.labels)  # a constant when it is fixed
        total = self.hard_weight * hard + self.soft_weight * self.temperature**2 * soft + teacher
        named = self.task.term
        terms = {f"{named}_student": hard, f"{named}_teacher": teacher, "soft_labels": soft}
        return Objective(total, terms)
