"""AMID-U: AMID carried to unlabelled pairs, for few labels and many recordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from crossdistill.losses import mutual_information_bound, mutual_information_loss
from crossdistill.losses.checks import require_one_of
from crossdistill.methods.adversary import Adversary, AdversarySettings, Weights
from crossdistill.methods.base import ALL_TASKS, Method
from crossdistill.methods.pseudo_labels import mixture_terms, passes_for, risen, sample_weights, soft_terms
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.tasks import Task
from crossdistill.types import (
    Batch,
    Choice,
    LogUniform,
    Objective,
    Representations,
    Share,
    TrainingSamples,
    Turn,
    is_labelled,
)

StudentTerm = Literal["soft_labels", "jsd"]


class AMIDU(Method):
    """Learn from labelled and unlabelled pairs at once: *label one, record many*.

    A teacher M, with a target encoder of its own, and the auxiliary model A learn the labels that there are. What they
    say without dropout, q = (p_M + p_A) / 2, sharpened, is what the student S learns of every pair, labelled or not,
    and of pairs of target inputs mixed (mixup; not of windows, sequences and token ids). After a warm-up AMID's two
    terms L_MIs and L_MIa (Eq. 8, 9) come in, with means in Eq. 8's place of sums: positives are samples of one class
    where labels are known, and an unlabelled sample's own pair; what q holds to be of one class is not driven apart.
    The cross-entropy with q stands where AMID has JSD and the adversary: with q = p_M it would bound from above the
    part of H(M | S) that concerns the class. Both can be had as well: `divergence`, `alpha_3`.

    Take it when labels are few and unlabelled recordings of all modalities are many. Where labels say most, teachers
    have little to add, and to imitate them can cost a point: q, L_MIs and L_adv weigh less the fewer pairs lack a
    label, and with all labels nothing. S then learns as it would alone, and M and A their labels and L_MIa.

    Args:
        alpha_1: weight of L_MIs
        alpha_2: weight of L_MIa
        temperature: τ of Eq. 7
        soft_weight: of the cross-entropy with q, on the samples and on their mixtures, once it has risen
        sharpening: exponent of q before it is normalised again; 1 leaves it
        concentration: of the Beta distribution of mixtures' weights; 0 for no mixtures
        ramp: share of the epochs over which soft_weight rises from 0
        warmup: share of the epochs before L_MIs and L_MIa come in
        unlabelled_weight: how many times as much as a labelled sample an unlabelled one weighs in what S learns of q
        debiased: unlabelled candidates are negatives by how surely, by q, they are of another class than the anchor;
            False drives all of them apart
        divergence: soft_labels is the cross-entropy with q; jsd puts AMID's Eq. 16 of S and M in its place
        alpha_3: weight of AMID's L_adv (Eq. 12), from when L_MIs and L_MIa come in; 0 leaves the discriminators out. D1
            sees every pair, D2 those of one class
        discriminator_width: units of the layers of D1 and D2
        fading: whether what S learns beyond its labels weighs less where fewer than half of the training pairs lack one
            (half as much at a quarter), and nothing where all have one; False gives it all of its weight

    Raises:
        InputError: a negative weight, or an unusable τ, exponent or share.
        ValueError: an unknown divergence.

    Example:
        >>> import torch
        >>> from dataclasses import replace
        >>> from crossdistill.methods import AMIDU
        >>> from crossdistill.testing import small_problem
        >>> from crossdistill.training.passes import forward, with_mixing
        >>> model, samples, batch = small_problem()
        >>> method = AMIDU(model)
        >>> few = torch.where(torch.arange(len(batch.labels)) < 3, batch.labels, -1)  # three samples have a label
        >>> batch = with_mixing(method, replace(batch, labels=few))
        >>> objective = method.turns(1)[0].objective(forward(method, batch), batch)
        >>> [name for name in objective.terms if name.startswith("mi")]
        ['mixture', 'mi_student', 'mi_auxiliary']
    """

    views = ("target", "auxiliary", "full")
    predicts = ("target", "full")
    separate_teacher = True
    teacher_shares_auxiliary = True
    learns_unlabelled = True
    tasks = ALL_TASKS
    search = {
        "alpha_1": LogUniform(0.4, 10.0),
        "alpha_2": LogUniform(0.16, 5.0),
        "soft_weight": LogUniform(0.3, 3.0),
        "temperature": Choice((0.2, 0.5, 1.0)),
        "unlabelled_weight": LogUniform(0.5, 8.0),
    }

    def __init__(
        self,
        model: CrossModalModel,
        alpha_1: float = 4.0,
        alpha_2: float = 1.6,
        temperature: float = 0.5,
        soft_weight: float = 1.0,
        sharpening: float = 2.0,
        concentration: float = 0.4,
        ramp: float = 0.5,
        warmup: float = 0.2,
        debiased: bool = True,
        divergence: StudentTerm = "soft_labels",
        unlabelled_weight: float = 3.0,
        alpha_3: float = 0.0,
        discriminator_width: int = 512,
        fading: bool = True,
    ) -> None:
        super().__init__(model)
        weights = {"alpha_1": alpha_1, "alpha_2": alpha_2, "alpha_3": alpha_3, "soft_weight": soft_weight}
        require_at_least_zero({**weights, "unlabelled_weight": unlabelled_weight, "concentration": concentration})
        require_above_zero({"temperature": temperature, "sharpening": sharpening})
        require_probability({"ramp": ramp, "warmup": warmup})
        require_one_of("divergence", divergence, get_args(StudentTerm))
        self.alpha_1, self.alpha_2, self.temperature = alpha_1, alpha_2, temperature
        self.soft_weight, self.sharpening, self.mixing = soft_weight, sharpening, concentration
        self.ramp, self.warmup, self.debiased, self.divergence = ramp, warmup, debiased, divergence
        self.unlabelled_weight, self.alpha_3, self.fading = unlabelled_weight, alpha_3, fading
        settings = AdversarySettings(discriminator_width)
        settings.check()
        self.adversary = Adversary(model.width, settings) if alpha_3 > 0 else None
        self.passes = passes_for(model, ("auxiliary", "full"), concentration)
        self.epochs = 1

    def prepare(self, samples: TrainingSamples) -> None:
        self.epochs = samples.epochs
        if self.fading:
            labelled = float(is_labelled(samples.labels).double().mean())
            self.teaching = min(1.0, 2 * (1 - labelled)) if labelled else 0.0  # teachers without a label know nothing
        if not self.teaching:
            self.passes = ()
            return
        begun = (epoch for epoch in range(self.epochs) if self._has_begun(epoch / self.epochs))
        self.first_epochs = next(begun, self.epochs)

    def _has_begun(self, progress: float) -> bool:
        """Whether more than labels is learnt from: L_MI and L_adv, or q where these have no weight."""
        if self.alpha_1 or self.alpha_2 or (self.alpha_3 and not self.soft_weight):
            return progress >= self.warmup
        return self.soft_weight * risen(progress, self.ramp) > 0 or not self.soft_weight

    def turns(self, epoch: int) -> Sequence[Turn]:
        progress = epoch / self.epochs
        contrasts = progress >= self.warmup
        parameters = self.model.parameters_of("target", "auxiliary", "full")
        if not self.teaching:
            return [Turn("student and teacher", parameters, partial(self._untaught, contrasts))]
        soft = self.soft_weight * self.teaching * risen(progress, self.ramp)
        weights = self.adversary.weights if self.adversary is not None and contrasts else None
        objective = partial(self._objective, soft, contrasts, weights)
        student = Turn("student and teacher", parameters, objective)
        if self.adversary is None or weights is None:
            return [student]
        return [student, self.adversary.turn(self.task, weights)]

    def _objective(
        self, soft: float, contrasts: bool, weights: Weights | None, made: Representations, batch: Batch
    ) -> Objective:
        terms = self._classification(made, batch)
        total = torch.stack(list(terms.values())).sum()
        q = soft_labels(self.task, made.passes["quiet"], self.sharpening)
        labels = self.task.positives(batch.labels)
        if soft > 0:
            taught = self._taught(made, batch, q)
            total = total + soft * torch.stack(list(taught.values())).sum()
            terms |= taught
        if contrasts and (self.alpha_1 or self.alpha_2):
            beliefs = self.task.beliefs(q, batch.labels) if self.debiased else None
            mi_student = self._mutual_information(made.full, made.target, labels, beliefs, batch.share())
            mi_auxiliary = self._mutual_information(made.full, made.auxiliary, labels, beliefs, batch.share())
            total = total + self.teaching * self.alpha_1 * mi_student + self.alpha_2 * mi_auxiliary
            terms |= {"mi_student": mi_student, "mi_auxiliary": mi_auxiliary}
        if self.adversary is not None and weights is not None:
            adversarial = self.adversary.student_loss(made.target, labels, batch, weights)
            total = total + self.teaching * self.alpha_3 * adversarial
            terms["adversarial"] = adversarial
        return Objective(total, terms, {"mi_bound": self._bound(made, labels, batch.share())})

    def _untaught(self, contrasts: bool, made: Representations, batch: Batch) -> Objective:
        """Where no pair lacks a label, or none has one: S learns as it would alone, and M and A each other as ever."""
        terms, labels = self._classification(made, batch), self.task.positives(batch.labels)
        total = torch.stack(list(terms.values())).sum()
        if contrasts and self.alpha_2:
            terms["mi_auxiliary"] = self._mutual_information(made.full, made.auxiliary, labels, None, batch.share())
            total = total + self.alpha_2 * terms["mi_auxiliary"]
        return Objective(total, terms, {"mi_bound": self._bound(made, labels, batch.share())})

    @torch.no_grad()
    def _bound(self, made: Representations, labels: Tensor, share: Share) -> Tensor:
        return mutual_information_bound(made.full, made.target, labels, self.temperature, share)

    def end_step(self, representations: Representations, batch: Batch) -> None:
        if self.adversary is not None and self.teaching:
            self.adversary.end_step(representations, self.task.positives(batch.labels))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return self.adversary.end_epoch() if self.adversary is not None and self.teaching else {}

    def _classification(self, made: Representations, batch: Batch) -> dict[str, Tensor]:
        """What labels teach S, M and A."""
        logits = {"student": made.target_logits, "teacher": made.full_logits, "auxiliary": made.auxiliary_logits}
        return {f"{self.task.term}_{name}": self.task.loss(given, batch.labels) for name, given in logits.items()}

    def _mutual_information(
        self, full: Tensor, other: Tensor, labels: Tensor, beliefs: Tensor | None, share: Share
    ) -> Tensor:
        """L_MI (Eq. 8, 9) with means; an unlabelled sample's only positive is its own pair."""
        return mutual_information_loss(full, other, labels, self.temperature, "mean", beliefs, share)

    def _taught(self, made: Representations, batch: Batch, q: Tensor) -> dict[str, Tensor]:
        """What S learns from the teachers: on the samples, and on their mixtures."""
        if self.divergence == "soft_labels":
            return soft_terms(self.task, made, batch, q, self.unlabelled_weight)
        weights = sample_weights(batch.labels, self.unlabelled_weight)
        jsd = self.task.agreement(made.target_logits, made.full_logits)
        return {"jsd": jsd} | mixture_terms(self.task, made, batch, q, weights)


def soft_labels(task: Task, quiet: Representations, sharpening: float) -> Tensor:
    """q (B, C): the mean of the teacher's and the auxiliary model's probabilities, raised to `sharpening` and
    normalised again; without gradient."""
    full, auxiliary = (task.probabilities(logits.detach()) for logits in (quiet.full_logits, quiet.auxiliary_logits))
    return task.sharpened((full + auxiliary) / 2, sharpening)
