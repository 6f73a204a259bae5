"""Batches in which nobody has a modality."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossdistill.encoders import MLP, Features
from crossdistill.models.present import encode_present


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("encoder", [MLP(4, 8), MLP(4, 8).requires_grad_(False), Features(4)], ids=str)
def test_features_of_nobody_are_in_the_encoder_s_own_precision(encoder: nn.Module, dtype: torch.dtype) -> None:
    """As those of somebody are: what takes them has one dtype."""
    encoder.to(dtype)
    x = {"eye": torch.randn(3, 4, dtype=dtype)}
    nobody = encode_present(nn.ModuleDict({"eye": encoder}), "eye", x, {"eye": torch.zeros(3, dtype=torch.bool)})
    somebody = encode_present(nn.ModuleDict({"eye": encoder}), "eye", x, {})
    assert (nobody.dtype, nobody.shape) == (somebody.dtype, somebody.shape) == (dtype, (3, encoder.width))
    assert not nobody.any()
