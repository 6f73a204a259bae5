"""Ready-made feature vectors, used as they are."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from crossdistill.types import Modality


@dataclass(frozen=True)
class FeaturesSettings:
    """No settings: the encoder hands standardised vectors on unchanged."""

    def check(self, place: str) -> None:
        """There is no number to check."""


class Features(nn.Module):
    """The output of a frozen, pre-trained extractor: (B, F) in, the same (B, F) out; no parameters.

    For vectors that `crossdistill extract` or somebody else's network has computed. In a model they are standardised
    before, as all arrays are (`Standardized`, `model.input_bound`).

    Args:
        in_features: F

    Raises:
        ValueError: sequences.

    >>> import torch
    >>> from crossdistill.encoders import Features
    >>> vectors = torch.randn(2, 512)
    >>> torch.equal(Features(512)(vectors), vectors)
    True
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.width = in_features

    def forward(self, x: Modality) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 2:
            raise ValueError("expected feature vectors of shape (B, F); encode sequences with 'conv' or 'rnn'")
        return x
