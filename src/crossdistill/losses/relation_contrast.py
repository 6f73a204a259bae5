"""Contrast of relations between samples, and the gradients that some are made of: CRCD (Zhu et al.; CVPR 2021)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossdistill.losses.checks import (
    full_precision,
    require_classes,
    require_floating,
    require_temperature,
    without_autocast,
)
from crossdistill.losses.cosine import unit_rows

LEAST_DISTANCE = 1e-6
"""Least 1 - cosine of a negative: below it log(1 - h) would grow without bound, and float32 cannot tell it from 0."""


def relation_contrastive_loss(
    cross: Float[Tensor, "anchors batch width"],
    teacher: Float[Tensor, "anchors candidates width"],
    negatives: Bool[Tensor, "batch candidates"],
    temperature: float = 0.05,
) -> Float[Tensor, ""]:
    """CRCD's loss: the relation of a student's sample to a teacher's anchor is to match the teacher's own, in nats.

    Relations come from a `RelationNetwork` for each kind; CRCD (Zhu et al., CVPR 2021) uses the loss for features and
    for gradients.

    The mean over anchors a and samples i of -log h(r_ai, R_ai) - Σ_j log(1 - h(r_ai, R_aj)), j over the negatives of i,
    with the critic h(r, R) = exp(cos(r, R)/τ) / exp(1/τ), in (0, 1]. Negatives count as no nearer than cosine 1 - 1e-6.
    Gradients reach both.

    Args:
        cross: (A, B, D) relations r
        teacher: (A, K, D) relations R with K ≥ B candidates, the first B of them the batch's samples themselves
        negatives: (B, K), which candidates are negatives of which sample
        temperature: τ > 0

    Raises:
        ValueError: a shape or dtype mismatch, or τ ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import relation_contrastive_loss
    >>> teacher, nothing = torch.eye(3).repeat(2, 1, 1), torch.zeros(3, 3, dtype=torch.bool)
    >>> float(relation_contrastive_loss(teacher, teacher, nothing))
    0.0
    >>> round(float(relation_contrastive_loss(-teacher, teacher, nothing)), 3)  # cosine -1: (1 - cos)/τ = 2/0.05
    40.0
    """
    _check(cross, teacher, negatives, temperature)
    with without_autocast(cross):
        cosine = torch.bmm(_unit(cross), _unit(teacher).transpose(1, 2))
    distance = 1 - cosine
    attraction = distance.diagonal(dim1=1, dim2=2) / temperature  # -log h of a sample's own relation
    exponent = distance.clamp_min(LEAST_DISTANCE) / temperature
    log_one_minus_h = torch.log(-torch.expm1(-exponent)) * negatives
    return (attraction - log_one_minus_h.sum(dim=2)).mean()


def classification_gradient_direction(
    logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    weight: Float[Tensor, "classes width"],
) -> Float[Tensor, "batch width"]:
    """The direction of each sample's gradient of its own cross-entropy at the input of a linear classifier.

    The gradient is Σ_c (p_c - y_c) w_c, which is (1 - p_y) (Σ_c r_c w_c - w_y), where r is the softmax over the classes
    other than y. So its direction is that of the second factor, in value and gradient, and none of it is lost where a
    sample is beyond doubt and the gradient itself vanishes. With a single class there is no direction: zeros.

    Use it where gradients themselves enter a loss, as in CRCD (Zhu et al., CVPR 2021), without a second backward pass.
    Itself differentiable, in all but the labels.

    Args:
        logits: (B, C)
        labels: (B,) integers in [0, C)
        weight: (C, D), the classifier's

    Raises:
        ValueError: a shape or dtype mismatch, or a label that is no class (-1, say).

    >>> import torch
    >>> from crossdistill.losses import classification_gradient_direction
    >>> x, weight, labels = torch.eye(3)[:2].requires_grad_(), torch.arange(12.0).view(4, 3), torch.tensor([0, 3])
    >>> logits = x @ weight.T
    >>> (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), x)
    >>> expected = torch.nn.functional.normalize(gradient)
    >>> torch.allclose(classification_gradient_direction(logits, labels, weight), expected)
    True
    """
    if logits.ndim != 2 or weight.ndim != 2 or logits.shape[1] != len(weight):
        shapes = f"{tuple(logits.shape)} and {tuple(weight.shape)}"
        raise ValueError(f"expected logits and weight of shapes (B, C) and (C, D), got {shapes}")
    require_floating(logits, "logits")
    require_floating(weight, "weight")
    require_classes(labels, logits)
    return gradient_direction(logits, labels, weight)


def gradient_direction(logits: Tensor, labels: Tensor, weight: Tensor) -> Float[Tensor, "batch width"]:
    """`classification_gradient_direction` of labels that are known to be classes."""
    if logits.shape[1] == 1:
        return torch.zeros_like(full_precision(logits @ weight))
    is_label = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)
    others = full_precision(logits).masked_fill(is_label, -torch.inf).softmax(dim=1)
    with without_autocast(others):
        return unit_rows((others - is_label.to(others.dtype)) @ full_precision(weight).to(others.dtype))


def _unit(relations: Tensor) -> Tensor:
    return unit_rows(full_precision(relations).flatten(0, 1)).view(relations.shape)


def _check(cross: Tensor, teacher: Tensor, negatives: Tensor, temperature: float) -> None:
    shapes = f"{tuple(cross.shape)} and {tuple(teacher.shape)}"
    if cross.ndim != 3 or teacher.ndim != 3 or cross.shape[::2] != teacher.shape[::2]:
        raise ValueError(f"expected cross and teacher of shapes (A, B, D) and (A, K, D), got {shapes}")
    if not 0 < cross.shape[1] <= teacher.shape[1] or len(cross) == 0:
        raise ValueError(f"expected an anchor, a sample and at least as many candidates as samples, got {shapes}")
    for name, tensor in {"cross": cross, "teacher": teacher}.items():
        require_floating(tensor, name)
    expected = (cross.shape[1], teacher.shape[1])
    if tuple(negatives.shape) != expected or negatives.dtype != torch.bool:
        raise ValueError(
            f"expected negatives of shape {expected} and dtype bool, got {tuple(negatives.shape)} and {negatives.dtype}"
        )
    require_temperature(temperature)
