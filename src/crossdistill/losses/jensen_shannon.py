"""Agreement in the predictive space: Eq. 16."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_pair


def jensen_shannon_divergence(
    p_logits: Float[Tensor, "batch classes"], q_logits: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Mean Jensen-Shannon divergence of two categorical predictions (Eq. 16), in nats, within [0, log 2].

    Use it where two predictions that both learn are to agree: it treats them alike, and its size is bounded. The bounds
    hold up to rounding. Gradients reach both.

    Args:
        p_logits: (B, C), any real scale
        q_logits: (B, C), any real scale

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import jensen_shannon_divergence
    >>> p = torch.tensor([[50.0, 0.0, 0.0]])
    >>> abs(float(jensen_shannon_divergence(p, p))) < 1e-6
    True
    >>> round(float(jensen_shannon_divergence(p, p.flip(1))), 3)  # certain of different classes: log 2
    0.693
    """
    require_pair(p_logits, q_logits, ("p_logits", "q_logits"), "(B, C)")
    log_p = full_precision(p_logits).log_softmax(dim=1)
    log_q = full_precision(q_logits).log_softmax(dim=1)
    log_mix = torch.logaddexp(log_p, log_q) - math.log(2)  # in log space: underflow would give NaN gradients
    divergence = log_p.exp() * (log_p - log_mix) + log_q.exp() * (log_q - log_mix)
    return 0.5 * divergence.sum(dim=1).mean()
