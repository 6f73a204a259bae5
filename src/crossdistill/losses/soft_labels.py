"""Soft labels: predictions softened by a temperature (Hinton, Vinyals, Dean 2015), of logits as they are or
standardised."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_floating, require_pair, require_temperature
from crossdistill.losses.cosine import centred_rows, unit_rows


def soft_label_divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Mean of KL(teacher || student) over the batch, of predictions softmax(logits / T), in nats.

    The usual way to learn from a teacher's predictions; detach the teacher's logits where it is not to learn from it.

    It is Hinton et al.'s cross-entropy with soft targets less the teacher's entropy, which no student can change: 0
    where the two agree, the same gradient for the student. The gradient shrinks with 1/T²; methods that want a scale
    free of the temperature multiply by T² (Hinton et al., Section 2). Gradients reach both arguments.

    Args:
        student_logits: (B, C), any real scale
        teacher_logits: (B, C), any real scale
        temperature: T > 0

    Raises:
        ValueError: a shape or dtype mismatch, or T ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import soft_label_divergence
    >>> student, teacher = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[3.0, 0.0, 0.0]])
    >>> float(soft_label_divergence(teacher, teacher))
    0.0
    >>> [round(float(soft_label_divergence(student, teacher, temperature)), 3) for temperature in (1.0, 2.0, 4.0)]
    [0.732, 0.267, 0.069]
    """
    require_pair(student_logits, teacher_logits, ("student_logits", "teacher_logits"), "(B, C)")
    require_temperature(temperature)
    return soft_label_divergences(student_logits, teacher_logits, temperature).mean()


def standardized_logits(logits: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
    """Each sample's logits less their mean, divided by their standard deviation (Sun et al., CVPR 2024).

    Take those of student and teacher before a temperature where the student is to learn how the teacher's logits relate
    and not how large they are. The deviation is √(Σ (z − mean)² / (C − 1)). A sample whose logits are all equal has
    zeros.

    Args:
        logits: (B, C), any real scale

    Raises:
        ValueError: another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import standardized_logits
    >>> logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 50.0, 100.0], [7.0, 7.0, 7.0]])
    >>> standardized_logits(logits).round(decimals=3).tolist()
    [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"expected logits of shape (B, C), got {tuple(logits.shape)}")
    require_floating(logits, "logits")
    logits = full_precision(logits)
    largest = logits.detach().abs().amax(dim=1, keepdim=True)  # its scale is no matter, and squares stay finite
    centred = centred_rows(logits / torch.where(largest != 0, largest, 1.0))
    return math.sqrt(logits.shape[1] - 1) * unit_rows(centred)


def soft_label_divergences(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of each prediction: (..., C) and (..., C) -> (...)."""
    log_student = (full_precision(student_logits) / temperature).log_softmax(dim=-1)
    log_teacher = (full_precision(teacher_logits) / temperature).log_softmax(dim=-1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)  # finite where a probability underflows
