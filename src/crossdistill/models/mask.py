"""The masking module that specialises a teacher (MST-Distill, Li et al. 2025)."""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn


class FeatureMask(nn.Module):
    """How much of each feature of a representation to keep: (B, width) -> (B, width), within [0, 1].

    Multiply a teacher's representation by it, to keep what suits the student.

    A linear layer turns the representation into one token of `hidden` numbers for each feature, the tokens attend to
    one another, and each is scored. hidden: a multiple of heads. Raises ValueError where it is not.

    >>> import torch
    >>> from crossdistill.models import FeatureMask
    >>> mask = FeatureMask(width=5)(torch.randn(3, 5))
    >>> mask.shape, bool(((mask >= 0) & (mask <= 1)).all())
    (torch.Size([3, 5]), True)
    """

    def __init__(self, width: int, hidden: int = 12, heads: int = 3) -> None:
        super().__init__()
        if heads < 1 or hidden < 1 or hidden % heads:
            raise ValueError(f"expected hidden a positive multiple of heads, got {hidden} and {heads}")
        self.width, self.hidden = width, hidden
        self.embedding = nn.Linear(width, width * hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.score = nn.Linear(hidden, 1)

    def forward(self, representations: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        tokens = self.embedding(representations).view(-1, self.width, self.hidden)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return cast(Tensor, self.score(attended)).squeeze(2).sigmoid()
