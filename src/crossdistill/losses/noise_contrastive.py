"""Telling a sample's own pair of representations from pairs with other samples: noise contrast and InfoNCE."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from crossdistill.losses.checks import full_precision, require_pair, require_temperature, without_autocast
from crossdistill.losses.cosine import cosine_similarity, unit_rows
from crossdistill.types import EVERYTHING, Share


def noise_contrastive_loss(
    anchors: Float[Tensor, "batch width"],
    positives: Float[Tensor, "batch width"],
    negatives: Float[Tensor, "negatives width"],
    allowed: Bool[Tensor, "batch negatives"],
    samples: int,
    log_normalizer: Float[Tensor, ""] | float = 0.0,
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """Noise-contrastive estimation: -L_critic of CRD (Tian, Krishnan, Isola, ICLR 2020, Eq. 18 and 19), in nats.

    Use it with a memory bank, where negatives come from outside the batch; `info_nce_loss` takes the batch's own.

    h(a, b) = p / (p + N/M) with p = exp(cos(a, b)/τ) / Z; an anchor's terms are -log h of its positive and
    -log(1 - h) of its N negatives, added up; the loss is their mean over anchors. It is also the memory-bank form of
    CMC (Tian, Krishnan, Isola, ECCV 2020), both after Wu et al. (CVPR 2018, Eq. 6 and 7). Without a negative h is 1,
    the term 0. Gradients reach anchors, positives and negatives.

    Args:
        anchors: (B, D)
        positives: (B, D), row i with row i of the anchors
        negatives: (K, D), K >= 0, candidates that the batch shares
        allowed: (B, K), which of them are negatives of which anchor, N of them
        samples: M, of the training set
        log_normalizer: log Z, 0 for Eq. 19 as printed
        temperature: τ > 0

    Raises:
        ValueError: a shape or dtype mismatch, τ <= 0, or samples < 1.

    >>> import torch
    >>> from crossdistill.losses import noise_contrastive_loss
    >>> bank = torch.eye(4)
    >>> others = ~torch.eye(4, dtype=torch.bool)
    >>> round(float(noise_contrastive_loss(bank, bank, bank, others, samples=4)), 3)
    2.542
    >>> round(float(noise_contrastive_loss(bank, bank.roll(1, 0), bank, others, samples=4)), 3)  # others' positives
    3.102
    """
    _check(anchors, positives, negatives, allowed, samples, temperature)
    positive, negative = _scores(anchors, positives, negatives, temperature)
    return loss_of_scores(positive, negative, allowed, samples, log_normalizer)


def loss_of_scores(
    positive: Float[Tensor, " batch"],
    negative: Float[Tensor, "batch negatives"],
    allowed: Bool[Tensor, "batch negatives"],
    samples: int,
    log_normalizer: Tensor | float,
) -> Float[Tensor, ""]:
    """`noise_contrastive_loss` of cos/τ of each anchor with its positive, and with every candidate."""
    count = allowed.sum(dim=1).to(positive.dtype)
    threshold = (count / samples).log() + log_normalizer  # log(Z N/M): h(s) = sigmoid(s - threshold)
    log_h = logsigmoid(positive - threshold)
    log_one_minus_h = logsigmoid(threshold[:, None] - negative).masked_fill(~allowed, 0.0)
    return -(log_h + log_one_minus_h.sum(dim=1)).mean()


@torch.no_grad()
def noise_contrastive_normalizer(
    anchors: Float[Tensor, "batch width"],
    positives: Float[Tensor, "batch width"],
    negatives: Float[Tensor, "negatives width"],
    allowed: Bool[Tensor, "batch negatives"],
    samples: int,
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """log Z of a batch: Z = M times the mean of exp(cos/τ) over its positive and negative pairs (Wu et al., Eq. 8).

    Take it once, of the first batch, and give it to `noise_contrastive_loss` ever after.

    A Monte Carlo estimate of Σ_j exp(cos(a, v_j)/τ) over the training set, which makes p a probability that is 1/M on
    average. It is a constant, without a gradient.

    Args:
        anchors: (B, D)
        positives: (B, D), row i with row i of the anchors
        negatives: (K, D), K >= 0, candidates that the batch shares
        allowed: (B, K), which of them are negatives of which anchor
        samples: M, of the training set
        temperature: τ > 0

    Raises:
        ValueError: as `noise_contrastive_loss` does.

    >>> import torch
    >>> from crossdistill.losses import noise_contrastive_normalizer
    >>> anchors, others = torch.eye(4)[:2], torch.eye(4)[2:]  # every cosine is 0, every exp(cos/τ) is 1: Z = M
    >>> allowed = torch.ones(2, 2, dtype=torch.bool)
    >>> round(float(noise_contrastive_normalizer(anchors, others, others, allowed, samples=100)), 3)  # log 100
    4.605
    """
    _check(anchors, positives, negatives, allowed, samples, temperature)
    return normalizer_of_scores(*_scores(anchors, positives, negatives, temperature), allowed, samples)


def normalizer_of_scores(
    positive: Float[Tensor, " batch"],
    negative: Float[Tensor, "batch negatives"],
    allowed: Bool[Tensor, "batch negatives"],
    samples: int,
) -> Float[Tensor, ""]:
    """`noise_contrastive_normalizer` of cos/τ of each anchor with its positive, and with every candidate."""
    every = torch.cat([positive[:, None], negative.masked_fill(~allowed, -torch.inf)], dim=1)
    pairs = allowed.sum() + len(positive)
    return every.flatten().logsumexp(dim=0) - pairs.to(every.dtype).log() + math.log(samples)


def info_nce_loss(
    anchors: Float[Tensor, "batch width"],
    candidates: Float[Tensor, "batch width"],
    temperature: float = 0.07,
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """InfoNCE with the batch's other samples as negatives: CMC's L^{V1,V2} (ECCV 2020, Eq. 2 and 3), in nats.

    Use it to match samples across modalities in batches of some size, blind to classes.

    The mean over anchors of -log softmax_j(cos(a_i, c_j)/τ) at j = i. log B - L bounds I(V1; V2) from below. 0 for
    B = 1. Gradients reach both.

    Args:
        anchors: (B, D)
        candidates: (B, D), row i of one sample with row i of the anchors
        temperature: τ > 0
        share: the anchors that this rank computes, of a batch that ranks divide; the ranks' mean is then the loss

    Raises:
        ValueError: a shape or dtype mismatch, or τ <= 0.

    >>> import torch
    >>> from crossdistill.losses import info_nce_loss
    >>> round(float(info_nce_loss(torch.eye(8), torch.eye(8))), 3)
    0.0
    >>> round(float(info_nce_loss(torch.ones(8, 8), torch.ones(8, 8))), 3)  # nothing tells them apart: log 8
    2.079
    """
    require_pair(anchors, candidates, ("anchors", "candidates"), "(B, D)")
    require_temperature(temperature)
    similarity = cosine_similarity(share.take(anchors), candidates) / temperature
    return share.weight * cross_entropy(similarity, share.take(torch.arange(len(anchors), device=anchors.device)))


def _scores(
    anchors: Tensor, positives: Tensor, negatives: Tensor, temperature: float
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch negatives"]]:
    """cos/τ of each anchor with its positive, and with every candidate."""
    anchors, positives, negatives = (unit_rows(full_precision(side)) for side in (anchors, positives, negatives))
    anchors = anchors / temperature
    with without_autocast(anchors):
        return (anchors * positives).sum(dim=1), anchors @ negatives.T


def _check(
    anchors: Tensor, positives: Tensor, negatives: Tensor, allowed: Tensor, samples: int, temperature: float
) -> None:
    require_pair(anchors, positives, ("anchors", "positives"), "(B, D)")
    if len(negatives) > 0:
        require_pair(anchors[:1], negatives[:1], ("anchors", "negatives"), "(·, D)")
    elif negatives.ndim != 2:
        raise ValueError(f"expected negatives of shape (K, D), got {tuple(negatives.shape)}")
    expected = (len(anchors), len(negatives))
    if tuple(allowed.shape) != expected or allowed.dtype != torch.bool:
        raise ValueError(
            f"expected allowed of shape {expected} and dtype torch.bool, got {tuple(allowed.shape)}, {allowed.dtype}"
        )
    if samples < 1:
        raise ValueError(f"expected samples of at least 1, got {samples}")
    require_temperature(temperature)
