"""Hallucination: features that imitate those of another modality (Hoffman, Gupta, Darrell 2016)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import Reduction, full_precision, require_pair, require_reduction


def hallucination_loss(
    hallucinated: Float[Tensor, "batch width"], auxiliary: Float[Tensor, "batch width"], reduction: Reduction = "sum"
) -> Float[Tensor, ""]:
    """L_hallucinate (Hoffman et al. 2016): ||σ(auxiliary) − σ(hallucinated)||², averaged over the batch.

    Use it where one branch of the student is to show what an auxiliary encoder would. The sigmoid bounds each feature,
    so that a few large ones do not drown the rest; detach the auxiliary features where they are not to come closer.
    Gradients reach both arguments.

    Args:
        hallucinated: (B, D) features made of the target modalities
        auxiliary: (B, D) those that they imitate
        reduction: over the D features; "sum" is the published norm, "mean" divides it by D

    Raises:
        ValueError: a shape or dtype mismatch, or an unknown reduction.

    >>> import torch
    >>> from crossdistill.losses import hallucination_loss
    >>> nothing, certain = torch.zeros(4, 8), torch.full((4, 8), 1e4)
    >>> float(hallucination_loss(certain, certain)), float(hallucination_loss(nothing, certain))
    (0.0, 2.0)
    >>> float(hallucination_loss(nothing, certain, "mean"))
    0.25
    """
    require_pair(hallucinated, auxiliary, ("hallucinated", "auxiliary"), "(B, D)")
    require_reduction(reduction)
    squares = (full_precision(auxiliary).sigmoid() - full_precision(hallucinated).sigmoid()).square()
    return squares.mean() if reduction == "mean" else squares.sum(dim=1).mean()
