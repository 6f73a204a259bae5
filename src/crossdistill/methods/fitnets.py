"""FitNets: hints for thin deep nets (Romero, Ballas, Kahou, Chassang, Gatta, Bengio; ICLR 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from crossdistill.losses import hint_loss
from crossdistill.losses.checks import Reduction, require_reduction
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class FitNets(Method):
    """First the student's representation learns to predict the teacher's; then the whole student learns from soft
    labels (Algorithm 1).

    Use it where the student should start from the teacher's representation before it learns from its predictions.
    From unlabelled pairs it learns hints and soft labels, as from all others.
    Paper: Romero et al.; ICLR 2015.

    Args:
        hint_epochs: of the first stage, which minimises L_HT (Eq. 3)
        temperature: τ of the soft labels in the second stage, which minimises L_KD (Eq. 2)
        soft_weight: λ of Eq. 2 at the second stage's start
        final_soft_weight: λ after `anneal_epochs` epochs of linear decay
        anneal_epochs: of λ's decay; 0 leaves λ at its start
        hint_weight: of L_HT in the second stage, 0 in the paper; with hint_epochs 0 and both soft weights 0, the one
            joint loss under which later papers compare
        reduction: of L_HT over features: "sum" is Eq. 3 as printed; "mean" keeps its steps the same for every width

    Raises:
        ValueError: a negative weight or number of epochs, a temperature that is not positive, or an unknown reduction.

    Example:
        >>> from crossdistill.methods import FitNets
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = FitNets(model)
        >>> [turn.name for epoch in (0, 15) for turn in method.turns(epoch)]
        ['hints', 'student and teacher']
        >>> [method.soft_weight_at(epoch) for epoch in (15, 30, 60, 100)]
        [4.0, 3.0, 1.0, 1.0]
    """

    views = ("target", "full")
    predicts = ("target", "full")
    teacher = "fixed"
    learns_unlabelled = True
    tasks = ALL_TASKS
    search = {
        "soft_weight": LogUniform(0.4, 40.0),
        "temperature": Choice((1.0, 3.0, 5.0)),
        "hint_weight": Choice((0.0, 1.0, 10.0)),
    }

    def __init__(
        self,
        model: CrossModalModel,
        hint_epochs: int = 15,
        temperature: float = 3.0,
        soft_weight: float = 4.0,
        final_soft_weight: float = 1.0,
        anneal_epochs: int = 45,
        hint_weight: float = 0.0,
        reduction: Reduction = "mean",  # departure: methods share a learning rate, with which a sum overshoots
    ) -> None:
        super().__init__(model)
        weights = {"soft_weight": soft_weight, "final_soft_weight": final_soft_weight, "hint_weight": hint_weight}
        require_at_least_zero(weights | {"hint_epochs": hint_epochs, "anneal_epochs": anneal_epochs})
        require_above_zero({"temperature": temperature})
        require_reduction(reduction)
        self.hint_epochs, self.temperature, self.hint_weight = hint_epochs, temperature, hint_weight
        self.soft_weight, self.final_soft_weight, self.anneal_epochs = soft_weight, final_soft_weight, anneal_epochs
        self.reduction, self.first_epochs = reduction, hint_epochs
        self.regressor = nn.Linear(model.width, model.width)  # no activation: the teacher's representation has none

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = self.model.parameters_of("target", "full")
        if epoch < self.hint_epochs:
            classifier = self.model.classifier_of("target")
            shared = self.model.classifier_of("full") is classifier
            above = set() if shared else set(classifier.parameters())
            below = [p for p in parameters if p not in above]  # a hint guides the layers below the classifier
            return [Turn("hints", [*below, *self.regressor.parameters()], self._hints, labels_student=False)]
        objective = partial(self._distillation, self.soft_weight_at(epoch))
        regressor = self.regressor.parameters() if self.hint_weight > 0 else ()
        return [Turn("student and teacher", [*parameters, *regressor], objective)]

    def soft_weight_at(self, epoch: int) -> float:
        """λ of Eq. 2 in this epoch of the run; before the second stage, which it is for, that stage's first.

        Args:
            epoch: the first of which is 0
        """
        if self.anneal_epochs == 0:
            return self.soft_weight
        progress = min(max(epoch - self.hint_epochs, 0) / self.anneal_epochs, 1.0)
        return self.soft_weight + progress * (self.final_soft_weight - self.soft_weight)

    def _hints(self, representations: Representations, batch: Batch) -> Objective:
        """The first stage's objective (Eq. 3); the student's classifier stays as it was."""
        hint, teacher = self._hint(representations), self.task.loss(representations.full_logits, batch.labels)
        return Objective(hint + teacher, {"hint": hint, f"{self.task.term}_teacher": teacher})

    def _distillation(self, soft_weight: float, representations: Representations, batch: Batch) -> Objective:
        """The second stage's objective (Eq. 2): labels, and the teacher's soft labels."""
        student, full = representations.target_logits, representations.full_logits
        hard = self.task.loss(student, batch.labels)
        soft = self.task.divergence(student, full.detach(), self.temperature)
        teacher = self.task.loss(full, batch.labels)  # a constant when the teacher is fixed
        named = self.task.term
        terms = {f"{named}_student": hard, f"{named}_teacher": teacher, "soft_labels": soft}
        total = hard + soft_weight * soft + teacher
        if self.hint_weight > 0:
            terms["hint"] = self._hint(representations)
            total = total + self.hint_weight * terms["hint"]
        return Objective(total, terms)

    def _hint(self, representations: Representations) -> Tensor:
        return hint_loss(self.regressor(representations.target), representations.full.detach(), self.reduction)
