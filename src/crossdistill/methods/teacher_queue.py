"""What CRCD remembers of the latest training samples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossdistill.types import UNLABELLED, is_labelled


class Elements(NamedTuple):
    """What the relations of n samples are made of: features, (n, D), and gradients, (n, D)."""

    features: Float[Tensor, "samples width"]
    gradients: Float[Tensor, "samples width"]


class TeacherQueue(nn.Module):
    """The teacher's elements of the latest `size` training samples, the latest first; an empty place is `UNLABELLED`.

    Raises ValueError when size < 1.
    """

    features: Float[Tensor, "size width"]
    gradients: Float[Tensor, "size width"]
    labels: Int[Tensor, " size"]

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"expected a queue of at least 1 sample, got {size}")
        self.size = size
        self.register_buffer("features", torch.zeros(size, width))
        self.register_buffer("gradients", torch.zeros(size, width))
        self.register_buffer("labels", torch.full((size,), UNLABELLED))

    def candidates(
        self, elements: Elements, labels: Int[Tensor, " batch"]
    ) -> tuple[Elements, Bool[Tensor, "batch candidates"]]:
        """A batch's elements followed by the remembered ones, and for each sample of the batch which of all these are
        of another class.

        As many as the queue holds, or the batch itself where that is larger.
        """
        size = max(self.size, len(labels))
        features = torch.cat([elements.features, self.features])[:size]
        gradients = torch.cat([elements.gradients, self.gradients])[:size]
        candidates = torch.cat([labels, self.labels])[:size]
        return Elements(features, gradients), (candidates != labels[:, None]) & is_labelled(candidates)

    @torch.no_grad()
    def push(self, elements: Elements, labels: Int[Tensor, " batch"]) -> None:
        """Remembers a batch; the oldest samples beyond `size` are forgotten."""
        self.features.copy_(torch.cat([elements.features, self.features])[: self.size])
        self.gradients.copy_(torch.cat([elements.gradients, self.gradients])[: self.size])
        self.labels.copy_(torch.cat([labels, self.labels])[: self.size])
