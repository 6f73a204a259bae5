"""Sequences of different length and the batches they make."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crossdistill.types import Padded


def sequences(lengths: Sequence[int], features: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, features, generator=generator) for length in lengths]


def padded(alone: Sequence[Tensor], more: int = 0, garbage: float = 0.0) -> Padded:
    """The sequences in one batch, with `more` steps of padding than the longest needs, filled with `garbage`."""
    longest = max(map(len, alone)) + more
    values = torch.full((len(alone), longest, alone[0].shape[1]), garbage, dtype=alone[0].dtype)
    for row, sequence in enumerate(alone):
        values[row, : len(sequence)] = sequence
    return Padded(values, torch.tensor([len(sequence) for sequence in alone]))
