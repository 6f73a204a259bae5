"""Encoding a batch in which some samples lack the modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from crossdistill.encoders import Encoder
from crossdistill.models.grouped import encode, select
from crossdistill.types import Modality, ModalityTensors, values_of


def encode_present(
    encoders: nn.ModuleDict, name: str, modalities: ModalityTensors, present: Mapping[str, Tensor]
) -> Tensor:
    """(B, width) features of a modality; 0 for samples that lack it, which the encoder does not see.

    Batch statistics, and whatever else an encoder does across samples, are thus those of real samples alone.
    """
    encoder, x = encoders[name], modalities[name]
    if name not in present or bool(present[name].all()):
        return encode(encoder, x)
    rows = present[name].nonzero().squeeze(1)
    if len(rows) == 0:
        return _zeros(encoder, len(present[name]), x)
    rows = rows.to(values_of(x).device)
    encoded = encode(encoder, select(x, rows))
    return encoded.new_zeros(len(present[name]), encoded.shape[1]).index_copy(0, rows, encoded)


def _zeros(encoder: nn.Module, count: int, x: Modality) -> Tensor:
    """Features of nobody, with gradients that are 0 and not absent: with several ranks, each must take part in the same
    sums although its own samples may all lack the modality."""
    nothing = [p.flatten()[:0].sum() for p in encoder.parameters() if p.requires_grad]
    real = [tensor.dtype for tensor in (*encoder.parameters(), values_of(x)) if tensor.is_floating_point()]
    kind = real[0] if real else torch.float32
    zeros = torch.zeros(count, cast(Encoder, encoder).width, device=values_of(x).device, dtype=kind)
    return zeros + torch.stack(nothing).sum() if nothing else zeros
