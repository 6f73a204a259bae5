"""Cross-entropy with true labels, where some are unknown."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossdistill.losses.checks import full_precision, require_floating, require_labels

_NO_LABEL = -1


def labelled_cross_entropy(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean cross-entropy of the samples that have a label, in nats; 0 where none has one.

    What supervises a method that also learns from unlabelled pairs.
    logits: (B, C), any real scale; labels: (B,) int64, classes 0 to C - 1, or -1 where the class is unknown.
    Raises ValueError on a shape or dtype mismatch.

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
    total = cross_entropy(full_precision(logits), labels, ignore_index=_NO_LABEL, reduction="sum")
    return total / (labels != _NO_LABEL).sum().clamp_min(1)
