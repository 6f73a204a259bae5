"""Hints: regression of a teacher's representation (Romero et al. 2015)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import Reduction, full_precision, require_pair, require_reduction


def hint_loss(
    guided: Float[Tensor, "batch width"], hint: Float[Tensor, "batch width"], reduction: Reduction = "sum"
) -> Float[Tensor, ""]:
    """L_HT (Romero et al. 2015, Eq. 3): ½ ||hint − guided||², averaged over the batch.

    Use it where the student is to predict the teacher's representation itself, not its relations or its labels.
    Gradients reach both arguments.

    Args:
        guided: (B, D) the regressor's output on the student's representation
        hint: (B, D) the teacher's representation
        reduction: over the D features; "sum" is Eq. 3 as printed, "mean" divides it by D, so that neither its size nor
            its gradient grows with the width

    Raises:
        ValueError: a shape or dtype mismatch, or an unknown reduction.

    >>> import torch
    >>> from crossdistill.losses import hint_loss
    >>> hint = torch.ones(4, 8)
    >>> float(hint_loss(hint, hint)), float(hint_loss(hint + 1, hint)), float(hint_loss(hint + 1, hint, "mean"))
    (0.0, 4.0, 0.5)
    """
    require_pair(guided, hint, ("guided", "hint"), "(B, D)")
    require_reduction(reduction)
    squares = (full_precision(hint) - full_precision(guided)).square()
    return 0.5 * (squares.mean() if reduction == "mean" else squares.sum(dim=1).mean())
