"""The class-aware contrastive bound on mutual information: Eq. 5-9."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossdistill.losses.checks import (
    Reduction,
    full_precision,
    require_floating,
    require_labels,
    require_pair,
    require_reduction,
    require_temperature,
)
from crossdistill.losses.row_blocks import loss_and_bound
from crossdistill.types import EVERYTHING, Share


class MutualInformation(NamedTuple):
    """What `mutual_information` gives.

    Attributes:
        loss: scalar, of Eq. 8, in nats
        bound: scalar, the right-hand side of Eq. 6, in nats, without gradient

    >>> import torch
    >>> from crossdistill.losses import MutualInformation, mutual_information
    >>> made = mutual_information(torch.eye(4), torch.eye(4), torch.arange(4), temperature=0.05)
    >>> isinstance(made, MutualInformation), made.bound.shape
    (True, torch.Size([]))
    """

    loss: Tensor
    bound: Tensor


def mutual_information_loss(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
    reduction: Reduction = "sum",
    beliefs: Float[Tensor, "batch classes"] | None = None,
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """L_MIs and L_MIa (Eq. 8, 9): minimising it maximises a lower bound on I(full; other), in nats.

    Use it to pull a student or an auxiliary representation to its teacher's by class; gradients move the teacher too.
    Gradients reach full and other. A zero row has cosine 0 with everything and gets no gradient.

    Args:
        full: (B, D) anchors M
        other: (B, D) candidates S or A
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`
        temperature: τ > 0
        reduction: "sum" is Eq. 8 as printed, k positive and N negative terms added up for each anchor; "mean" divides
            the positive terms by k and the negative ones by N, so that the scale does not grow with the batch
        beliefs: what is believed of each sample's class, probabilities (B, C), where some classes are not known: a
            candidate that is not a positive then counts by how surely it is of another class than its anchor,
            1 − Σ_c p_c p'_c, in Eq. 7's denominator and among the negatives of Eq. 8, so that samples of probably one
            class are not driven apart; N is the sum of these weights, but at least 1. Without beliefs all are 1, which
            is the paper's
        share: the anchors that this rank computes, of a batch that ranks divide; the ranks' mean is then the loss

    Raises:
        ValueError: a shape or dtype mismatch, τ ≤ 0, an unknown reduction, or beliefs of another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import mutual_information_loss
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> full = torch.eye(2)[labels]
    >>> round(float(mutual_information_loss(full, full, labels)), 3)
    1.763
    >>> round(float(mutual_information_loss(full, full.flip(0), labels)), 3)  # each class in the other's place
    6.801
    """
    return _loss_and_bound(full, other, labels, temperature, reduction, beliefs, share)[0]


def mutual_information(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
    reduction: Reduction = "sum",
    share: Share = EVERYTHING,
) -> MutualInformation:
    """`mutual_information_loss` and `mutual_information_bound` of one batch, at the price of the loss alone.

    Use it to log what the loss bounds: both are made of the same posteriors (Eq. 7). The bound has no gradient.

    Args:
        full: (B, D) anchors M
        other: (B, D) candidates S or A
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`
        temperature: τ > 0
        reduction: "sum" or "mean", as `mutual_information_loss` takes it
        share: the anchors that this rank computes, of a batch that ranks divide

    Raises:
        ValueError: as `mutual_information_loss` does.

    >>> import torch
    >>> from crossdistill.losses import mutual_information
    >>> full, labels = torch.eye(8), torch.arange(8)
    >>> made = mutual_information(full, full, labels, temperature=0.05)
    >>> round(float(made.loss), 3), round(float(made.bound), 3)  # one of each class: the bound is log 7 less the loss
    (0.0, 1.946)
    """
    return MutualInformation(*_loss_and_bound(full, other, labels, temperature, reduction, None, share))


def mutual_information_bound(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """The right-hand side of Eq. 6, log(N/k) + I(h), in nats, averaged over the anchors that have a negative.

    Log it beside the loss: its trend tells whether the student comes to know what the teacher knows.

    It bounds I(full; other) from below, where "joint" means: of the same class (Eq. 2). It never exceeds log(N/k),
    and the k positives of an anchor share one softmax (Eq. 7), so their k terms cost at least k log k: the bound says
    nothing (it is below the trivial I ≥ 0) whenever log(N/k) < k log k, that is, with k = 2 below N = 8 and with k = 3
    below N = 81. Read its trend, not its level, unless classes are almost all distinct. Without any negative in the
    batch only the trivial bound is left, and 0 is returned.

    Args:
        full: (B, D) anchors M
        other: (B, D) candidates S or A
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`
        temperature: τ > 0
        share: the anchors that this rank computes, of a batch that ranks divide

    Raises:
        ValueError: as `mutual_information_loss` does.

    >>> import torch
    >>> from crossdistill.losses import mutual_information_bound
    >>> full, labels = torch.eye(8), torch.arange(8)  # N = 7, k = 1: at most log 7 = 1.946
    >>> round(float(mutual_information_bound(full, full, labels, temperature=0.05)), 3)
    1.946
    >>> float(mutual_information_bound(full, full.roll(1, 0), labels, temperature=0.05)) < 0
    True
    """
    loss, bound = _loss_and_bound(full, other, labels, temperature, share=share)
    return bound + torch.where((labels != labels[0]).any(), loss.detach() - loss, 0.0)  # Eq. 5's gradient


def _loss_and_bound(
    full: Tensor,
    other: Tensor,
    labels: Tensor,
    temperature: float,
    reduction: Reduction = "sum",
    beliefs: Tensor | None = None,
    share: Share = EVERYTHING,
) -> tuple[Tensor, Tensor]:
    require_pair(full, other, ("full", "other"), "(B, D)")
    require_labels(labels, len(full))
    require_temperature(temperature)
    require_reduction(reduction)
    anchors, candidates = full_precision(full), full_precision(other)
    if beliefs is not None:
        if beliefs.ndim != 2 or len(beliefs) != len(full):
            raise ValueError(f"expected beliefs of shape ({len(full)}, C), got {tuple(beliefs.shape)}")
        require_floating(beliefs, "beliefs")
        beliefs = beliefs.detach().to(anchors.dtype)
    return loss_and_bound(anchors, candidates, labels, temperature, reduction == "mean", beliefs, share=share)
