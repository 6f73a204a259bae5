"""CCL's composition of two modalities (Chen, Xian, Koepke, Shan, Akata; CVPR 2021)."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossdistill.losses.cosine import unit_rows


class Composition(nn.Module):
    """The auxiliary embedding plus a residual that knows both, and a classifier on it.

    (A, S), both (B, width) -> A + W [A/‖A‖; S/‖S‖] + b, (B, width), and its logits, (B, classes).
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.residual = nn.Linear(2 * width, width)
        self.classifier = nn.Linear(width, classes)

    def forward(
        self, auxiliary: Float[Tensor, "batch width"], target: Float[Tensor, "batch width"]
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch classes"]]:
        composed = auxiliary + cast(Tensor, self.residual(torch.cat([unit_rows(auxiliary), unit_rows(target)], dim=1)))
        return composed, self.classifier(composed)
