"""CRCD's relation of two samples (Zhu et al.; CVPR 2021)."""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu


class RelationNetwork(nn.Module):
    """Every anchor's relation to every sample, V ReLU(W a - U x): (A, in_width), (B, in_width) -> (A, B, width).

    Learnt relations, for `relation_contrastive_loss`.

    Each of the three maps is linear with a bias. Raises ValueError when width < 1.

    >>> import torch
    >>> from crossdistill.models import RelationNetwork
    >>> relations = RelationNetwork(in_width=5, width=4)
    >>> anchors, samples = torch.randn(2, 5), torch.randn(3, 5)
    >>> relations(anchors, samples).shape
    torch.Size([2, 3, 4])
    >>> torch.allclose(relations(anchors, samples)[1, 2], relations(anchors[1:], samples[2:])[0, 0], atol=1e-6)
    True
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
