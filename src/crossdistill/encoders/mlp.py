"""A multi-layer perceptron on a fixed-size input."""

from __future__ import annotations

import itertools
from typing import cast

from torch import Tensor, nn

from crossdistill.types import Modality


class MLP(nn.Module):
    """`layers` linear layers with Leaky ReLU between them, on the flattened input: (B, ...) -> (B, width).

    in_features: entries of one sample; hidden: width of the layers between; dropout: before every layer but the first.
    """

    def __init__(self, in_features: int, width: int, layers: int = 2, hidden: int = 512, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        widths = [in_features, *[hidden] * (layers - 1), width]
        steps: list[nn.Module] = [nn.Flatten(), nn.Linear(widths[0], widths[1])]
        for before, after in itertools.pairwise(widths[1:]):
            steps += [nn.LeakyReLU(0.1), nn.Dropout(dropout), nn.Linear(before, after)]
        self.layers = nn.Sequential(*steps)

    def forward(self, x: Modality) -> Tensor:
        if not isinstance(x, Tensor):
            raise ValueError("expected samples of one size, got sequences of different length; use 'conv' or 'rnn'")
        return cast(Tensor, self.layers(x))
