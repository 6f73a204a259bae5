"""Soft labels: predictions softened by a temperature (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_pair, require_temperature


def soft_label_divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Mean of KL(teacher || student) over the batch, of predictions softmax(logits / T), in nats.

    The usual way to learn from a teacher's predictions; detach the teacher's logits where it is not to learn from it.

    It is Hinton et al.'s cross-entropy with soft targets less the teacher's entropy, which no student can change: 0
    where the two agree, the same gradient for the student. The gradient shrinks with 1/T²; methods that want a scale
    free of the temperature multiply by T² (Hinton et al., Section 2).
    student_logits, teacher_logits: (B, C), any real scale; temperature: T > 0. Gradients reach both arguments.
    Raises ValueError on a shape or dtype mismatch or T ≤ 0.

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


def soft_label_divergences(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of each prediction: (..., C) and (..., C) -> (...)."""
    log_student = (full_precision(student_logits) / temperature).log_softmax(dim=-1)
    log_teacher = (full_precision(teacher_logits) / temperature).log_softmax(dim=-1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)  # finite where a probability underflows
