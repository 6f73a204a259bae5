"""DIST: knowledge distillation from a stronger teacher (Huang, You, Wang, Qian, Xu; NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.losses import inter_class_correlation_loss, intra_class_correlation_loss, labelled_cross_entropy
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class DIST(Method):
    """The student's predictions are to correlate with the teacher's, over the classes of each sample and, class by
    class, over the samples of a batch.

    L_cls + T² (β L_inter + γ L_intra), each 1 less a mean of Pearson's correlations. Defaults are the published code's.
    Use it in KD's place where the teacher is so much better that its certainty is nothing the student could match.
    An unlabelled pair takes part in both correlations like all others.
    Paper: Huang, You, Wang, Qian, Xu; NeurIPS 2022.

    Args:
        beta: weight of L_inter, over the classes of a sample
        gamma: weight of L_intra, over the samples of the batch
        temperature: T, of both predictions; both losses are multiplied by T²

    Raises:
        InputError: a negative weight, or a temperature that is not positive.

    Example:
        >>> from crossdistill.methods import DIST
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = DIST(model)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_student', 'classification_teacher', 'inter_class', 'intra_class']
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    learns_outputs = True
    search = {"beta": LogUniform(0.1, 10.0), "gamma": LogUniform(0.1, 10.0), "temperature": Choice((1.0, 2.0, 4.0))}

    def __init__(self, model: CrossModalModel, beta: float = 1.0, gamma: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__(model)
        require_at_least_zero({"beta": beta, "gamma": gamma})
        require_above_zero({"temperature": temperature})
        self.beta, self.gamma, self.temperature = beta, gamma, temperature

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student, full = representations.target_logits, representations.full_logits.detach()
        inter = inter_class_correlation_loss(student, full, self.temperature)
        intra = intra_class_correlation_loss(student, full, self.temperature)
        hard = labelled_cross_entropy(student, batch.labels)
        teacher = labelled_cross_entropy(representations.full_logits, batch.labels)  # a constant when it is fixed
        total = hard + self.temperature**2 * (self.beta * inter + self.gamma * intra) + teacher
        terms = {
            "classification_student": hard,
            "classification_teacher": teacher,
            "inter_class": inter,
            "intra_class": intra,
        }
        return Objective(total, terms)
