"""The symmetric Kullback-Leibler divergence of two predictions: CCL's term, and a switch for Eq. 16."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_pair


def symmetric_kl_divergence(
    p_logits: Float[Tensor, "batch classes"], q_logits: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Mean of (KL(P || Q) + KL(Q || P)) / 2 over the batch, in nats, ≥ 0 and, unlike Eq. 16, without an upper bound.

    Use it in place of `jensen_shannon_divergence` where certain and contrary predictions are to cost more than log 2.
    Gradients reach both.

    Args:
        p_logits: (B, C), any real scale
        q_logits: (B, C), any real scale

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import symmetric_kl_divergence
    >>> p = torch.tensor([[50.0, 0.0, 0.0]])
    >>> float(symmetric_kl_divergence(p, p)), round(float(symmetric_kl_divergence(p, p.flip(1))), 3)
    (0.0, 50.0)
    """
    require_pair(p_logits, q_logits, ("p_logits", "q_logits"), "(B, C)")
    log_p = full_precision(p_logits).log_softmax(dim=1)
    log_q = full_precision(q_logits).log_softmax(dim=1)
    return 0.5 * ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1).mean()
