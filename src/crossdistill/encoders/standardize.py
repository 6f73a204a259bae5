"""Inputs in standard units, inside the model, so that a shipped student takes raw inputs."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossdistill.encoders.sequences import as_padded, centred, time_mask
from crossdistill.types import Modality, Padded


class Encoder(Protocol):
    """Any module with `width` that turns a modality, (B, ...) or `Padded`, into (B, width).

    What a class of your own must offer; `crossdistill.testing.check_encoder` tells whether it does. One that shortens
    sequences has `least_steps` too, of which enough are left for every layer to see two: an exported graph pads shorter
    ones to so many (2 unless it says more).

    >>> import torch
    >>> from crossdistill.encoders import Encoder, Standardized
    >>> class MeanOverTime(torch.nn.Module):
    ...     def __init__(self, features):
    ...         super().__init__()
    ...         self.width = features
    ...     def forward(self, x):
    ...         return x.mean(dim=1)
    >>> encoder: Encoder = MeanOverTime(3)
    >>> Standardized(encoder, torch.zeros(3), torch.ones(3))(torch.randn(2, 5, 3)).shape
    torch.Size([2, 3])
    """

    width: int

    def __call__(self, x: Modality) -> Tensor: ...


class Standardized(nn.Module):
    """`encoder` on (x - mean) / std, computed per feature (the last axis, or `axis`); features without spread become 0.

    Runs put it around the encoders of arrays by themselves; a model of your own needs it where inputs have units. A
    feature that hardly varies in training can be hundreds of deviations away in a new sample, and one such feature
    outvotes all others: `bound` is for that.

    Args:
        encoder: what takes the standardised values
        mean: (F,) of the training samples, kept as a buffer
        std: (F,) their deviation, likewise
        center: first subtract each sequence's own mean over time (mean and std are then those of centred sequences)
        bound: standard units beyond ±bound become ±bound, 0 for no bound
        axis: that of the features, counted from the end: -3 for the colours of (C, H, W)

    >>> import torch
    >>> from crossdistill.encoders import Features, Standardized
    >>> grams = torch.tensor([[1000.0, 5.0], [3000.0, 5.0]])
    >>> Standardized(Features(2), mean=grams.mean(0), std=grams.std(0, correction=0))(grams)
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    >>> Standardized(Features(2), grams.mean(0), torch.ones(2), bound=4.0)(grams)
    tensor([[-4.,  0.],
            [ 4.,  0.]])
    """

    mean: Tensor
    inverse_std: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        mean: Float[Tensor, " features"],
        std: Float[Tensor, " features"],
        center: bool = False,
        bound: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = int(cast(Encoder, encoder).width)
        self.center, self.bound, self.axis = center, bound, axis
        self.along = (-1, *[1] * (-1 - axis))  # one number a feature, for all that comes after its axis
        self.register_buffer("mean", torch.zeros(len(mean)))
        self.register_buffer("inverse_std", torch.ones(len(mean)))
        self.set_statistics(mean, std)

    def set_statistics(self, mean: Float[Tensor, " features"], std: Float[Tensor, " features"]) -> None:
        """Standardise by this mean and deviation from now on.

        Args:
            mean: (F,) of each feature
            std: (F,) deviation; a feature that does not vary becomes 0
        """
        spread = std > 1e-7 * mean.abs()  # less is the rounding of float32, whatever the unit
        spread &= std >= torch.finfo(torch.float32).tiny  # 1 / std of less would be infinite
        self.mean.copy_(mean)
        self.inverse_std.copy_(torch.where(spread, 1 / torch.where(spread, std, 1.0), 0.0))

    def forward(self, x: Modality) -> Tensor:
        if self.center:
            x = centred_like(x)
        if isinstance(x, Padded):
            mask = time_mask(x.lengths, x.values.shape[1])[:, :, None]
            return cast(Tensor, self.encoder(Padded(torch.where(mask, self._scale(x.values), 0.0), x.lengths)))
        return cast(Tensor, self.encoder(self._scale(x)))

    def _scale(self, x: Tensor) -> Tensor:
        if x.ndim < -self.axis or x.shape[self.axis] != self.mean.shape[0]:
            which = "the last axis" if self.axis == -1 else f"axis {self.axis}"
            raise ValueError(f"expected {self.mean.shape[0]} features along {which}, got shape {tuple(x.shape)}")
        units = (x - self.mean.view(self.along)) * self.inverse_std.view(self.along)
        return units.clamp(-self.bound, self.bound) if self.bound > 0 else units


def unstandardized(encoder: nn.Module) -> nn.Module:
    """The encoder itself, where it may stand in a `Standardized`; what one of somebody's own holds is its affair."""
    return encoder.encoder if isinstance(encoder, Standardized) else encoder


def centred_like(x: Modality) -> Modality:
    """Sequences less their own means; a plain tensor stays one."""
    out = centred(as_padded(x))
    return out if isinstance(x, Padded) else out.values
