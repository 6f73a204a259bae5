"""The latest embeddings of a teacher, first in, first out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class EmbeddingQueue(nn.Module):
    """Embeddings (D,) of the latest `size` samples, the latest first; empty at the start.

    Raises ValueError when size < 1.
    """

    vectors: Float[Tensor, "size width"]
    filled: Int[Tensor, ""]

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"expected a queue of at least 1 sample, got {size}")
        self.size = size
        self.register_buffer("vectors", torch.zeros(size, width))
        self.register_buffer("filled", torch.tensor(0))

    def extended(self, embeddings: Float[Tensor, "batch width"]) -> Float[Tensor, "samples width"]:
        """A batch's embeddings followed by those that are remembered."""
        return torch.cat([embeddings, self.vectors[: int(self.filled)].to(embeddings)])

    @torch.no_grad()
    def push(self, embeddings: Float[Tensor, "batch width"]) -> None:
        """Remembers a batch; the oldest beyond `size` are forgotten."""
        latest = self.extended(embeddings)[: self.size]
        self.vectors[: len(latest)] = latest.to(self.vectors)
        self.filled.fill_(len(latest))
