"""CRCD's relation of two samples (Zhu et al.; CVPR 2021)."""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu


class RelationNetwork(nn.Module):
    """Every anchor's relation to every sample, V ReLU(W a - U x): (A, in_width), (B, in_width) -> (A, B, width).

    Each of the three maps is linear with a bias. Raises ValueError when width < 1.
    """

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"expected a relation of width 1 or more, got {width}")
        self.anchor = nn.Linear(in_width, width)
        self.sample = nn.Linear(in_width, width)
        self.relation = nn.Linear(width, width)

    def forward(
        self, anchors: Float[Tensor, "anchors in_width"], samples: Float[Tensor, "batch in_width"]
    ) -> Float[Tensor, "anchors batch width"]:
        difference = self.anchor(anchors)[:, None] - self.sample(samples)[None]
        return cast(Tensor, self.relation(relu(difference)))
