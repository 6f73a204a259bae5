"""The contrastive loss between instances (InfoNCE, van den Oord, Li and Vinyals 2018), blind to classes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import require_pair
from crossdistill.losses.cosine import cosine_similarity


def info_nce_loss(
    anchors: Float[Tensor, "batch width"], candidates: Float[Tensor, "batch width"], temperature: float = 0.5
) -> Float[Tensor, ""]:
    """-log softmax over the batch of Φ(anchor_i, candidate_j)/τ at j = i, in nats, averaged over the anchors.

    anchors, candidates: (B, D), row i of both from one sample; temperature: τ > 0. Gradients reach both.
    Raises ValueError on a shape or dtype mismatch or τ ≤ 0.
    """
    require_pair(anchors, candidates, ("anchors", "candidates"), "(B, D)")
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    similarity = cosine_similarity(anchors, candidates) / temperature
    return -similarity.log_softmax(dim=1).diagonal().mean()
