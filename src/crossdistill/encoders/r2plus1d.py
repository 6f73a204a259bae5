"""R(2+1)D: a residual network for video whose 3-D convolutions are split into space and time (Tran et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from torch import Tensor, nn

from crossdistill.encoders.activation import Activation, ChosenActivation, make_activation
from crossdistill.encoders.weights import load_weights, read_weights
from crossdistill.requirements import require_above_zero
from crossdistill.types import InputError, Modality

_Midplanes = Literal["shared", "formula"]


@dataclass(frozen=True)
class R2Plus1DSettings:
    """As the encoder's own arguments; its width is 8 x channels. activation: auto is relu, with which published weights
    were trained, where these stay frozen, and leaky_relu, the paper's, else."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    channels: int = 64
    midplanes: _Midplanes = "shared"
    activation: ChosenActivation = "auto"

    def check(self, place: str) -> None:
        if len(self.blocks) != 4:
            raise InputError(f"{place}blocks: expected 4 numbers, found {len(self.blocks)}")
        require_above_zero({"blocks": min(self.blocks), "channels": self.channels}, place)


class R2Plus1D(nn.Module):
    """Video (B, 3, T, H, W), already normalised -> (B, 8 x channels): the mean over time and space of the last layer.

    Keys and shapes of the parameters are those of torchvision's `r2plus1d_18` without its classifier `fc`.
    For clips in which motion tells the class, above all with Kinetics' weights (`load_weights`).

    Args:
        blocks: residual blocks in each of the four layers: (2, 2, 2, 2) is R(2+1)D-18, (1, 1, 1, 1) the network of 10
            convolutions that the published code of CCL (Chen et al. 2021) trains
        channels: of the first layer, doubled in each further one
        midplanes: how many channels lie between space and time. "formula" is Section 3.5 of Tran et al., by which a
            split convolution has as many parameters as the whole one, for every convolution, the stem's and the
            shortcuts' included (CCL's code); "shared" is torchvision's: 45 in the stem, one number for both
            convolutions of a block, unsplit shortcuts
        activation: of all layers

    >>> import torch
    >>> from crossdistill.encoders import R2Plus1D
    >>> encoder = R2Plus1D(blocks=(1, 1, 1, 1), channels=4).eval()
    >>> encoder(torch.randn(2, 3, 8, 32, 32)).shape, encoder.width
    (torch.Size([2, 32]), 32)
    """

    def __init__(
        self,
        blocks: Sequence[int] = (2, 2, 2, 2),
        channels: int = 64,
        midplanes: _Midplanes = "shared",
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        if len(blocks) != 4 or min(blocks) < 1:
            raise ValueError(f"expected the number of blocks of each of 4 layers, at least 1, got {tuple(blocks)}")
        self.width = 8 * channels
        between = midplanes_of(3, channels, 3, 7) if midplanes == "formula" else max(1, 45 * channels // 64)
        self.stem = nn.Sequential(
            *_split_convolution(3, between, channels, (3, 7), (1, 2), activation),
            nn.BatchNorm3d(channels),
            make_activation(activation),
        )
        self.layer1 = _layer(blocks[0], channels, channels, 1, midplanes, activation)
        self.layer2 = _layer(blocks[1], channels, 2 * channels, 2, midplanes, activation)
        self.layer3 = _layer(blocks[2], 2 * channels, 4 * channels, 2, midplanes, activation)
        self.layer4 = _layer(blocks[3], 4 * channels, 8 * channels, 2, midplanes, activation)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Modality) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 5 or x.shape[1] != 3:
            raise ValueError(f"expected videos of shape (B, 3, T, H, W), got {_shape_of(x)}")
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return cast(Tensor, out.mean(dim=(2, 3, 4)))

    def load_weights(self, path: Path | str) -> None:
        """Load torchvision's state dict, such as its Kinetics-400 weights; the classifier `fc` is left out.

        Args:
            path: of the file

        Raises:
            InputError: the file cannot be read, or its keys and shapes are not those of this network.
        """
        load_weights(self, read_weights(path), path, ignored=("fc.",))


class _Block(nn.Module):
    """Two split convolutions and a shortcut. The first one strides in space and time."""

    def __init__(self, before: int, after: int, stride: int, midplanes: _Midplanes, activation: Activation) -> None:
        super().__init__()
        first = midplanes_of(before, after, 3, 3)
        second = midplanes_of(after, after, 3, 3) if midplanes == "formula" else first
        strides = (stride, stride)
        self.conv1 = nn.Sequential(
            nn.Sequential(*_split_convolution(before, first, after, (3, 3), strides, activation)),
            nn.BatchNorm3d(after),
            make_activation(activation),
        )
        self.conv2 = nn.Sequential(
            nn.Sequential(*_split_convolution(after, second, after, (3, 3), (1, 1), activation)),
            nn.BatchNorm3d(after),
        )
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            shortcut: nn.Module = nn.Conv3d(before, after, kernel_size=1, stride=stride, bias=False)
            if midplanes == "formula":
                between = midplanes_of(before, after, 1, 1)
                shortcut = nn.Sequential(*_split_convolution(before, between, after, (1, 1), strides, activation))
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(after))
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.activation(self.conv2(self.conv1(x)) + self.downsample(x)))


def midplanes_of(before: int, after: int, time: int, space: int) -> int:
    """Channels between the two parts of a split convolution of kernel time x space x space, so that it has as many
    weights as the whole one (Tran et al. 2018, Section 3.5)."""
    return time * space**2 * before * after // (space**2 * before + time * after)


def _split_convolution(
    before: int,
    between: int,
    after: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    activation: Activation,
) -> list[nn.Module]:
    """Convolution over space, normalisation, activation, convolution over time; kernel and stride: (time, space)."""
    (time, space), (time_stride, space_stride) = kernel, stride
    return [
        nn.Conv3d(
            before,
            between,
            (1, space, space),
            stride=(1, space_stride, space_stride),
            padding=(0, space // 2, space // 2),
            bias=False,
        ),
        nn.BatchNorm3d(between),
        make_activation(activation),
        nn.Conv3d(between, after, (time, 1, 1), stride=(time_stride, 1, 1), padding=(time // 2, 0, 0), bias=False),
    ]


def _layer(
    blocks: int, before: int, after: int, stride: int, midplanes: _Midplanes, activation: Activation
) -> nn.Sequential:
    first = _Block(before, after, stride, midplanes, activation)
    return nn.Sequential(first, *(_Block(after, after, 1, midplanes, activation) for _ in range(blocks - 1)))


def _shape_of(x: Modality) -> str:
    return str(tuple(x.shape)) if isinstance(x, Tensor) else "sequences of different length"
