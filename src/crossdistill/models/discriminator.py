"""The discriminators D1 and D2 of Section 3.2."""

from __future__ import annotations

import itertools
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn


class Discriminator(nn.Module):
    """An MLP of `depth` linear layers of width `width` with Leaky ReLU: (B, in_width) -> raw logits (B,).

    It tells M from S, as a player of its own whose parameters are in no turn of the student.

    A large logit says "a full-modality representation". The paper's D1 has depth 5, its D2 depth 3.
    Raises ValueError when depth < 1.

    >>> import torch
    >>> from crossdistill.models import Discriminator
    >>> discriminator = Discriminator(depth=5, width=16, in_width=8)
    >>> discriminator(torch.zeros(4, 8)).shape, sum(p.ndim == 2 for p in discriminator.parameters())
    (torch.Size([4]), 5)
    """

    def __init__(self, depth: int, width: int, in_width: int) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"expected a depth of at least 1, got {depth}")
        widths = [in_width, *[width] * (depth - 1)]
        steps: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            steps += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*steps, nn.Linear(widths[-1], 1))

    def forward(self, representations: Float[Tensor, "batch width"]) -> Float[Tensor, " batch"]:
        return cast(Tensor, self.layers(representations)).squeeze(1)
