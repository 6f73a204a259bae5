"""Soft labels divided into the sample's own class and the others (DKD, Zhao et al. 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from crossdistill.losses.checks import full_precision, require_classes, require_pair, require_temperature


def target_class_divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    targets: Int[Tensor, " batch"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """TCKD: mean of KL(teacher || student) of "the target class, or another one", in nats.

    Use it beside `non_target_divergence` (NCKD) where the two parts of soft labels are to have weights of their own
    (DKD: Zhao et al., CVPR 2022). For one sample, whatever class its target is, and p the teacher's probability of it,
    soft_label_divergence = TCKD + (1 − p) NCKD: a certain teacher hardly says how the other classes relate. Gradients
    reach both logits.

    Args:
        student_logits: (B, C), any real scale; of a single class nothing is to be learnt
        teacher_logits: (B, C), any real scale
        targets: (B,) in [0, C)
        temperature: T > 0

    Raises:
        ValueError: a shape or dtype mismatch, a target that is no class (-1, say), or T ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import target_class_divergence
    >>> student, teacher = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[2.0, 0.0, 1.0]])
    >>> float(target_class_divergence(student, teacher, torch.tensor([0])))  # only the other classes differ
    0.0
    >>> round(float(target_class_divergence(student, teacher, torch.tensor([1]))), 3)
    0.08
    """
    require_pair(student_logits, teacher_logits, ("student_logits", "teacher_logits"), "(B, C)")
    require_classes(targets, student_logits)
    require_temperature(temperature)
    return divergence_of_targets(student_logits, teacher_logits, targets, temperature)


def divergence_of_targets(
    student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float
) -> Float[Tensor, ""]:
    """`target_class_divergence` of targets that are known to be classes."""
    if student_logits.shape[1] < 2:  # it is certain, whatever the logits
        return 0 * (full_precision(student_logits) + full_precision(teacher_logits)).sum()
    student, teacher = (_margins(logits, targets, temperature) for logits in (student_logits, teacher_logits))
    own = teacher.sigmoid() * (logsigmoid(teacher) - logsigmoid(student))
    another = (-teacher).sigmoid() * (logsigmoid(-teacher) - logsigmoid(-student))
    return (own + another).mean()


def _margins(logits: Tensor, targets: Tensor, temperature: float) -> Float[Tensor, " batch"]:
    """The logit of the target class against all others together: its sigmoid is the class's probability."""
    scaled = full_precision(logits) / temperature
    own = targets[:, None]
    return scaled.gather(1, own).squeeze(1) - scaled.scatter(1, own, -torch.inf).logsumexp(dim=1)
