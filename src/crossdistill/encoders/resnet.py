"""A small residual 2-D convolutional network for pictures, and for spectrograms seen as pictures (He et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm

from crossdistill.encoders.sequences import as_padded, time_mask
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.types import InputError, Modality, Padded

Colours = Literal["first", "last", "none"]
"""Which axis of a sample holds its colours; none for a spectrogram (time, bins)."""


@dataclass(frozen=True)
class ResNetSettings:
    """width: of the output; channels: of the first stage, doubled in each further one; blocks: residual blocks of each
    stage; stride: of the first layer, 0 for one by the size of a sample; colours: which axis of an array holds them,
    `auto` for the shorter one of its ends."""

    width: int = 256
    channels: int = 32
    blocks: tuple[int, ...] = (2, 2, 2)
    stride: int = 0
    dropout: float = 0.0
    colours: Literal["auto", "first", "last"] = "auto"

    def check(self, place: str) -> None:
        if not self.blocks:
            raise InputError(f"{place}blocks: expected at least one stage, found none")
        sizes = {"width": self.width, "channels": self.channels, "blocks": min(self.blocks)}
        require_above_zero(sizes, place)
        require_at_least_zero({"stride": self.stride}, place)
        require_probability({"dropout": self.dropout}, place)


class ResNet(nn.Module):
    """Residual blocks of two 3x3 convolutions, each stage after the first at half the resolution, pooled by mean and
    maximum over the picture -> (B, width).

    Pictures are (B, C, H, W), or with colours="last" (B, H, W, C); with colours="none" spectrograms (B, T, F), or
    `Padded` ones of different length, whose output does not depend on the padding that their batch brings.
    channels: of the first stage, doubled in each further one; blocks: of each stage; stride: of the first layer.
    For pictures from scratch where there are some thousand at most: what `auto` takes for them. With published weights,
    see `DenseNet` and `Pretrained`. Raises ValueError for inputs of another shape.

    >>> import torch
    >>> from crossdistill.encoders import ResNet
    >>> ResNet(3, width=8, channels=4)(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 8])
    >>> ResNet(3, width=8, channels=4, colours="last")(torch.randn(2, 40, 60, 3)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        channels: int = 32,
        blocks: Sequence[int] = (2, 2, 2),
        stride: int = 1,
        dropout: float = 0.0,
        colours: Colours = "first",
    ) -> None:
        super().__init__()
        self.width, self.colours, self.in_channels = width, colours, in_channels
        self.features_axis = -3 if colours == "first" else -1
        self.least_steps = 2 * stride * 2 ** (len(blocks) - 1)
        layers: list[nn.Module] = [_Stem(in_channels, channels, stride)]
        for stage, count in enumerate(blocks):
            for number in range(count):
                halved = stage > 0 and number == 0
                layers.append(_Block(channels // 2 if halved else channels, channels, 2 if halved else 1))
            channels *= 2
        self.layers = nn.ModuleList(layers)
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, width))

    def forward(self, x: Modality) -> Tensor:
        pixels, lengths = self._channels_first(x)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            pixels, lengths = layer(pixels, lengths)
        return cast(Tensor, self.project(_pooled(pixels, lengths)))

    def _channels_first(self, x: Modality) -> tuple[Tensor, Tensor | None]:
        """(B, C, H, W), and of padded spectrograms how many of their rows H are their own."""
        if self.colours == "none":
            values, lengths = as_padded(x)
            return values[:, None], lengths if isinstance(x, Padded) else None
        axis = 1 if self.colours == "first" else 3
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[axis] != self.in_channels:
            shape = "(B, C, H, W)" if self.colours == "first" else "(B, H, W, C)"
            found = str(tuple(x.shape)) if isinstance(x, Tensor) else "sequences of different length"
            raise ValueError(f"expected pictures {shape} of {self.in_channels} colours, got {found}")
        return (x if self.colours == "first" else x.permute(0, 3, 1, 2)), None


class _Normalisation(nn.Module):
    """Layer normalisation over channels, at each pixel: batch statistics would see padding and differ between ranks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normal = layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias)
        return normal.permute(0, 3, 1, 2)


class _Convolution(nn.Module):
    """Convolution and normalisation; what lies beyond a spectrogram's end is 0 again."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        self.normalisation = _Normalisation(channels)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out = self.normalisation(self._convolved(x))
        if lengths is None:
            return out, None
        lengths = (lengths + self.stride - 1) // self.stride
        return torch.where(time_mask(lengths, out.shape[2])[:, None, :, None], out, 0.0), lengths

    def _convolved(self, x: Tensor) -> Tensor:
        if self.convolution.kernel_size != (1, 1) or torch.compiler.is_exporting():
            return cast(Tensor, self.convolution(x))
        # Not with a stride: on processors with no more than AVX2, oneDNN 3.12 then writes beyond the gradient of the
        # weights where the input has fewer channels than a vector. An exporter is told of the stride, as it would not
        # know that the result is as long as that of the other convolutions.
        return conv2d(x[:, :, :: self.stride, :: self.stride], self.convolution.weight)


class _Stem(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = _Convolution(in_channels, channels, 2 * stride + 1, stride)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out, lengths = self.first(x, lengths)
        return self.activation(out), lengths


class _Block(nn.Module):
    """x + two convolutions of x; where resolution or channels change, x goes through one of a single pixel."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = _Convolution(in_channels, channels, 3, stride)
        self.second = _Convolution(channels, channels, 3, 1)
        self.shortcut = _Convolution(in_channels, channels, 1, stride) if stride > 1 else None
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        shorter = x if self.shortcut is None else self.shortcut(x, lengths)[0]
        out, lengths = self.first(x, lengths)
        out, _ = self.second(self.activation(out), lengths)
        return self.activation(shorter + out), lengths


def _pooled(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, 2 C) mean and maximum over a picture, or over a spectrogram's own steps."""
    if lengths is None:
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
    mask = time_mask(lengths, x.shape[2])[:, None, :, None]
    count = lengths.clamp_min(1)[:, None] * x.shape[3]
    return torch.cat([x.sum(dim=(2, 3)) / count, x.masked_fill(~mask, -torch.inf).amax(dim=(2, 3))], dim=1)


def colours_of(shape: Sequence[int], chosen: Literal["auto", "first", "last"]) -> Colours:
    """Where a sample of this shape has its colours. Raises InputError where both ends are as short."""
    if len(shape) == 2:
        return "none"
    if chosen != "auto":
        return chosen
    if shape[0] == shape[-1]:
        raise InputError(f"settings.colours: expected first or last for samples of shape {tuple(shape)}, found auto")
    return "first" if shape[0] < shape[-1] else "last"


def stride_of(shape: Sequence[int], colours: Colours) -> int:
    """1 below 48 pixels of a sample's short side, 2 below 96, 4 above; of a spectrogram its bins count alone."""
    sides = {"first": shape[1:], "last": shape[:-1], "none": shape[-1:]}[colours]
    return 1 if min(sides) < 48 else 2 if min(sides) < 96 else 4
