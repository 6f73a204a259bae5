"""The class-aware contrastive loss of CCL (Chen, Xian, Koepke, Shan, Akata; CVPR 2021)."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_labels, require_pair, require_temperature
from crossdistill.losses.row_blocks import loss_and_bound
from crossdistill.types import EVERYTHING, Share


def class_contrastive_loss(
    first: Float[Tensor, "batch width"],
    second: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float = 0.5,
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """CCL's loss that pulls two kinds of embeddings together within classes, L_nce(x, y) + L_nce(y, x), in nats.

    Use it where classes fill much of a batch and both sides are to move.

    L_nce(x, y): with p_ij the softmax over j of cos(x_i, y_j)/τ, the mean over i of the mean of -log p_ij over the
    samples j of i's class, i among them, plus the mean of -log(1 - p_ij) over those of other classes (0 without any).
    That is AMID's Eq. 8 with means in place of its sums. Gradients reach both.

    Args:
        first: (B, D)
        second: (B, D), row i of one sample with row i of `first`
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`
        temperature: τ > 0
        share: the anchors that this rank computes, of a batch that ranks divide; the ranks' mean is then the loss

    Raises:
        ValueError: a shape or dtype mismatch, or τ ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import class_contrastive_loss
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> first = torch.eye(2)[labels]
    >>> round(float(class_contrastive_loss(first, first, labels)), 3)
    1.763
    >>> round(float(class_contrastive_loss(first, first.flip(0), labels)), 3)  # each class in the other's place
    6.801
    """
    require_pair(first, second, ("first", "second"), "(B, D)")
    require_labels(labels, len(first))
    require_temperature(temperature)
    sides = full_precision(first), full_precision(second)
    return loss_and_bound(*sides, labels, temperature, mean=True, both_ways=True, share=share)[0]
