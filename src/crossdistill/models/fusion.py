"""The teacher's fusion of modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """A 2-layer MLP on the concatenated features of all modalities, in the declared order: (B, ΣF) -> (B, width).

    It makes M of `CrossModalModel`, and is the part of the teacher that no other view shares.

    >>> import torch
    >>> from crossdistill.models import Fusion
    >>> fusion = Fusion([4, 6], width=8)
    >>> fusion([torch.zeros(2, 4), torch.zeros(2, 6)]).shape
    torch.Size([2, 8])
    >>> bool((fusion([torch.zeros(2, 4), torch.ones(2, 6)]) != fusion([torch.zeros(2, 4), torch.zeros(2, 6)])).any())
    True
    """

    def __init__(self, in_widths: Sequence[int], width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(sum(in_widths), width), nn.LeakyReLU(0.1), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return cast(Tensor, self.layers(torch.cat(list(features), dim=1)))


class TokenFusion(nn.Module):
    """The same MLP for S and for M: in S a learnt token stands in the auxiliary modalities' place.

    It makes S and M of `CrossModalModel` where the student is "fused" (modality dropout). The first layer's columns
    that read auxiliary features are not here but in a linear map of their own, whose output (B, width) is `auxiliary`;
    without it the token takes its place. So the whole is `Fusion` on all features, a token in its hidden layer, and
    this part of it needs nothing auxiliary. The token starts at 0.
    features: of the target modalities, (B, F) each -> (B, width).

    >>> import torch
    >>> from crossdistill.models import TokenFusion
    >>> fusion, features = TokenFusion([4], width=8), [torch.randn(2, 4)]
    >>> student, teacher = fusion(features), fusion(features, auxiliary=torch.ones(2, 8))
    >>> student.shape, bool((student == teacher).all())
    (torch.Size([2, 8]), False)
    >>> torch.equal(student, fusion(features, auxiliary=fusion.token.expand(2, 8)))
    True
    """

    def __init__(self, in_widths: Sequence[int], width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.target = nn.Linear(sum(in_widths), width, bias=False)  # the token, or the auxiliary map, has the bias
        self.token = nn.Parameter(torch.zeros(width))
        self.layers = nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout(dropout), nn.Linear(width, width))

    def forward(self, features: Sequence[Tensor], auxiliary: Tensor | None = None) -> Tensor:
        added = self.token if auxiliary is None else auxiliary
        return cast(Tensor, self.layers(self.target(torch.cat(list(features), dim=1)) + added))


class AuxiliaryInput(nn.Module):
    """What auxiliary features add to the hidden layer of a `TokenFusion`: one linear layer, (B, ΣF) -> (B, width)."""

    def __init__(self, in_widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(sum(in_widths), width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return cast(Tensor, self.layer(torch.cat(list(features), dim=1)))


class Projection(nn.Module):
    """S or A from its encoders: nothing to do for one encoder of the right width, else one linear layer on the
    concatenated features.

    It makes S and A of `CrossModalModel`: (B, F) of each encoder -> (B, width).

    >>> import torch
    >>> from crossdistill.models import Projection
    >>> x = torch.randn(2, 8)
    >>> torch.equal(Projection([8], width=8)([x]), x)
    True
    >>> Projection([8, 8], width=8)([x, x]).shape
    torch.Size([2, 8])
    """

    def __init__(self, in_widths: Sequence[int], width: int) -> None:
        super().__init__()
        ready = tuple(in_widths) == (width,)
        self.layer: nn.Module = nn.Identity() if ready else nn.Linear(sum(in_widths), width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return cast(Tensor, self.layer(torch.cat(list(features), dim=1)))
