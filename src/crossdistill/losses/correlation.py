"""Correlations of a student's with a teacher's predictions, sample by sample and class by class (DIST, Huang et al.
2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_pair, require_temperature
from crossdistill.losses.cosine import centred_rows, unit_rows


def inter_class_correlation_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """1 less the mean over samples of Pearson's correlation of the two predictions, within [0, 2].

    Use it where the student should rank and space a sample's classes as the teacher does and not match its certainty
    (DIST: Huang et al., NeurIPS 2022). With two classes every correlation is 1 or -1 and no gradient is left. A
    prediction that is the same for all classes has correlation 0. Gradients reach both arguments.

    Args:
        student_logits: (B, C), any real scale
        teacher_logits: (B, C), any real scale
        temperature: T > 0, softening both predictions

    Raises:
        ValueError: a shape or dtype mismatch, or T ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import inter_class_correlation_loss
    >>> student, teacher = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[9.0, 0.0, 0.0]])
    >>> round(float(inter_class_correlation_loss(student, teacher)), 3)  # as certain or not, the relation is the same
    0.0
    >>> round(float(inter_class_correlation_loss(student, teacher.flip(1))), 3)
    1.5
    """
    return 1 - _correlations(*_log_predictions(student_logits, teacher_logits, temperature)).mean()


def intra_class_correlation_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """1 less the mean over classes of Pearson's correlation, over the batch, of the two probabilities of that class.

    Use it beside `inter_class_correlation_loss`: which samples of a batch look more like a class than others is to be
    as the teacher has it (DIST: Huang et al., NeurIPS 2022). A class that is as probable in all samples has correlation
    0, as any has where B = 1. Gradients reach both arguments.

    Args:
        student_logits: (B, C), any real scale
        teacher_logits: (B, C), any real scale
        temperature: T > 0, softening both predictions

    Raises:
        ValueError: a shape or dtype mismatch, or T ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import intra_class_correlation_loss
    >>> teacher = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    >>> round(float(intra_class_correlation_loss(teacher, teacher)), 3)
    0.0
    >>> round(float(intra_class_correlation_loss(teacher.flip(0), teacher)), 3)  # the least likely has come first
    2.0
    """
    log_student, log_teacher = _log_predictions(student_logits, teacher_logits, temperature)
    return 1 - _correlations(log_student.T, log_teacher.T).mean()


def _log_predictions(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    require_pair(student_logits, teacher_logits, ("student_logits", "teacher_logits"), "(B, C)")
    require_temperature(temperature)
    student, teacher = (full_precision(logits) / temperature for logits in (student_logits, teacher_logits))
    return student.log_softmax(dim=1), teacher.log_softmax(dim=1)


def _correlations(first: Tensor, second: Tensor) -> Float[Tensor, " rows"]:
    """Pearson's correlation of each two rows, given by their logarithms."""
    return (_directions(first) * _directions(second)).sum(dim=1)


def _directions(log_rows: Tensor) -> Float[Tensor, "rows entries"]:
    """Rows less their means, of length 1; 0 for constant ones.

    A correlation knows neither scale nor shift. So a row is divided by its largest entry and 1 is taken from it, in one
    step: probabilities that underflow keep their relations, and those that hardly differ their differences.
    """
    return unit_rows(centred_rows(torch.expm1(log_rows - log_rows.detach().amax(dim=1, keepdim=True))))
