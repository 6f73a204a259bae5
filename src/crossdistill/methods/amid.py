"""AMID: Adversarial Mutual Information Distillation (Chen, Xing, Wang, Zhang; CVPR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from crossdistill.losses import MutualInformation, info_nce_loss, mutual_information, mutual_information_bound
from crossdistill.losses.checks import Reduction, require_one_of, require_reduction
from crossdistill.methods.adversary import Adversary, AdversarySettings, Weights
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.methods.mi import Divergence, warmup_objective
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Share, Turn

Contrast = Literal["mi", "nce"]


class AMID(Method):
    """Maximise I(M; S) and I(M; A), minimise H(M | S), with a teacher M trained online (Eq. 17).

    Defaults are the paper's for video.
    Use it where the auxiliary modalities are the better ones and student and teacher may learn together.
    Unlabelled pairs are left out, as the paper has none: `AMIDU` is what becomes of it with them.
    Paper: Chen, Xing, Wang, Zhang; CVPR 2023.

    Args:
        alpha_1: weight of L_MIs
        alpha_2: weight of L_MIa
        alpha_3: weight of L_adv; 0 leaves the discriminators out (Table 4)
        temperature: τ of Eq. 7
        beta: smoothing of λ (Eq. 14)
        warmup_epochs: T_start, the first epochs with L_cls + L_JSD only; 0 is "w/o warm-up" of Table 5
        second_discriminator: False leaves D2 out, λ = (1, 0): "w/o D2" of Table 5
        dynamic_weights: False keeps λ = (½, ½): "w/o dynamic weight" of Table 5
        expected_partners: d of Eq. 12; null takes each batch's own number of samples with a partner
        reduction: "sum" is Eq. 8 as printed; "mean" is CCL's class-aware contrast, L_nce of Table 4: `AMIDClassMeans`
        contrast: "mi" is L_MI; "nce" puts InfoNCE between instances in its place, blind to classes
        divergence: "jsd" is Eq. 16; "symmetric_kl" is the term that CCL has in its place
        discriminator_width: units of the layers of D1 and D2

    Raises:
        ValueError: a negative weight, an unusable d, τ or β, or an unknown reduction, contrast or divergence.

    Example:
        >>> import torch
        >>> from crossdistill.encoders import MLP
        >>> from crossdistill.methods import AMID
        >>> from crossdistill.models import CrossModalModel
        >>> from crossdistill.types import Batch
        >>> model = CrossModalModel({"video": MLP(4, 8), "audio": MLP(6, 8)}, ["video"], ["audio"], width=8, classes=3)
        >>> labels = torch.tensor([0, 0, 1, 1, 2, 2])
        >>> batch = Batch({"video": torch.randn(6, 4), "audio": torch.randn(6, 6)}, labels, torch.arange(6), {})
        >>> method = AMID(model, warmup_epochs=20)
        >>> [turn.name for turn in method.turns(epoch=0)], [turn.name for turn in method.turns(epoch=20)]
        (['student and teacher'], ['student and teacher', 'discriminators'])
        >>> distillation, _ = method.turns(epoch=20)
        >>> sorted(distillation.objective(model(batch.modalities, method.views), batch).terms)
        ['adversarial', 'classification_student', 'classification_teacher', 'jsd', 'mi_auxiliary', 'mi_student']
        >>> method.adversary.weights  # λ1, λ2 until the first epoch's end
        (0.5, 0.5)
    """

    views = ("target", "auxiliary", "full")
    predicts = ("target", "full")
    tasks = ALL_TASKS
    search = {
        "alpha_1": LogUniform(0.003, 10.0),  # low where a class fills much of a batch, and so of Eq. 8's sums
        "alpha_2": LogUniform(0.001, 5.0),
        "alpha_3": LogUniform(0.01, 1.0),
        "temperature": Choice((0.1, 0.2, 0.5)),
        "optimization.discriminator_learning_rate": LogUniform(1e-5, 1e-3),
    }

    def __init__(
        self,
        model: CrossModalModel,
        alpha_1: float = 4.0,
        alpha_2: float = 1.6,
        alpha_3: float = 1.0,
        temperature: float = 0.5,
        beta: float = 0.9,
        warmup_epochs: int = 20,
        second_discriminator: bool = True,
        dynamic_weights: bool = True,
        expected_partners: float | None = None,
        reduction: Reduction = "sum",
        contrast: Contrast = "mi",
        divergence: Divergence = "jsd",
        discriminator_width: int = 512,
    ) -> None:
        super().__init__(model)
        weights = {"alpha_1": alpha_1, "alpha_2": alpha_2, "alpha_3": alpha_3, "warmup_epochs": warmup_epochs}
        require_at_least_zero(weights)
        require_above_zero({"temperature": temperature})
        require_reduction(reduction)
        require_one_of("contrast", contrast, get_args(Contrast))
        require_one_of("divergence", divergence, get_args(Divergence))
        if divergence == "symmetric_kl":
            self.require_classes("divergence: symmetric_kl")
        self.alpha_1, self.alpha_2, self.alpha_3 = alpha_1, alpha_2, alpha_3
        self.temperature, self.reduction, self.contrast = temperature, reduction, contrast
        self.divergence, self.warmup_epochs = divergence, warmup_epochs
        self.first_epochs = warmup_epochs
        settings = AdversarySettings(
            discriminator_width, beta, second_discriminator, dynamic_weights, expected_partners
        )
        settings.check()
        self.adversary = Adversary(model.width, settings)

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = self.model.parameters_of("target", "auxiliary", "full")
        if epoch < self.warmup_epochs:
            return [Turn("student and teacher", parameters, self._warmup)]
        weights = self.adversary.weights
        distillation = Turn("student and teacher", parameters, partial(self._distillation, weights))
        if self.alpha_3 == 0:
            return [distillation]
        return [distillation, self.adversary.turn(self.task, weights)]

    def _warmup(self, representations: Representations, batch: Batch) -> Objective:
        warmup = warmup_objective(self.task, representations, batch, self.divergence)
        return replace(warmup, measures={"mi_bound": self._bound(representations, batch)})

    @torch.no_grad()
    def _bound(self, representations: Representations, batch: Batch) -> Tensor:
        positives = self.task.positives(batch.labels)
        sides = representations.full, representations.target
        return mutual_information_bound(*sides, positives, self.temperature, batch.share())

    def _mutual_information(self, full: Tensor, other: Tensor, labels: Tensor, share: Share) -> MutualInformation:
        """L_MI (Eq. 8, 9), or what an ablation puts in its place, and the bound of Eq. 6."""
        if self.contrast == "nce":
            nce = info_nce_loss(full, other, self.temperature, share)
            return MutualInformation(
                nce, mutual_information_bound(full.detach(), other.detach(), labels, self.temperature, share)
            )
        return mutual_information(full, other, labels, self.temperature, self.reduction, share)

    def _distillation(self, weights: Weights, representations: Representations, batch: Batch) -> Objective:
        """Eq. 17: what student, teacher and the auxiliary projection minimise."""
        full, target, auxiliary = representations.full, representations.target, representations.auxiliary
        warmup = warmup_objective(self.task, representations, batch, self.divergence)
        positives = self.task.positives(batch.labels)
        mi_student = self._mutual_information(full, target, positives, batch.share())
        mi_auxiliary = self._mutual_information(full, auxiliary, positives, batch.share())
        total = warmup.total + self.alpha_1 * mi_student.loss + self.alpha_2 * mi_auxiliary.loss
        terms = {**warmup.terms, "mi_student": mi_student.loss, "mi_auxiliary": mi_auxiliary.loss}
        if self.alpha_3 > 0:
            adversarial = self.adversary.student_loss(target, positives, batch, weights)
            total = total + self.alpha_3 * adversarial
            terms["adversarial"] = adversarial
        return Objective(total, terms, {"mi_bound": mi_student.bound})

    def end_step(self, representations: Representations, batch: Batch) -> None:
        self.adversary.end_step(representations, self.task.positives(batch.labels))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return self.adversary.end_epoch()
