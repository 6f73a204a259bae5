"""What encoders of sequences share: lengths, masks and averages that do not see the padding."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossdistill.types import Modality, Padded


def as_padded(x: Modality) -> Padded:
    """A plain (B, T, F) tensor is a batch of sequences of full length. Raises ValueError on any other shape."""
    if isinstance(x, Padded):
        return x
    if x.ndim != 3:
        raise ValueError(f"expected sequences of shape (B, T, F), got {tuple(x.shape)}")
    return Padded(x, torch.full((x.shape[0],), x.shape[1], dtype=torch.int64, device=x.device))


def time_mask(lengths: Int[Tensor, " batch"], time: int) -> Bool[Tensor, "batch time"]:
    """True at the steps that belong to a sequence, False at its padding."""
    return torch.arange(time, device=lengths.device)[None, :] < lengths[:, None]


def masked_mean(x: Float[Tensor, "batch time features"], mask: Bool[Tensor, "batch time"]) -> Tensor:
    """(B, F): the mean over each sequence's own steps."""
    return torch.where(mask[:, :, None], x, 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp_min(1)


def masked_max(x: Float[Tensor, "batch time features"], mask: Bool[Tensor, "batch time"]) -> Tensor:
    """(B, F): the maximum over each sequence's own steps."""
    return x.masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)


def centred(x: Padded) -> Padded:
    """Each sequence less its own mean over time (padding becomes 0): what a sensor, a speaker or a face always has."""
    mask = time_mask(x.lengths, x.values.shape[1])
    mean = masked_mean(x.values, mask)[:, None, :]
    return Padded(torch.where(mask[:, :, None], x.values - mean, 0.0), x.lengths)


def resampled(x: Padded, steps: int) -> Float[Tensor, "batch steps features"]:
    """Each sequence linearly interpolated at `steps` points, evenly from its first step to its last."""
    fractions = torch.linspace(0, 1, steps, dtype=x.values.dtype, device=x.values.device)
    positions = (x.lengths[:, None] - 1) * fractions[None, :]
    before = positions.floor().long()
    after = torch.minimum(before + 1, x.lengths[:, None] - 1)
    weight = (positions - before)[:, :, None]
    rows = torch.arange(x.values.shape[0], device=x.values.device)[:, None]
    return x.values[rows, before] * (1 - weight) + x.values[rows, after] * weight
