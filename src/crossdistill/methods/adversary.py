"""AMID's adversary: D1 and D2, which tell M from S, and their weights (Section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crossdistill.losses import class_partners, discriminator_loss, student_adversarial_loss
from crossdistill.losses.cosine import alignment
from crossdistill.methods.adaptive_weights import AdaptiveWeights
from crossdistill.methods.base import DISCRIMINATOR_ACCURACY, EpochMeans
from crossdistill.methods.once import Once
from crossdistill.models import Discriminator
from crossdistill.requirements import require_above_zero
from crossdistill.tasks import Task
from crossdistill.types import Batch, Objective, Representations, Share, Turn

Weights = tuple[float, float]


@dataclass(frozen=True)
class AdversarySettings:
    """How the discriminators are built, and how they weigh.

    width: units of the layers of D1 and D2; beta: smoothing of λ (Eq. 14)
    second, dynamic: False leaves D2 out, λ = (1, 0), or keeps λ = (½, ½), as in Table 5
    expected_partners: d of Eq. 12, None for each batch's own number of samples with a partner
    """

    width: int = 512
    beta: float = 0.9
    second: bool = True
    dynamic: bool = True
    expected_partners: float | None = None

    def check(self) -> None:
        """Raise ValueError for an unusable width or d; β is checked where it is used."""
        require_above_zero({"discriminator_width": self.width})
        require_above_zero({} if self.expected_partners is None else {"expected_partners": self.expected_partners})


class Adversary(nn.Module):
    """D1 tells a sample's M from its own S, D2 from the S of another sample of its class; S learns to pass for M.

    Samples without a label have no other of their class, and take part in what D1 sees. λ, by which both players weigh
    D1 and D2, follows how badly M and S are aligned (Eq. 14), from one epoch to the next: `weights` is read once an
    epoch and handed to both.

    width: of M and S
    """

    def __init__(self, width: int, settings: AdversarySettings) -> None:
        super().__init__()
        self.settings = settings
        self.d1 = Discriminator(5, settings.width, width)
        self.d2 = Discriminator(3, settings.width, width)
        self.adaptive_weights = AdaptiveWeights(settings.beta)
        self._means = EpochMeans()
        self._pairs = Once[tuple[Tensor, Tensor]]()

    @property
    def weights(self) -> Weights:
        """(λ1, λ2) of this epoch; whoever reads them waits for the device."""
        if not self.settings.second:
            return 1.0, 0.0
        return self.adaptive_weights.weights if self.settings.dynamic else (0.5, 0.5)

    def turn(self, task: Task, weights: Weights) -> Turn:
        """The discriminators' move, by this epoch's weights."""

        def objective(made: Representations, batch: Batch) -> Objective:
            return self._objective(made, task.positives(batch.labels), batch, weights)

        players = [*self.d1.parameters(), *(self.d2.parameters() if self.settings.second else ())]
        return Turn("discriminators", players, objective, adversary=True)

    def student_loss(self, target: Tensor, positives: Tensor, batch: Batch, weights: Weights) -> Tensor:
        """L_adv (Eq. 11, 12): what S minimises; positives (B,) equal for samples of one class."""
        anchors, partners = self._partners(positives, batch)
        own, of_pairs = batch.share(), batch.share(len(anchors))
        logits = self.d1(own.take(target)), self._d2(target[of_pairs.take(partners)])
        return student_adversarial_loss(*logits, *self._divided(weights, own, of_pairs, len(anchors)))

    def _objective(self, made: Representations, positives: Tensor, batch: Batch, weights: Weights) -> Objective:
        """L_D (Eq. 13) on detached representations: what D1 and D2 minimise."""
        full, target = made.full.detach(), made.target.detach()
        anchors, partners = self._partners(positives, batch)
        own, of_pairs = batch.share(), batch.share(len(anchors))
        d1 = self.d1(own.take(full)), self.d1(own.take(target))
        d2 = self._d2(full[of_pairs.take(anchors)]), self._d2(target[of_pairs.take(partners)])
        loss = discriminator_loss(*d1, *d2, *self._divided(weights, own, of_pairs, len(anchors)))
        measures = {f"d1_{DISCRIMINATOR_ACCURACY}": own.weight * _told_apart(*d1)}
        if len(anchors):
            measures[f"d2_{DISCRIMINATOR_ACCURACY}"] = of_pairs.weight * _told_apart(*d2)
        return Objective(loss, {"discriminators": loss}, measures)

    @torch.no_grad()
    def end_step(self, made: Representations, positives: Tensor) -> None:
        """Take how well M and S of this batch are aligned."""
        found = alignment(made.full, made.target, positives)
        self._means.add("cosine_pair", found.pair, len(positives))
        self._means.add("cosine_same_class", found.same_class, found.pairs)

    def end_epoch(self) -> dict[str, float]:
        """Move λ; returns the epoch's own, and its mean cosines."""
        lambda_1, lambda_2 = self.weights
        means = self._means.read()
        if "cosine_same_class" in means:  # an epoch without two samples of a class in any batch says nothing about D2
            self.adaptive_weights.update(means["cosine_pair"], means["cosine_same_class"])
        return {**means, "lambda_1": lambda_1, "lambda_2": lambda_2}

    def _partners(self, positives: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The pairs that D2 sees, which both turns of a step ask for; none where it takes no part."""
        if not self.settings.second:
            nobody = torch.empty(0, dtype=torch.int64, device=positives.device)
            return nobody, nobody
        return self._pairs.of(batch.labels, lambda: class_partners(positives))

    def _d2(self, rows: Tensor) -> Tensor:
        """D2's logits; where it takes no part there are none."""
        logits: Tensor = self.d2(rows) if self.settings.second else rows.new_empty(0)
        return logits

    def _divided(self, weights: Weights, own: Share, of_pairs: Share, pairs: int) -> tuple[Weights, float]:
        """λ and d for logits that are of a share of the rows and of a share of the pairs only."""
        lambda_1, lambda_2 = weights
        expected = self.settings.expected_partners
        partners = expected if expected is not None else max(pairs, 1)
        return (own.weight * lambda_1, lambda_2), partners / of_pairs.ranks


@torch.no_grad()
def _told_apart(full: Tensor, student: Tensor) -> Tensor:
    """The share of a discriminator's logits that are on the right side of 0: above it of M (B,), below it of S (B,)."""
    return torch.cat([full > 0, student < 0]).double().mean()
