"""Similarity to remembered samples: the student ranks them as the teacher does (COMODO; Chen et al. 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import (
    full_precision,
    require_floating,
    require_pair,
    require_temperature,
    without_autocast,
)
from crossdistill.losses.cosine import unit_rows
from crossdistill.losses.soft_labels import soft_label_divergences


def queue_similarity_loss(
    student: Float[Tensor, "batch width"],
    teacher: Float[Tensor, "batch width"],
    queue: Float[Tensor, "queue width"],
    student_temperature: float = 0.05,
    teacher_temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Mean KL(teacher || student), in nats, of two distributions over remembered samples: the softmax of their cosines
    with the teacher's embedding of a sample, divided by τ, and of those with the student's.

    Use it where no label is known: the teacher's embeddings of many samples stand in classes' place. It is the
    published cross-entropy less the teacher's entropy, which no student can change. A zero row has cosine 0 with
    everything. Gradients reach all three; detach the last two.

    Args:
        student: (B, D)
        teacher: (B, D), row i of one sample with row i of the student
        queue: (K, D), K ≥ 1, the teacher's embeddings of samples, those of this batch among them
        student_temperature: τ > 0, of the student's distribution
        teacher_temperature: τ > 0, of the teacher's

    Raises:
        ValueError: a shape or dtype mismatch, or τ ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import queue_similarity_loss
    >>> queue = torch.eye(4)
    >>> float(queue_similarity_loss(queue, queue, queue, 0.1, 0.1))
    0.0
    >>> float(queue_similarity_loss(queue.roll(1, 0), queue, queue, 0.1, 0.1)) > 1
    True
    """
    require_pair(student, teacher, ("student", "teacher"), "(B, D)")
    if queue.ndim != 2 or queue.shape[0] == 0 or queue.shape[1] != teacher.shape[1]:
        raise ValueError(f"expected a queue of shape (K, {teacher.shape[1]}) with K > 0, got {tuple(queue.shape)}")
    require_floating(queue, "queue")
    require_temperature(student_temperature)
    require_temperature(teacher_temperature)
    return similarity_divergence(student, teacher, [queue], student_temperature, teacher_temperature)


def similarity_divergence(
    student: Tensor, teacher: Tensor, queue: Sequence[Tensor], student_temperature: float, teacher_temperature: float
) -> Tensor:
    """`queue_similarity_loss` of a queue in parts: their cosines are joined, not their embeddings, which are larger."""
    with without_autocast(student):
        parts = [unit_rows(full_precision(rows)) for rows in queue]
        ours, theirs = (
            torch.cat([unit_rows(full_precision(rows)) @ part.T for part in parts], dim=1) / temperature
            for rows, temperature in ((student, student_temperature), (teacher, teacher_temperature))
        )
    return soft_label_divergences(ours, theirs, 1.0).mean()
