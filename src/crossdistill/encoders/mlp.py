"""A multi-layer perceptron on a fixed-size input."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from crossdistill.encoders.sequences import resampled
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import Modality, Padded


@dataclass(frozen=True)
class MLPSettings:
    """width: of the output; layers: linear layers; hidden: units of the layers inside; steps: that sequences of
    different length are resampled to."""

    width: int = 256
    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0
    steps: int = 16

    def check(self, place: str) -> None:
        sizes = {"width": self.width, "layers": self.layers, "hidden": self.hidden, "steps": self.steps}
        require_above_zero(sizes, place)
        require_probability({"dropout": self.dropout}, place)


class MLP(nn.Module):
    """`layers` linear layers with Leaky ReLU between them, on the flattened input: (B, ...) -> (B, width).

    For vectors, and for short sequences whose course as a whole counts.

    Args:
        in_features: entries of one sample
        width: of the output
        layers: linear layers
        hidden: width of the layers between
        dropout: before every layer but the first
        steps: `Padded` sequences are first resampled to this many steps, and in_features is then steps x features

    >>> import torch
    >>> from crossdistill.encoders import MLP
    >>> MLP(in_features=6, width=8)(torch.randn(2, 6)).shape
    torch.Size([2, 8])
    >>> from crossdistill.types import Padded
    >>> strokes = Padded(torch.randn(2, 9, 3), torch.tensor([9, 5]))
    >>> MLP(in_features=16 * 3, width=8)(strokes).shape
    torch.Size([2, 8])
    """

    def __init__(
        self, in_features: int, width: int, layers: int = 2, hidden: int = 256, dropout: float = 0.0, steps: int = 16
    ) -> None:
        super().__init__()
        self.width, self.steps = width, steps
        widths = [in_features, *[hidden] * (layers - 1), width]
        modules: list[nn.Module] = [nn.Flatten(), nn.Linear(widths[0], widths[1])]
        for before, after in itertools.pairwise(widths[1:]):
            modules += [nn.LeakyReLU(0.1), nn.Dropout(dropout), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Modality) -> Tensor:
        return cast(Tensor, self.layers(resampled(x, self.steps) if isinstance(x, Padded) else x))
