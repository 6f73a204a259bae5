"""True labels, where some are unknown: cross-entropy, and what class-aware losses make of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossdistill.losses.checks import full_precision, require_floating, require_labels
from crossdistill.types import UNLABELLED


def labelled_cross_entropy(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean cross-entropy of the samples that have a label, in nats; 0 where none has one.

    What supervises a method that also learns from unlabelled pairs.

    Args:
        logits: (B, C), any real scale
        labels: (B,) int64, classes 0 to C - 1, or -1 where the class is unknown

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import labelled_cross_entropy
    >>> logits = torch.tensor([[0.0, 0.0], [5.0, -5.0]])
    >>> round(float(labelled_cross_entropy(logits, torch.tensor([1, -1]))), 3)  # log 2: the first sample alone
    0.693
    """
    if logits.ndim != 2:
        raise ValueError(f"expected logits of shape (B, C), got {tuple(logits.shape)}")
    require_floating(logits, "logits")
    require_labels(labels, len(logits))
    total = cross_entropy(full_precision(logits), labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp_min(1)


def as_own_classes(labels: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Labels in which each sample without one is a class of its own: its only positive is its own pair.

    What a class-aware contrast takes where some labels are unknown, and must not take them for one class more.

    Args:
        labels: (B,) integers, -1 where the class is unknown, which become -1, -2, ... by their place; others stay

    Raises:
        ValueError: another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import as_own_classes
    >>> as_own_classes(torch.tensor([3, -1, 3, -1])).tolist()
    [3, -2, 3, -4]
    """
    require_labels(labels)
    return torch.where(labels != UNLABELLED, labels, -1 - torch.arange(len(labels), device=labels.device))
