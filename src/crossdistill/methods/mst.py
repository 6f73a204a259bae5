"""MST-Distill: a Mixture of Specialized Teachers (Li, Yang, Chen, Dong, Chen, Wang; ACM Multimedia 2025)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from crossdistill.losses import (
    labelled_cross_entropy,
    load_balance_loss,
    routed_divergence,
    soft_label_divergence,
)
from crossdistill.methods.base import EpochMeans, Method
from crossdistill.methods.sample_cache import SampleCache
from crossdistill.models import CrossModalModel, FeatureMask
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, TrainingSamples, Turn, View

_TEACHERS: tuple[View, ...] = ("auxiliary", "full")
"""The cross-modal and the multimodal teacher."""

_LEARNERS: dict[View, str] = {"target": "student", "auxiliary": "auxiliary", "full": "teacher"}
"""What terms and logs call the models that learn from one another."""


class MST(Method):
    """Three stages: student and teachers train together; a mask specialises each teacher to the student; the student
    learns from the specialised teachers that a router chooses for each sample.

    Use it where different samples need different teachers, the auxiliary model or that of all modalities.
    All divergences and the balance are over all samples of a batch, unlabelled pairs among them.
    Paper: Li et al.; ACM Multimedia 2025.

    Args:
        cooperation_epochs: of the first stage, cross-entropy and mutual distillation of student and teachers
        mask_epochs: of the second stage, in which only the masks learn
        temperature: of all soft labels, whose divergences are multiplied by its square
        top: teachers that a sample learns from, of the 2
        soft_weight: of the chosen teachers' divergence in the third stage
        balance_weight: of the loss that keeps the teachers equally used
        mask_hidden: numbers with which a mask describes each feature
        mask_heads: of a mask's attention between features

    Raises:
        ValueError: a negative weight or number of epochs, or an unusable temperature, top, hidden width or heads.

    Example:
        >>> import torch
        >>> from crossdistill.methods import MST
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = MST(model)
        >>> [turn.name for epoch in (0, 20, 30) for turn in method.turns(epoch)]
        ['student and teachers', 'masks', 'student']
        >>> routing = method.routing(model(batch.modalities, method.views))
        >>> routing.shape, bool(torch.allclose(routing.sum(dim=1), torch.ones(32)))
        (torch.Size([32, 2]), True)
    """

    views = ("target", "auxiliary", "full")
    predicts = ("target", "auxiliary", "full")
    separate_teacher = True
    learns_unlabelled = True
    search = {
        "temperature": Choice((2.0, 4.0, 8.0)),
        "soft_weight": LogUniform(0.1, 10.0),
        "balance_weight": LogUniform(0.1, 10.0),
        "top": Choice((1, 2)),
    }

    def __init__(
        self,
        model: CrossModalModel,
        cooperation_epochs: int = 20,
        mask_epochs: int = 10,
        temperature: float = 4.0,
        top: int = 1,
        soft_weight: float = 1.0,
        balance_weight: float = 1.0,
        mask_hidden: int = 12,
        mask_heads: int = 3,
    ) -> None:
        super().__init__(model)
        epochs = {"cooperation_epochs": cooperation_epochs, "mask_epochs": mask_epochs}
        require_at_least_zero(epochs | {"soft_weight": soft_weight, "balance_weight": balance_weight})
        require_above_zero({"temperature": temperature})
        if top not in (1, 2):
            raise ValueError(f"expected top 1 or 2, the number of teachers, got {top}")
        self.cooperation_epochs, self.mask_epochs = cooperation_epochs, mask_epochs
        self.first_epochs = cooperation_epochs + mask_epochs
        self.temperature, self.top = temperature, top
        self.soft_weight, self.balance_weight = soft_weight, balance_weight
        self.masks = nn.ModuleDict({view: FeatureMask(model.width, mask_hidden, mask_heads) for view in _TEACHERS})
        self.router = nn.Sequential(  # two linear layers with nothing between them, as published
            nn.Linear(model.classes, 2 * model.classes), nn.Linear(2 * model.classes, len(_TEACHERS))
        )
        self.cache = SampleCache(len(_TEACHERS) * model.width, (len(_TEACHERS), model.classes))
        self._made: tuple[Tensor, Tensor, Tensor] | None = None
        self._means = EpochMeans()

    def prepare(self, samples: TrainingSamples) -> None:
        if self.model.separate_teacher:  # one that shares parameters with the student never comes to rest
            self.cache.prepare(samples)

    def held(self, epoch: int) -> Sequence[nn.Module]:
        """The teachers, once they no longer learn; while the masks learn from it, the student, too.

        Args:
            epoch: of the method's stage, counted from 0
        """
        if epoch < self.cooperation_epochs:
            return ()
        teachers, student = self.model.modules_of(*_TEACHERS), self.model.modules_of("target")
        if epoch < self.cooperation_epochs + self.mask_epochs:
            return [*teachers, *student]
        return [part for part in teachers if part not in student]

    def turns(self, epoch: int) -> Sequence[Turn]:
        if epoch < self.cooperation_epochs:
            parameters = self.model.parameters_of("target", "auxiliary", "full")
            return [Turn("student and teachers", parameters, self._cooperation)]
        if epoch < self.cooperation_epochs + self.mask_epochs:
            return [Turn("masks", list(self.masks.parameters()), self._specialisation)]
        parameters = [*self.model.parameters_of("target"), *self.router.parameters()]
        return [Turn("student", parameters, self._distillation)]

    def _cooperation(self, representations: Representations, batch: Batch) -> Objective:
        """Student and teachers each learn the labels, and the predictions of both others."""
        logits = representations.logits
        classification = {
            f"classification_{name}": labelled_cross_entropy(logits[view], batch.labels)
            for view, name in _LEARNERS.items()
        }
        divergences = [
            soft_label_divergence(logits[learner], logits[other], self.temperature)
            for learner, other in itertools.permutations(_LEARNERS, 2)
        ]
        mutual = torch.stack(divergences).sum()
        total = torch.stack([*classification.values(), self.temperature**2 * mutual]).sum()
        return Objective(total, {**classification, "mutual": mutual})

    def _specialisation(self, representations: Representations, batch: Batch) -> Objective:
        """Masks remove from the teachers what keeps their predictions from the student's."""
        share = batch.share()
        student = share.take(representations.target_logits).detach()
        specialised = self.specialised(representations.map(share.take)).unbind(dim=1)
        divergences = [soft_label_divergence(teacher, student, self.temperature) for teacher in specialised]
        mask = share.weight * torch.stack(divergences).sum()
        return Objective(self.temperature**2 * mask, {"mask": mask})

    def _distillation(self, representations: Representations, batch: Batch) -> Objective:
        """The student learns the labels and, of the specialised teachers, those that the router chooses."""
        student = representations.target_logits
        teachers, routing = self._settled(representations, batch), self.router(student)
        hard = labelled_cross_entropy(student, batch.labels)
        soft = routed_divergence(student, teachers, routing, self.top, self.temperature)
        balance = load_balance_loss(routing)
        total = hard + self.soft_weight * self.temperature**2 * soft + self.balance_weight * balance
        return Objective(total, {"classification_student": hard, "routed": soft, "balance": balance})

    def specialised(self, representations: Representations) -> Float[Tensor, "batch teachers classes"]:
        """The logits of each teacher's masked representation; the teachers themselves get no gradient.

        Args:
            representations: with those of all teachers
        """
        logits = []
        for view in _TEACHERS:
            teacher = representations.representations[view].detach()
            logits.append(self.model.classifier_of(view)(self.masks[view](teacher) * teacher))
        return torch.stack(logits, dim=1)

    @torch.no_grad()
    def _settled(self, representations: Representations, batch: Batch) -> Float[Tensor, "batch teachers classes"]:
        """`specialised` in the third stage, where neither teachers nor masks change: most of it is kept from before."""
        seen = torch.cat([representations.representations[view].detach() for view in _TEACHERS], dim=1)
        logits, known = self.cache.look_up(batch.rows, seen)
        unknown = (~known).nonzero().squeeze(1)
        if len(unknown):
            logits[unknown] = self.specialised(representations.map(lambda tensor: tensor[unknown]))
        self._made = batch.rows[unknown], seen[unknown], logits[unknown]  # for `end_step` to keep
        return logits

    def routing(self, representations: Representations) -> Float[Tensor, "batch teachers"]:
        """How much each specialised teacher suits each sample; rows add up to 1.

        Args:
            representations: with the student's logits
        """
        routing: Tensor = self.router(representations.target_logits).softmax(dim=1)
        return routing

    @torch.no_grad()
    def end_step(self, representations: Representations, batch: Batch) -> None:
        routed = self.routing(representations).topk(self.top, dim=1).indices
        shares = one_hot(routed, len(_TEACHERS)).double().mean(dim=(0, 1))
        for view, share in zip(_TEACHERS, shares, strict=True):
            self._means.add(f"routed_to_{_LEARNERS[view]}", share)
        if self._made is not None:
            self.cache.store(*self._made)
            self._made = None

    def end_epoch(self, epoch: int) -> dict[str, float]:
        means = self._means.read()
        return means if epoch >= self.cooperation_epochs + self.mask_epochs else {}
