"""The activation of convolutional backbones: the paper trains with Leaky ReLU, published weights come from ReLU."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["leaky_relu", "relu"]
ChosenActivation = Literal["auto", "leaky_relu", "relu"]


def make_activation(name: Activation) -> nn.Module:
    """Leaky ReLU of slope 0.01, the one nearest to ReLU in common use, or ReLU; in place, as it follows a normalisation
    whose gradient does not need its output."""
    return nn.LeakyReLU(0.01, inplace=True) if name == "leaky_relu" else nn.ReLU(inplace=True)
