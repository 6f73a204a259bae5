"""A small residual 1-D convolutional network over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from crossdistill.encoders.sequences import as_padded, masked_max, masked_mean, time_mask
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import Modality, Padded


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

    For signals over time, such as a sensor's: what `auto` takes for sequences. The output of a sequence does not depend
    on the padding that its batch brings.

    Args:
        in_features: F
        width: of the output
        layers: convolutional blocks
        hidden: their channels
        dropout: of the pooled channels

    >>> import torch
    >>> from crossdistill.encoders import Conv
    >>> from crossdistill.types import Padded
    >>> encoder, signal = Conv(in_features=3, width=8).eval(), torch.randn(1, 5, 3)
    >>> padded = Padded(torch.cat([signal, torch.zeros(1, 4, 3)], dim=1), torch.tensor([5]))
    >>> torch.allclose(encoder(padded), encoder(signal), atol=1e-6)
    True
    """

    mixes: bool = False
    """In the sum of two courses over time the stronger drowns the other."""

    def __init__(self, in_features: int, width: int, layers: int = 2, hidden: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.least_steps = width, 2**layers
        channels = [in_features, *[hidden] * layers]
        strides = [1, *[2] * (layers - 1)]
        self.blocks = nn.ModuleList(
            _Block(before, hidden, stride) for before, stride in zip(channels[:-1], strides, strict=True)
        )
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, width))

    def forward(self, x: Modality) -> Tensor:
        values, lengths = as_padded(x)
        ended = lengths if isinstance(x, Padded) else None  # without padding there is nothing to keep at 0
        for block in self.blocks:
            values, ended = block(values, ended)
        if ended is None:
            return cast(Tensor, self.project(torch.cat([values.mean(dim=1), values.amax(dim=1)], dim=1)))
        mask = time_mask(ended, values.shape[1])
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

    def forward(self, values: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out = self.activation(self.normalisation(self._convolved(values)))
        if self.residual:
            out = out + _every(self.stride, values)
        if lengths is None:
            return out, None
        lengths = (lengths + self.stride - 1) // self.stride
        return torch.where(time_mask(lengths, out.shape[1])[:, :, None], out, 0.0), lengths

    def _convolved(self, values: Tensor) -> Tensor:
        """(B, T, F) -> (B, T', C), as a convolution of pictures one row high whose channels are last in memory, as ours
        are: a CPU needs a third of the time of `Conv1d`, which copies each tensor to its transpose and back. In an
        exported file it is a convolution whose weight is a constant: no other can be stored in 8 bits."""
        if torch.compiler.is_exporting():
            return cast(Tensor, self.convolution(values.permute(0, 2, 1))).permute(0, 2, 1)
        weight = self.convolution.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        row = values.permute(0, 2, 1).unsqueeze(2)
        out = conv2d(row, weight, self.convolution.bias, stride=(1, self.stride), padding=(0, 2))
        return out.squeeze(2).permute(0, 2, 1)


def _every(stride: int, values: Tensor) -> Tensor:
    """The steps 0, stride, 2 stride, ...; an exporter knows only of the second form that it is as long as a convolution
    of this stride, and the first takes half the time."""
    if torch.compiler.is_exporting():
        return values.unfold(1, 1, stride)[..., 0]
    return values[:, ::stride]
