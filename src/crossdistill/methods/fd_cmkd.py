"""FD-CMKD: frequency-decoupled cross-modal knowledge distillation (Liu, Zhang, Huang, Xu, Yang; AAAI 2026)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from crossdistill.losses import frequency_bands, labelled_cross_entropy, standardized_mse_loss
from crossdistill.losses.checks import require_one_of
from crossdistill.losses.frequency import loss_of_bands
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn

Decoupling = Literal["frequency", "none"]


class FDCMKD(Method):
    """The student's representation comes close to that of a fixed auxiliary teacher, strictly in the low frequencies of
    its features and loosely in the high ones; classifiers that both share keep the two in one space.

    The paper's teacher is of another modality than the student: here it is the auxiliary model, trained first.
    Unlabelled pairs teach by the distances. Use it to see what feature distillation across modalities is worth;
    `decoupling none` is its plain ablation, an MSE of standardised features, with the shared classifier of whole
    features that goes with it.
    Paper: Liu, Zhang, Huang, Xu, Yang, "Distilling Cross-Modal Knowledge via Feature Disentanglement"; AAAI 2026.

    Args:
        weight: of the distances between student's and teacher's features
        alignment_weight: of the shared classifiers' cross-entropies, of the student's features and of the teacher's
        decoupling: frequency splits features into low and high frequencies; none leaves them whole

    Raises:
        InputError: a negative weight.
        ValueError: an unknown decoupling.

    Example:
        >>> from crossdistill.methods import FDCMKD
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> for decoupling in ("frequency", "none"):
        ...     [turn] = FDCMKD(model, decoupling=decoupling).turns(epoch=0)
        ...     list(turn.objective(model(batch.modalities, FDCMKD.views), batch).terms)
        ['classification_student', 'classification_auxiliary', 'distance', 'alignment', 'classification_bands']
        ['classification_student', 'classification_auxiliary', 'distance', 'alignment']
    """

    views = ("target", "auxiliary")
    predicts = ("target", "auxiliary")
    teacher = "fixed"
    taught_by = "auxiliary"
    learns_unlabelled = True
    search = {
        "weight": LogUniform(1.0, 1000.0),
        "alignment_weight": LogUniform(0.1, 10.0),
        "decoupling": Choice(("frequency", "none")),
    }

    def __init__(
        self,
        model: CrossModalModel,
        weight: float = 1.0,
        alignment_weight: float = 1.0,
        decoupling: Decoupling = "frequency",
    ) -> None:
        super().__init__(model)
        require_at_least_zero({"weight": weight, "alignment_weight": alignment_weight})
        require_one_of("decoupling", decoupling, get_args(Decoupling))
        self.weight, self.alignment_weight, self.decoupling = weight, alignment_weight, decoupling
        bands = 2 if decoupling == "frequency" else 1
        self.shared = nn.ModuleList(classifier(model.width, model.classes) for _ in range(bands))
        self.own = nn.ModuleList(classifier(model.width, model.classes) for _ in range(bands if bands > 1 else 0))

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "auxiliary"), *self.parameters()]
        return [Turn("student and teacher", parameters, self._objective)]

    def _objective(self, made: Representations, batch: Batch) -> Objective:
        labels, teacher = batch.labels, made.auxiliary.detach()
        student_bands, teacher_bands = self._bands(made.target), self._bands(teacher)
        terms = {
            "classification_student": labelled_cross_entropy(made.target_logits, labels),
            "classification_auxiliary": labelled_cross_entropy(made.auxiliary_logits, labels),  # constant when fixed
            "distance": loss_of_bands(made.target, teacher, student_bands, teacher_bands)
            if self.decoupling == "frequency"
            else standardized_mse_loss(made.target, teacher),
            "alignment": classified([*self.shared, *self.shared], [*student_bands, *teacher_bands], labels),
        }
        total = terms["classification_student"] + terms["classification_auxiliary"]
        total = total + self.weight * terms["distance"] + self.alignment_weight * terms["alignment"]
        if self.decoupling == "frequency":
            terms["classification_bands"] = classified(self.own, student_bands, labels)
            total = total + terms["classification_bands"]
        return Objective(total, terms)

    def _bands(self, features: Tensor) -> tuple[Tensor, ...]:
        return frequency_bands(features) if self.decoupling == "frequency" else (features,)


def classifier(width: int, classes: int) -> nn.Sequential:
    """(B, width) -> (B, classes) of a band."""
    return nn.Sequential(nn.ReLU(), nn.Linear(width, classes))


def classified(classifiers: Iterable[nn.Module], bands: Sequence[Tensor], labels: Tensor) -> Tensor:
    """The cross-entropies of each band by its own classifier, added up."""
    logits = [classify(band) for classify, band in zip(classifiers, bands, strict=True)]
    return len(logits) * labelled_cross_entropy(torch.cat(logits), labels.repeat(len(logits)))
