"""CCL's composition of two modalities (Chen, Xian, Koepke, Shan, Akata; CVPR 2021)."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossdistill.losses.cosine import unit_rows


class Composition(nn.Module):
    """The auxiliary embedding plus a residual that knows both, and a classifier on it.

    It closes the gap of meaning between a student and an auxiliary teacher; it stays behind when the student ships.

    (A, S), both (B, width) -> A + W [A/‖A‖; S/‖S‖] + b, (B, width), and its logits, (B, classes).

    >>> import torch
    >>> from crossdistill.models import Composition
    >>> composition, auxiliary, target = Composition(width=4, classes=3), torch.ones(2, 4), torch.ones(2, 4)
    >>> composed, logits = composition(auxiliary, target)
    >>> torch.equal(composition(auxiliary, 10 * target)[0], composed)  # of the student, the direction counts
    True
    >>> logits.shape
    torch.Size([2, 3])
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
