"""A sensor's signal by convolution and by its spectrum, course and spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from crossdistill.encoders.conv import Conv
from crossdistill.encoders.mlp import MLP
from crossdistill.encoders.sequences import as_padded, time_mask
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import InputError, Modality, Padded

_TINY = 1e-12
"""Added under roots, whose slope at 0 is not finite."""


@dataclass(frozen=True)
class SignalSettings:
    """width: of the output; layers, hidden: of the convolution; bins: frequencies of the spectrum; highest: of them, in
    cycles per step; steps: parts of the course."""

    width: int = 256
    layers: int = 3
    hidden: int = 32
    dropout: float = 0.0
    bins: int = 40
    highest: float = 0.2
    steps: int = 20

    def check(self, place: str) -> None:
        sizes = {"width": self.width, "layers": self.layers, "hidden": self.hidden}
        require_above_zero(sizes | {"bins": self.bins, "highest": self.highest, "steps": self.steps}, place)
        if self.highest > 0.5:
            raise InputError(f"{place}highest: expected at most 0.5 cycles per step, found {self.highest}")
        require_probability({"dropout": self.dropout}, place)


class Signal(nn.Module):
    """The sum of a `Conv` and of an MLP on what is known to tell movements apart: (B, T, F) or `Padded` -> (B, width).

    The MLP sees, of each feature, the logarithm of its amplitude at `bins` frequencies up to `highest` cycles per step,
    its course as the means of `steps` equal parts, its mean, its deviation and its mean change from step to step. That
    needs no learning, so it holds where labels are few, for people whom no label covers. The output of a sequence does
    not depend on the padding that its batch brings. For motion sensors: at 50 Hz the default ends at 10 Hz.

    Args:
        in_features: F
        width: of the output
        layers: of the convolution
        hidden: its channels
        dropout: of both parts
        bins: frequencies of the spectrum
        highest: of them, in cycles per step
        steps: parts of the course

    >>> import torch
    >>> from crossdistill.encoders import Signal
    >>> Signal(in_features=3, width=8)(torch.randn(2, 50, 3)).shape
    torch.Size([2, 8])
    """

    mixes: bool = False
    """In the sum of two courses over time the stronger drowns the other."""

    def __init__(
        self,
        in_features: int,
        width: int,
        layers: int = 3,
        hidden: int = 32,
        dropout: float = 0.0,
        bins: int = 40,
        highest: float = 0.2,
        steps: int = 20,
    ) -> None:
        super().__init__()
        self.width, self.bins, self.highest, self.steps = width, bins, highest, steps
        self.convolution = Conv(in_features, width, layers, hidden, dropout)
        self.least_steps = self.convolution.least_steps
        self.summary = MLP(in_features * (bins + steps + 3), width, layers=2, hidden=width, dropout=dropout)

    def forward(self, x: Modality) -> Tensor:
        summary = self.summary(summaries(x, self.bins, self.highest, self.steps))
        return cast(Tensor, self.convolution(x) + summary)


def summaries(x: Modality, bins: int, highest: float, steps: int) -> Tensor:
    """(B, (bins + steps + 3) * F): spectrum, course, mean, deviation and mean change of each feature."""
    values, lengths = as_padded(x)
    mask = time_mask(lengths, values.shape[1])[:, :, None] if isinstance(x, Padded) else None
    values = _kept(values, mask)
    count = lengths.to(values.dtype)[:, None]
    mean = values.sum(dim=1) / count.clamp_min(1)
    centred = _kept(values - mean[:, None, :], mask)
    deviation = (centred.square().sum(dim=1) / count + _TINY).sqrt()
    change = _kept(values.diff(dim=1).abs(), None if mask is None else mask[:, 1:]).sum(dim=1)
    change = change / (count - 1).clamp_min(1)
    amplitude = _amplitudes(centred, bins, highest) * (2 / count.sqrt())[:, :, None]
    parts = [amplitude.log1p().flatten(1), _course(values, lengths, steps).flatten(1), mean, deviation, change]
    return torch.cat(parts, dim=1)


def _kept(values: Tensor, mask: Tensor | None) -> Tensor:
    """0 where the mask is False; without padding there is no mask, and nothing to pay for it."""
    return values if mask is None else torch.where(mask, values, 0.0)


def _amplitudes(centred: Tensor, bins: int, highest: float) -> Tensor:
    """(B, bins, F): |Σ_t x_t e^{-2πi f t}| at f = highest k / bins, k = 1 to bins, in cycles per step."""
    time = torch.arange(centred.shape[1], dtype=centred.dtype, device=centred.device)
    frequencies = torch.arange(1, bins + 1, dtype=centred.dtype, device=centred.device) * (highest / bins)
    angles = 2 * math.pi * frequencies[:, None] * time[None, :]
    waves = torch.cat([angles.cos(), angles.sin()])
    parts = torch.einsum("kt,btf->bkf", waves, centred).square()  # a product for each sample would take twice as long
    return (parts[:, :bins] + parts[:, bins:] + _TINY).sqrt()


def _course(values: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """(B, steps, F): the means of equal parts of each sequence, whose ends may fall inside a step."""
    sums = values.cumsum(dim=1)
    sums = torch.cat([torch.zeros_like(sums[:, :1]), sums], dim=1)
    ends = torch.arange(steps + 1, dtype=values.dtype, device=values.device) / steps * lengths[:, None]
    before = ends.floor().long()
    after = torch.minimum(before + 1, lengths[:, None])
    inside = (ends - before)[:, :, None]
    until = _steps_of(sums, before) * (1 - inside) + _steps_of(sums, after) * inside
    return until.diff(dim=1) * (steps / lengths.to(values.dtype))[:, None, None]


def _steps_of(values: Tensor, places: Tensor) -> Tensor:
    """(B, n, F): each sequence's values at its own n places, (B, n)."""
    return values.gather(1, places[:, :, None].expand(-1, -1, values.shape[2]))
