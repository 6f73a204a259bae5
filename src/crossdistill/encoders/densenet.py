"""DenseNet-121: features of pictures and of a video's frames (Huang et al. 2017)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from crossdistill.encoders.activation import Activation, ChosenActivation, make_activation
from crossdistill.encoders.sequences import as_padded
from crossdistill.encoders.weights import load_weights, read_weights
from crossdistill.types import Modality, Padded


@dataclass(frozen=True)
class DenseNet121Settings:
    """activation: as of `R2Plus1DSettings`."""

    activation: ChosenActivation = "auto"

    def check(self, place: str) -> None:
        """There is no number to check."""


class DenseNet(nn.Module):
    """Pictures (B, 3, H, W) or videos (B, 3, T, H, W), already normalised -> (B, width), for a video the mean of its
    frames' features; `sequence` gives each frame's.

    The defaults are DenseNet-121, with 1,024 features; keys and shapes of the parameters are those of torchvision's
    `densenet121` without its classifier.
    For pictures, and for videos whose frames tell the class by themselves, above all with ImageNet's weights.

    Args:
        blocks: layers of each dense block
        growth: channels that a layer adds
        channels: of the first convolution
        activation: of all layers

    >>> import torch
    >>> from crossdistill.encoders import DenseNet
    >>> encoder = DenseNet(blocks=(2, 2), growth=4, channels=8).eval()
    >>> video = torch.randn(2, 3, 5, 32, 32)
    >>> encoder(video).shape, encoder.sequence(video).values.shape
    (torch.Size([2, 16]), torch.Size([2, 5, 16]))
    """

    def __init__(
        self,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        channels: int = 64,
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, channels, kernel_size=7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=make_activation(activation),
            pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        for number, layers in enumerate(blocks, start=1):
            parts[f"denseblock{number}"] = _dense_block(layers, channels, growth, activation)
            channels += layers * growth
            if number < len(blocks):
                parts[f"transition{number}"] = _transition(channels, activation)
                channels //= 2
        parts["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)
        self.activation = make_activation(activation)
        self.width = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Modality) -> Tensor:
        if isinstance(x, Tensor) and x.ndim == 4 and x.shape[1] == 3:
            return cast(Tensor, self.activation(self.features(x)).mean(dim=(2, 3)))
        return self.sequence(x).values.mean(dim=1)

    def sequence(self, x: Modality) -> Padded:
        """Each frame's features: values (B, T, width), all of length T; of a picture, T is 1.

        Args:
            x: pictures (B, 3, H, W) or videos (B, 3, T, H, W)

        Raises:
            ValueError: another shape.
        """
        if isinstance(x, Tensor) and x.ndim == 4:
            x = x[:, :, None]
        if not isinstance(x, Tensor) or x.ndim != 5 or x.shape[1] != 3:
            found = str(tuple(x.shape)) if isinstance(x, Tensor) else "sequences of different length"
            raise ValueError(f"expected pictures (B, 3, H, W) or videos (B, 3, T, H, W), got {found}")
        frames = x.transpose(1, 2)
        return as_padded(self(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]))

    def load_weights(self, path: Path | str) -> None:
        """Load torchvision's state dict; the classifier is left out. The names of old files (norm.1) are understood.

        Args:
            path: of the file

        Raises:
            InputError: the file cannot be read, or its keys and shapes are not those of this network.
        """
        old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
        state = {old.sub(r"\1\2", key): value for key, value in read_weights(path).items()}
        load_weights(self, state, path, ignored=("classifier.",))


class _DenseLayer(nn.Module):
    """Normalisation, activation and a 1x1 convolution to 4 x growth channels, then the same with a 3x3 one to `growth`;
    appended to the input."""

    def __init__(self, channels: int, growth: int, activation: Activation) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(self.activation(self.norm1(x)))
        return torch.cat([x, self.conv2(self.activation(self.norm2(inner)))], dim=1)


def _dense_block(layers: int, channels: int, growth: int, activation: Activation) -> nn.Sequential:
    numbered = {
        f"denselayer{number + 1}": _DenseLayer(channels + number * growth, growth, activation)
        for number in range(layers)
    }
    return nn.Sequential(OrderedDict(numbered))


def _transition(channels: int, activation: Activation) -> nn.Sequential:
    """Half the channels at half the resolution."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        norm=nn.BatchNorm2d(channels),
        relu=make_activation(activation),
        conv=nn.Conv2d(channels, channels // 2, kernel_size=1, bias=False),
        pool=nn.AvgPool2d(kernel_size=2, stride=2),
    )
    return nn.Sequential(parts)
