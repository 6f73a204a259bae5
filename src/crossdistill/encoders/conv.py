"""A small residual 1-D convolutional network over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from crossdistill.encoders.sequences import as_padded, masked_max, masked_mean, time_mask
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import Modality


@dataclass(frozen=True)
class ConvSettings:
    """width: of the output; layers: convolutional blocks; hidden: their channels."""

    width: int = 256
    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0

    def check(self, place: str) -> None:
        require_above_zero({"width": self.width, "layers": self.layers, "hidden": self.hidden}, place)
        require_probability({"dropout": self.dropout}, place)


class Conv(nn.Module):
    """`layers` convolutional blocks (kernel 5, each halving time after the first), pooled by mean and maximum over
    time: (B, T, F) or `Padded` -> (B, width).

    hidden: channels. The output of a sequence does not depend on the padding that its batch brings.
    For signals over time, such as a sensor's: what `auto` takes for sequences.

    >>> import torch
    >>> from crossdistill.encoders import Conv
    >>> from crossdistill.types import Padded
    >>> encoder, signal = Conv(in_features=3, width=8).eval(), torch.randn(1, 5, 3)
    >>> padded = Padded(torch.cat([signal, torch.zeros(1, 4, 3)], dim=1), torch.tensor([5]))
    >>> torch.allclose(encoder(padded), encoder(signal), atol=1e-6)
    True
    """

    def __init__(self, in_features: int, width: int, layers: int = 3, hidden: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        channels = [in_features, *[hidden] * layers]
        strides = [1, *[2] * (layers - 1)]
        self.blocks = nn.ModuleList(
            _Block(before, hidden, stride) for before, stride in zip(channels[:-1], strides, strict=True)
        )
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, width))

    def forward(self, x: Modality) -> Tensor:
        values, lengths = as_padded(x)
        for block in self.blocks:
            values, lengths = block(values, lengths)
        mask = time_mask(lengths, values.shape[1])
        pooled = torch.cat([masked_mean(values, mask), masked_max(values, mask)], dim=1)
        return cast(Tensor, self.project(pooled))


class _Block(nn.Module):
    """Convolution, layer normalisation over channels (batch statistics would see padding and differ between ranks),
    Leaky ReLU; the input is added where the widths agree."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.residual = in_channels == channels
        self.convolution = nn.Conv1d(in_channels, channels, kernel_size=5, stride=stride, padding=2)
        self.normalisation = nn.LayerNorm(channels)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        out = self.activation(self.normalisation(self.convolution(values.mT).mT))
        if self.residual:
            out = out + values[:, :: self.stride]
        lengths = (lengths + self.stride - 1) // self.stride
        return torch.where(time_mask(lengths, out.shape[1])[:, :, None], out, 0.0), lengths
