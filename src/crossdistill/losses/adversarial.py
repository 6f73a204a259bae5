"""Minimising H(M|S) with two discriminators: Eq. 11-13."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from crossdistill.losses.checks import full_precision, require_floating, require_labels

Weights = Sequence[float] | Float[Tensor, "2"]


def student_adversarial_loss(
    d1_logits: Float[Tensor, " batch"],
    d2_logits: Float[Tensor, " anchors"],
    weights: Weights,
    expected_partners: float | None = None,
) -> Float[Tensor, ""]:
    """L_adv (Eq. 12): small when the discriminators take the student's representations for the teacher's.

    The student's side of AMID's game, for a turn that leaves the discriminators alone; `discriminator_loss` is theirs.

    Args:
        d1_logits: (B,) D1's raw logits of S
        d2_logits: (w,) D2's raw logits of the partners S^{η1}, w ≥ 0; with w = 0 the second term is 0
        weights: (λ1, λ2)
        expected_partners: the constant d > 0, or None for d = w

    Raises:
        ValueError: a shape or dtype mismatch, or d ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import student_adversarial_loss
    >>> alike, told_apart, nobody = torch.full((4,), 9.0), torch.full((4,), -9.0), torch.zeros(0)
    >>> round(float(student_adversarial_loss(alike, nobody, (0.5, 0.5))), 3)
    0.0
    >>> round(float(student_adversarial_loss(told_apart, nobody, (0.5, 0.5))), 3)
    4.5
    >>> round(float(student_adversarial_loss(told_apart, told_apart, (0.5, 0.5))), 3)
    9.0
    """
    _check_logits({"d1_logits": d1_logits}, "(B,)")
    _check_logits({"d2_logits": d2_logits}, "(w,)")
    weight_1, weight_2 = _two_weights(weights, d1_logits)
    d = _partners(d2_logits, expected_partners)
    fundamental = _log_sigmoid(d1_logits).mean()
    enhanced = _log_sigmoid(d2_logits).sum() / d
    return -weight_1 * fundamental - weight_2 * enhanced  # Eq. 12


def discriminator_loss(
    d1_full: Float[Tensor, " batch"],
    d1_student: Float[Tensor, " batch"],
    d2_full: Float[Tensor, " anchors"],
    d2_student: Float[Tensor, " anchors"],
    weights: Weights,
    expected_partners: float | None = None,
) -> Float[Tensor, ""]:
    """L_D (Eq. 13): small when the discriminators tell the teacher's representations (real) from the student's.

    The discriminators' side of AMID's game: give it detached representations' logits, so that they alone move.

    Args:
        d1_full: (B,) D1's raw logits of M
        d1_student: (B,) D1's raw logits of S
        d2_full: (w,) D2's raw logits of the anchors M_v, w ≥ 0
        d2_student: (w,) D2's raw logits of their partners S_v^{η1}
        weights: (λ1, λ2)
        expected_partners: the constant d > 0, or None for d = w

    Raises:
        ValueError: a shape or dtype mismatch, or d ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import discriminator_loss
    >>> undecided, certain = torch.zeros(4), torch.full((4,), 9.0)
    >>> round(float(discriminator_loss(undecided, undecided, undecided, undecided, (0.5, 0.5))), 3)  # 2 log 2
    1.386
    >>> round(float(discriminator_loss(certain, -certain, certain, -certain, (0.5, 0.5))), 3)
    0.0
    """
    _check_logits({"d1_full": d1_full, "d1_student": d1_student}, "(B,)")
    _check_logits({"d2_full": d2_full, "d2_student": d2_student}, "(w,)")
    weight_1, weight_2 = _two_weights(weights, d1_full)
    d = _partners(d2_full, expected_partners)
    fundamental = (_log_sigmoid(d1_full) + _log_sigmoid(-d1_student)).mean()
    enhanced = (_log_sigmoid(d2_full) + _log_sigmoid(-d2_student)).sum() / d
    return -weight_1 * fundamental - weight_2 * enhanced  # Eq. 13; log(1 - D) is log sigmoid of the negated logit


def class_partners(labels: Int[Tensor, " batch"]) -> tuple[Int[Tensor, " anchors"], Int[Tensor, " anchors"]]:
    """For every sample whose class appears at least twice, the next sample of its class in the batch (cyclic): η1.

    It pairs the anchors M_v with the S_v^{η1} that D2 is shown (Section 3.2), before either side's loss.

    Args:
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`

    Returns:
        (anchors, partners), index tensors (w,), anchors ascending; within each class a bijection without fixed points,
        so w = 0 when all classes are distinct.

    Raises:
        ValueError: other labels.

    >>> import torch
    >>> from crossdistill.losses import class_partners
    >>> anchors, partners = class_partners(torch.tensor([0, 1, 0, 2, 0]))
    >>> anchors.tolist(), partners.tolist()  # classes 1 and 2 have one sample each, which takes no part
    ([0, 2, 4], [2, 4, 0])
    """
    require_labels(labels)
    labels = labels.long()  # searchsorted knows no unsigned integers wider than 8 bits
    ordered, order = labels.sort(stable=True)
    position = torch.arange(len(labels), device=labels.device)
    starts = torch.searchsorted(ordered, ordered)
    ends = torch.searchsorted(ordered, ordered, right=True)
    following = position + 1
    following = torch.where(following == ends, starts, following)  # the last of a class goes back to its first
    partners = torch.empty_like(order).scatter_(0, order, order[following])
    anchors = position[partners != position]
    return anchors, partners[anchors]


def _log_sigmoid(logits: Tensor) -> Tensor:
    return logsigmoid(full_precision(logits))


def _check_logits(logits: dict[str, Tensor], shape: str) -> None:
    """Raise ValueError unless all are floating-point vectors of one length, which is at least 1 for shape (B,)."""
    shapes = {name: tuple(tensor.shape) for name, tensor in logits.items()}
    if len(set(shapes.values())) > 1 or any(len(s) != 1 for s in shapes.values()):
        raise ValueError(f"expected {' and '.join(shapes)} of shape {shape}, got {list(shapes.values())}")
    for name, tensor in logits.items():
        require_floating(tensor, name)
        if shape == "(B,)" and len(tensor) == 0:
            raise ValueError(f"expected {name} of at least one sample, got B = 0")


def _two_weights(weights: Weights, logits: Tensor) -> tuple[float | Tensor, float | Tensor]:
    """λ1 and λ2, in the logits' precision."""
    shape = tuple(torch.as_tensor(weights).shape)
    if shape != (2,):
        raise ValueError(f"expected weights (λ1, λ2), two numbers, got shape {shape}")
    if isinstance(weights, Tensor):
        weights = weights.to(full_precision(logits))
    return weights[0], weights[1]


def _partners(d2_logits: Tensor, expected_partners: float | None) -> float:
    if expected_partners is None:
        return float(max(len(d2_logits), 1))
    if not expected_partners > 0:
        raise ValueError(f"expected expected_partners above 0, got {expected_partners}")
    return float(expected_partners)
