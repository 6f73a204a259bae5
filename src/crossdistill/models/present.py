"""Encoding a batch in which some samples lack the modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

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
    """Features of nobody: functions of the encoder's parameters, as others' are, that give them no gradient."""
    real = [tensor.dtype for tensor in (*encoder.parameters(), values_of(x)) if tensor.is_floating_point()]
    zeros = torch.zeros(
        count, cast(Encoder, encoder).width, device=values_of(x).device, dtype=real[0] if real else torch.float32
    )
    features: Tensor = _Nobody.apply(zeros, *encoder.parameters())  # type: ignore[no-untyped-call]
    return features


class _Nobody(torch.autograd.Function):
    """Zeros. What other ranks' samples, or other chunks', have of gradients is none of theirs."""

    @staticmethod
    def forward(ctx: Any, zeros: Tensor, *parameters: Tensor) -> Tensor:
        return zeros.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)
