"""Selected soft labels across modalities: rank correlation and non-target classes (C²KD, Huo et al. 2024)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from crossdistill.losses.checks import (
    full_precision,
    require_classes,
    require_labels,
    require_one_of,
    require_pair,
    require_temperature,
)
from crossdistill.losses.soft_labels import soft_label_divergences

TargetClass = Literal["removed", "zeroed"]


def rank_correlation(
    first_logits: Float[Tensor, "batch classes"], second_logits: Float[Tensor, "batch classes"]
) -> Float[Tensor, " batch"]:
    """Kendall's τ-b of each sample's two rankings of the classes, within [-1, 1]; it has no gradient.

    Use it to tell the samples on which two modalities agree enough to learn from each other (C²KD: Huo et al.,
    CVPR 2024). Memory O(BC²).

    τ-b = (concordant − discordant pairs of classes) / √(pairs not tied in the first · pairs not tied in the second);
    0 where a row's logits are all equal and rank nothing.

    Args:
        first_logits: (B, C)
        second_logits: (B, C)

    Returns:
        (B,), one for each sample.

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import rank_correlation
    >>> first = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    >>> second = torch.tensor([[10.0, 20.0, 90.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    >>> rank_correlation(first, second).tolist()
    [1.0, -1.0, 0.0]
    """
    require_pair(first_logits, second_logits, ("first_logits", "second_logits"), "(B, C)")
    first, second = _orders(first_logits), _orders(second_logits)
    agreement = (first * second).sum(dim=(1, 2))
    untied = first.abs().sum(dim=(1, 2)) * second.abs().sum(dim=(1, 2))
    return agreement / untied.clamp_min(1).sqrt()


def non_target_divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    selected: Bool[Tensor, " batch"],
    target_class: TargetClass = "removed",
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """KL(teacher || student) over the classes that are not the sample's own: selected samples' sum, divided by B.

    Use it where labels teach the sample's class already, and the teacher is to add how the others relate (C²KD:
    Huo et al., CVPR 2024). With all samples selected it is NCKD (DKD: Zhao et al., CVPR 2022). Gradients reach both
    logits.

    Args:
        student_logits: (B, C)
        teacher_logits: (B, C)
        labels: (B,) in [0, C); what they are of samples that are not selected is no matter
        selected: (B,) bool
        target_class: "removed" normalises over the other C − 1 classes (nothing is left to compare when C = 2);
            "zeroed" keeps the sample's class with logit 0 on both sides, as C²KD's published code does
        temperature: T > 0, softening both predictions

    Raises:
        ValueError: a shape or dtype mismatch, a selected sample whose label is no class (-1, say), an unknown
            target_class, or T ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import non_target_divergence
    >>> student, teacher = torch.tensor([[9.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    >>> labels, selected = torch.tensor([0]), torch.tensor([True])
    >>> float(non_target_divergence(student, teacher, labels, selected))  # they differ in the sample's own class alone
    0.0
    >>> round(float(non_target_divergence(student, teacher.roll(1, 1), labels, selected)), 3)
    0.462
    >>> float(non_target_divergence(student, teacher.roll(1, 1), labels, ~selected))
    0.0
    """
    require_pair(student_logits, teacher_logits, ("student_logits", "teacher_logits"), "(B, C)")
    require_labels(labels, len(student_logits))
    if selected.shape != labels.shape or selected.dtype != torch.bool:
        raise ValueError(
            f"expected selected of shape ({len(labels)},) and dtype bool, got {tuple(selected.shape)}, {selected.dtype}"
        )
    require_one_of("target_class", target_class, get_args(TargetClass))
    require_temperature(temperature)
    require_classes(labels, student_logits, among=selected)
    known = labels.clamp(0, student_logits.shape[1] - 1)
    return divergence_of_others(student_logits, teacher_logits, known, selected, target_class, temperature)


def divergence_of_others(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    selected: Tensor,
    target_class: TargetClass = "removed",
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """`non_target_divergence` of labels that are known to be classes."""
    classes = student_logits.shape[1]
    if target_class == "zeroed":
        others = ~one_hot(labels, classes).bool()
        student, teacher = student_logits * others, teacher_logits * others
    else:
        places = torch.arange(classes - 1, device=labels.device)
        others = places + (places >= labels[:, None])
        student, teacher = student_logits.gather(1, others), teacher_logits.gather(1, others)
    return (soft_label_divergences(student, teacher, temperature) * selected).mean()


def _orders(logits: Tensor) -> Float[Tensor, "batch classes classes"]:
    """+1, 0 or -1: whether a class (row) is ranked before, level with or behind another (column)."""
    logits = full_precision(logits.detach())
    return (logits[:, :, None] - logits[:, None, :]).sign()
