"""Distillation from teachers that a router chooses for each sample (MST-Distill, Li et al. 2025)."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_floating, require_temperature
from crossdistill.losses.soft_labels import soft_label_divergences


def routed_divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch teachers classes"],
    routing_logits: Float[Tensor, "batch teachers"],
    top: int = 1,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Mean of KL(teacher || student) over the batch and over the `top` teachers that each sample is routed to.

    Use it where a sample should learn from the teachers that suit it and not from all of them (MST-Distill: Li et al.,
    ACM Multimedia 2025). Gradients reach student and teachers; choosing passes none to the router.

    Args:
        student_logits: (B, C)
        teacher_logits: (B, E, C)
        routing_logits: (B, E), the largest of which choose
        top: how many teachers a sample has, in [1, E]
        temperature: T > 0, softening both predictions

    Raises:
        ValueError: a shape or dtype mismatch, T ≤ 0, or `top` outside [1, E].

    >>> import torch
    >>> from crossdistill.losses import routed_divergence
    >>> student = torch.tensor([[2.0, 0.0, 0.0]])
    >>> teachers = torch.stack([student, student.flip(1)], dim=1)  # the first agrees with the student
    >>> float(routed_divergence(student, teachers, torch.tensor([[1.0, 0.0]])))
    0.0
    >>> round(float(routed_divergence(student, teachers, torch.tensor([[0.0, 1.0]]))), 3)
    1.361
    """
    _check(student_logits, teacher_logits, routing_logits)
    require_temperature(temperature)
    if not 1 <= top <= teacher_logits.shape[1]:
        raise ValueError(f"expected top within [1, {teacher_logits.shape[1]}], the number of teachers, got {top}")
    divergences = soft_label_divergences(student_logits[:, None], teacher_logits, temperature)
    return divergences.gather(1, routing_logits.topk(top, dim=1).indices).mean()


def load_balance_loss(routing_logits: Float[Tensor, "batch teachers"]) -> Float[Tensor, ""]:
    """KL(uniform || the batch's mean routing), in nats: 0 when all teachers are used alike.

    Add it to a router's objective, or it may send every sample to one teacher (MST-Distill: Li et al., ACM Multimedia
    2025).

    Args:
        routing_logits: (B, E), whose softmax over E is a sample's routing

    Raises:
        ValueError: another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import load_balance_loss
    >>> abs(float(load_balance_loss(torch.tensor([[5.0, 0.0], [0.0, 5.0]])))) < 1e-6  # a teacher for each sample
    True
    >>> round(float(load_balance_loss(torch.tensor([[5.0, 0.0], [5.0, 0.0]]))), 3)
    1.814
    """
    if routing_logits.ndim != 2 or 0 in routing_logits.shape:
        raise ValueError(f"expected routing_logits of shape (B, E), got {tuple(routing_logits.shape)}")
    require_floating(routing_logits, "routing_logits")
    batch, teachers = routing_logits.shape
    log_routing = full_precision(routing_logits).log_softmax(dim=1)
    log_mean = log_routing.logsumexp(dim=0) - math.log(batch)  # in log space: an unused teacher's share underflows
    return -math.log(teachers) - log_mean.mean()


def _check(student_logits: Tensor, teacher_logits: Tensor, routing_logits: Tensor) -> None:
    """Raise ValueError unless the shapes are (B, C), (B, E, C) and (B, E), of floating-point numbers."""
    named = {"student_logits": student_logits, "teacher_logits": teacher_logits, "routing_logits": routing_logits}
    shapes = [tuple(tensor.shape) for tensor in named.values()]
    student, teachers, routing = shapes
    if len(student) != 2 or len(teachers) != 3 or teachers[::2] != student or routing != teachers[:2] or not student[0]:
        raise ValueError(f"expected {', '.join(named)} of shapes (B, C), (B, E, C), (B, E), got {shapes}")
    for name, tensor in named.items():
        require_floating(tensor, name)
