"""The class-aware contrastive bound on mutual information: Eq. 5-9."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossdistill.losses.checks import (
    full_precision,
    require_floating,
    require_labels,
    require_pair,
    require_temperature,
    without_autocast,
)
from crossdistill.losses.cosine import cosine_similarity

Reduction = Literal["sum", "mean"]


def mutual_information_loss(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
    reduction: Reduction = "sum",
    beliefs: Float[Tensor, "batch classes"] | None = None,
) -> Float[Tensor, ""]:
    """L_MIs and L_MIa (Eq. 8, 9): minimising it maximises a lower bound on I(full; other), in nats.

    Use it to pull a student or an auxiliary representation to its teacher's by class; gradients move the teacher too.

    full: (B, D) anchors M; other: (B, D) candidates S or A; labels: (B,) integers; temperature: τ > 0.
    reduction: "sum" is Eq. 8 as printed, k positive and N negative terms added up for each anchor; "mean" divides the
    positive terms by k and the negative ones by N, so that the scale does not grow with the batch.
    beliefs: what is believed of each sample's class, probabilities (B, C), where some classes are not known: a
    candidate that is not a positive then counts by how surely it is of another class than its anchor, 1 − Σ_c p_c p'_c,
    in Eq. 7's denominator and among the negatives of Eq. 8, so that samples of probably one class are not driven apart;
    N is the sum of these weights, but at least 1. Without beliefs all are 1, which is the paper's.
    Gradients reach full and other. A zero row has cosine 0 with everything and gets no gradient.
    Raises ValueError on a shape or dtype mismatch, τ ≤ 0, an unknown reduction or beliefs of another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import mutual_information_loss
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> full = torch.eye(2)[labels]
    >>> round(float(mutual_information_loss(full, full, labels)), 3)
    1.763
    >>> round(float(mutual_information_loss(full, full.flip(0), labels)), 3)  # each class in the other's place
    6.801
    """
    _check(full, other, labels, temperature)
    if reduction not in ("sum", "mean"):
        raise ValueError(f"expected reduction 'sum' or 'mean', got {reduction!r}")
    positive = labels[:, None] == labels[None, :]
    apart = None if beliefs is None else _apart(beliefs, positive, full)
    log_h, log_one_minus_h = _log_posteriors(full, other, temperature, apart)
    weights = ~positive if apart is None else apart * ~positive
    positives = (log_h * positive).sum(dim=1)
    negatives = (log_one_minus_h * weights).sum(dim=1)
    if reduction == "mean":
        positives = positives / positive.sum(dim=1)
        negatives = negatives / weights.sum(dim=1).clamp_min(1)
    return -(positives + negatives).mean()  # Eq. 8


def mutual_information_bound(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
) -> Float[Tensor, ""]:
    """The right-hand side of Eq. 6, log(N/k) + I(h), in nats, averaged over the anchors that have a negative.

    Log it beside the loss: its trend tells whether the student comes to know what the teacher knows.

    It bounds I(full; other) from below, where "joint" means: of the same class (Eq. 2). It never exceeds log(N/k),
    and the k positives of an anchor share one softmax (Eq. 7), so their k terms cost at least k log k: the bound says
    nothing (it is below the trivial I ≥ 0) whenever log(N/k) < k log k, that is, with k = 2 below N = 8 and with k = 3
    below N = 81. Read its trend, not its level, unless classes are almost all distinct. Without any negative in the
    batch only the trivial bound is left, and 0 is returned.

    full, other: (B, D); labels: (B,) integers; temperature: τ > 0. Raises ValueError as `mutual_information_loss`.

    >>> import torch
    >>> from crossdistill.losses import mutual_information_bound
    >>> full, labels = torch.eye(8), torch.arange(8)  # N = 7, k = 1: at most log 7 = 1.946
    >>> round(float(mutual_information_bound(full, full, labels, temperature=0.05)), 3)
    1.946
    >>> float(mutual_information_bound(full, full.roll(1, 0), labels, temperature=0.05)) < 0
    True
    """
    _check(full, other, labels, temperature)
    positive = labels[:, None] == labels[None, :]
    log_h, log_one_minus_h = _log_posteriors(full, other, temperature)
    likelihood = torch.where(positive, log_h, log_one_minus_h).sum(dim=1)  # Eq. 5
    k, n = positive.sum(dim=1).to(likelihood.dtype), (~positive).sum(dim=1).to(likelihood.dtype)
    bounded = n > 0
    bounds = torch.where(bounded, n / k, 1.0).log() + likelihood
    return (bounds * bounded).sum() / bounded.sum().clamp_min(1)


def _check(full: Tensor, other: Tensor, labels: Tensor, temperature: float) -> None:
    require_pair(full, other, ("full", "other"), "(B, D)")
    require_labels(labels, len(full))
    require_temperature(temperature)


def _apart(beliefs: Tensor, positive: Bool[Tensor, "batch batch"], full: Tensor) -> Float[Tensor, "batch batch"]:
    """How surely the samples of a pair are of different classes; 1 for positives, which are to stay in Eq. 7."""
    if beliefs.ndim != 2 or len(beliefs) != len(full):
        raise ValueError(f"expected beliefs of shape ({len(full)}, C), got {tuple(beliefs.shape)}")
    require_floating(beliefs, "beliefs")
    probabilities = beliefs.detach().to(full_precision(full).dtype)
    with without_autocast(probabilities):
        apart = (1 - probabilities @ probabilities.T).clamp(0, 1)
    return apart.masked_fill(positive, 1.0)


def _log_posteriors(
    full: Tensor, other: Tensor, temperature: float, apart: Tensor | None = None
) -> tuple[Float[Tensor, "batch batch"], Float[Tensor, "batch batch"]]:
    """log h and log(1 − h) of Eq. 7 for all pairs; apart: weights of the candidates in its denominator.

    1 − h rounds to 0 in a row's largest column when τ is small, so there it is the sum of the other columns; h ≤ 1/2
    in all other columns, where log1p is exact.
    """
    similarity = cosine_similarity(full, other) / temperature
    if apart is not None:
        similarity = similarity + apart.clamp_min(torch.finfo(similarity.dtype).tiny).log()
    log_h = similarity.log_softmax(dim=1)
    if len(full) == 1:
        return log_h, torch.zeros_like(log_h)
    largest = torch.zeros_like(log_h, dtype=torch.bool).scatter(1, similarity.argmax(dim=1, keepdim=True), True)
    others = log_h.masked_fill(largest, -torch.inf).logsumexp(dim=1, keepdim=True)
    log_one_minus_h = torch.where(largest, others, torch.log1p(-log_h.exp().masked_fill(largest, 0.0)))
    return log_h, log_one_minus_h
