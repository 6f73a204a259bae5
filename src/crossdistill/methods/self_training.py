"""Self-training: AMID-U's pipeline without any auxiliary modality, the control that its gain is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.methods.pseudo_labels import passes_for, risen, soft_terms
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.types import Batch, LogUniform, Objective, Representations, TrainingSamples, Turn


class SelfTraining(Method):
    """The student learns the labels that there are and, of labelled and unlabelled samples, its own predictions.

    Its own prediction without dropout and without gradient, sharpened, is the soft label q of every sample and of pairs
    of inputs mixed (mixup; not of windows, sequences and token ids), with a weight that rises from 0: what `amid_u`
    does with the word of its teachers. It sees the target modalities alone, so what a distilling method gains above it
    is owed to the auxiliary ones, and not to unlabelled samples, soft labels or mixing. Of unlabelled pairs it sees the
    target's half, and recordings that lack the auxiliary modality as well, which `amid_u` must leave out: all that
    anybody could learn from without it.

    Compare it with `amid_u`, at the same options (`amid_u` gives unlabelled samples three times the weight, with which
    this was worse on validation samples); take it where nothing but the target modality was recorded.
    Source: ours, from its parts: sharpened predictions and mixtures as in Berthelot et al., "MixMatch", NeurIPS 2019.

    Args:
        soft_weight: of the cross-entropy with q, on the samples and on their mixtures, once it has risen
        sharpening: exponent of q before it is normalised again; 1 leaves it
        concentration: of the Beta distribution of mixtures' weights; 0 for no mixtures
        ramp: share of the epochs over which soft_weight rises from 0
        unlabelled_weight: how many times as much as a labelled sample an unlabelled one weighs in what S learns of q

    Raises:
        InputError: a negative weight, or an unusable exponent or share.

    Example:
        >>> from dataclasses import replace
        >>> import torch
        >>> from crossdistill.methods import SelfTraining
        >>> from crossdistill.testing import small_problem
        >>> from crossdistill.training.passes import forward, with_mixing
        >>> model, _, batch = small_problem()
        >>> method = SelfTraining(model)
        >>> few = torch.where(torch.arange(len(batch.labels)) < 3, batch.labels, -1)  # three samples have a label
        >>> batch = with_mixing(method, replace(batch, labels=few))
        >>> [turn] = method.turns(epoch=1)
        >>> list(turn.objective(forward(method, batch), batch).terms)
        ['classification_student', 'soft_labels', 'mixture']
    """

    views = ("target",)
    predicts = ("target",)
    learns_unlabelled = True
    tasks = ALL_TASKS
    search = {"soft_weight": LogUniform(0.3, 3.0), "sharpening": LogUniform(1.0, 4.0)}

    def __init__(
        self,
        model: CrossModalModel,
        soft_weight: float = 1.0,
        sharpening: float = 2.0,
        concentration: float = 0.4,
        ramp: float = 0.5,
        unlabelled_weight: float = 1.0,
    ) -> None:
        super().__init__(model)
        weights = {"soft_weight": soft_weight, "unlabelled_weight": unlabelled_weight}
        require_at_least_zero({**weights, "concentration": concentration})
        require_above_zero({"sharpening": sharpening})
        require_probability({"ramp": ramp})
        self.soft_weight, self.sharpening, self.mixing, self.ramp = soft_weight, sharpening, concentration, ramp
        self.unlabelled_weight = unlabelled_weight
        self.passes = passes_for(model, ("target",), concentration)
        self.epochs = 1

    def prepare(self, samples: TrainingSamples) -> None:
        self.epochs = samples.epochs
        self.first_epochs = 1 if self.ramp and self.soft_weight else 0  # q has no weight in it

    def turns(self, epoch: int) -> Sequence[Turn]:
        soft = self.soft_weight * risen(epoch / self.epochs, self.ramp)
        return [Turn("student", self.model.parameters_of("target"), partial(self._objective, soft))]

    def _objective(self, soft: float, made: Representations, batch: Batch) -> Objective:
        task = self.task
        hard = task.loss(made.target_logits, batch.labels)
        terms = {f"{task.term}_student": hard}
        if soft == 0:
            return Objective(hard, terms)
        q = task.sharpened(task.probabilities(made.passes["quiet"].target_logits.detach()), self.sharpening)
        taught = soft_terms(task, made, batch, q, self.unlabelled_weight)
        return Objective(hard + soft * torch.stack(list(taught.values())).sum(), terms | taught)
