"""CCL: compositional contrastive learning (Chen, Xian, Koepke, Shan, Akata; CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from crossdistill.losses import as_own_classes, class_contrastive_loss, labelled_cross_entropy
from crossdistill.losses.checks import require_one_of
from crossdistill.methods.base import Method
from crossdistill.methods.mi import DIVERGENCES, Divergence
from crossdistill.models import Composition, CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class CCL(Method):
    """The student is pulled towards the auxiliary embedding, and towards one composed of both that closes the gap.

    Two players move on the same batch: the student, and the composition with its own classifier. The auxiliary model
    is the paper's teacher, trained before both; there is no model of all modalities.
    Use it where the auxiliary modality is strong and a gap of meaning separates it from the target's.
    An unlabelled pair is a class of its own in the contrasts, and has a part in the divergence like all others.
    Paper: Chen, Xian, Koepke, Shan, Akata; CVPR 2021.

    Args:
        contrast_weight: of the contrastive terms of both players
        divergence_weight: of the divergence between the student's and the composition's predictions
        temperature: τ of the contrastive terms; the paper's for sound is 0.5, for images 0.1
        summed_gradients: the composition also follows the student's loss, as the published step has it, so that its
            contrast with the student and the divergence count twice
        divergence: "symmetric_kl" is what the published code computes, "jsd" the true Jensen-Shannon divergence

    Raises:
        ValueError: a negative weight, a temperature that is not positive, or an unknown divergence.

    Example:
        >>> from crossdistill.methods import CCL
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = CCL(model)
        >>> representations = model(batch.modalities, method.views)
        >>> for turn in method.turns(epoch=0):
        ...     print(turn.name, sorted(turn.objective(representations, batch).terms))
        composition ['classification_composed', 'contrast_composed_auxiliary']
        student ['classification_student', 'contrast_student_auxiliary', 'contrast_student_composed', 'symmetric_kl']
    """

    views = ("target", "auxiliary")
    predicts = ("target",)
    teacher = "fixed"
    taught_by = "auxiliary"
    learns_unlabelled = True
    search = {
        "contrast_weight": LogUniform(0.1, 10.0),
        "divergence_weight": LogUniform(0.1, 10.0),
        "temperature": Choice((0.1, 0.2, 0.5)),
    }

    def __init__(
        self,
        model: CrossModalModel,
        contrast_weight: float = 1.0,
        divergence_weight: float = 1.0,
        temperature: float = 0.5,
        divergence: Divergence = "symmetric_kl",
        summed_gradients: bool = False,
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"contrast_weight": contrast_weight, "divergence_weight": divergence_weight})
        require_above_zero({"temperature": temperature})
        require_one_of("divergence", divergence, get_args(Divergence))
        self.contrast_weight, self.divergence_weight = contrast_weight, divergence_weight
        self.temperature, self.divergence = temperature, divergence
        self.shared = 2.0 if summed_gradients else 1.0  # how often it sees the terms that both losses have
        self.composition = Composition(model.width, model.classes)

    def turns(self, epoch: int) -> Sequence[Turn]:
        composition = [*self.composition.parameters(), *self.model.parameters_of("auxiliary")]
        return [  # in the published code's order
            Turn("composition", composition, self._composition),
            Turn("student", self.model.parameters_of("target"), self._student),
        ]

    def _student(self, representations: Representations, batch: Batch) -> Objective:
        """L_cls + L_nce with the composition and with the auxiliary embedding + divergence of the predictions."""
        target, auxiliary = representations.target, representations.auxiliary.detach()
        labels = as_own_classes(batch.labels)
        composed, composed_logits = self.composition(auxiliary, target)
        classification = labelled_cross_entropy(representations.target_logits, batch.labels)
        with_composed = class_contrastive_loss(target, composed, labels, self.temperature, batch.share())
        with_auxiliary = class_contrastive_loss(target, auxiliary, labels, self.temperature, batch.share())
        divergence = DIVERGENCES[self.divergence](representations.target_logits, composed_logits)
        contrast = with_composed + with_auxiliary
        total = classification + self.contrast_weight * contrast + self.divergence_weight * divergence
        terms = {
            "classification_student": classification,
            "contrast_student_composed": with_composed,
            "contrast_student_auxiliary": with_auxiliary,
            self.divergence: divergence,
        }
        return Objective(total, terms)

    def _composition(self, representations: Representations, batch: Batch) -> Objective:
        """The composition's objective: its contrast is with the student and with the auxiliary embedding."""
        target, auxiliary = representations.target.detach(), representations.auxiliary
        labels = as_own_classes(batch.labels)
        composed, composed_logits = self.composition(auxiliary, target)
        classification = labelled_cross_entropy(composed_logits, batch.labels)
        with_student = class_contrastive_loss(target, composed, labels, self.temperature, batch.share())
        with_auxiliary = class_contrastive_loss(composed, auxiliary, labels, self.temperature, batch.share())
        divergence = DIVERGENCES[self.divergence](representations.target_logits.detach(), composed_logits)
        contrast = self.shared * with_student + with_auxiliary
        total = classification + self.contrast_weight * contrast + self.shared * self.divergence_weight * divergence
        return Objective(
            total, {"classification_composed": classification, "contrast_composed_auxiliary": with_auxiliary}
        )
