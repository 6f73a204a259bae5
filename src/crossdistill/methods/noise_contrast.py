"""Noise contrast of two representations of a sample over memory banks: what CRD and CMC have in common."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossdistill.losses import noise_contrastive_loss, noise_contrastive_normalizer
from crossdistill.methods.memory import MemoryBank, NegativeSampler
from crossdistill.types import Batch, TrainingSamples

Normalization = Literal["first_batch", "none"]


class Direction(NamedTuple):
    """One side's anchors and what they meet of the other side: the losses' arguments."""

    anchors: Float[Tensor, "batch width"]
    positives: Float[Tensor, "batch width"]
    negatives: Float[Tensor, "candidates width"]
    allowed: Bool[Tensor, "batch candidates"]
    samples: int


class NoiseContrast(nn.Module):
    """Linear embeddings of two representations, a memory bank of each, and the noise-contrastive loss both ways.

    Anchors of the one side meet the other side's bank: its vector of the same sample, and those of the negatives.
    Evaluating changes nothing; `end_step` moves the banks, fixes the normalisation constants in the first step, and
    makes the next step's negatives others.

    width: D of the representations; embedding: the embeddings' width; negatives: K, for each anchor;
    other_classes: whether negatives are of other classes only, or any other sample;
    normalization: "first_batch" for Z of the first batch, or "none" for Z = 1.
    Raises ValueError when K < 1, embedding < 1, τ <= 0 or momentum is not in [0, 1).
    """

    log_normalizers: Tensor

    def __init__(
        self,
        width: int,
        embedding: int,
        negatives: int,
        other_classes: bool,
        temperature: float,
        momentum: float,
        normalization: Normalization,
    ) -> None:
        super().__init__()
        if embedding < 1:
            raise ValueError(f"expected an embedding of at least 1 dimension, got {embedding}")
        if not temperature > 0:
            raise ValueError(f"expected temperature above 0, got {temperature}")
        if normalization not in ("first_batch", "none"):
            raise ValueError(f"expected normalization 'first_batch' or 'none', got {normalization!r}")
        self.temperature, self.normalization = temperature, normalization
        self.embed_first, self.embed_second = nn.Linear(width, embedding), nn.Linear(width, embedding)
        self.bank_first, self.bank_second = MemoryBank(embedding, momentum), MemoryBank(embedding, momentum)
        self.sampler = NegativeSampler(negatives, other_classes)
        self.register_buffer("log_normalizers", torch.zeros(2))

    def prepare(self, samples: TrainingSamples) -> None:
        for part in (self.bank_first, self.bank_second, self.sampler):
            part.prepare(samples)

    def forward(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """The loss of both directions, added up. first, second: (B, D)."""
        directions = self._directions(first, second, batch)
        constants = self._normalizers(directions)
        losses = [
            noise_contrastive_loss(*direction, log_normalizer=constant, temperature=self.temperature)
            for direction, constant in zip(directions, constants, strict=True)
        ]
        return losses[0] + losses[1]

    @torch.no_grad()
    def end_step(self, first: Tensor, second: Tensor, batch: Batch) -> None:
        """Move the banks' vectors, once after each step, with the global batch."""
        if self._is_first_step():
            self.log_normalizers.copy_(self._normalizers(self._directions(first, second, batch)))
        positions = self.sampler.positions(batch.rows)
        self.bank_first.update(positions, self.embed_first(first))
        self.bank_second.update(positions, self.embed_second(second))
        self.sampler.end_step()

    def _directions(self, first: Tensor, second: Tensor, batch: Batch) -> tuple[Direction, Direction]:
        positions, (places, allowed) = self.sampler.positions(batch.rows), self.sampler.draw(batch)
        one, other = self.embed_first(first), self.embed_second(second)
        samples = len(self.sampler.rows)
        return (
            Direction(one, self.bank_second.vectors[positions], self.bank_second.vectors[places], allowed, samples),
            Direction(other, self.bank_first.vectors[positions], self.bank_first.vectors[places], allowed, samples),
        )

    def _normalizers(self, directions: tuple[Direction, Direction]) -> Tensor:
        """Log Z (2,) of each direction: that of the first step, or, as long as that lasts, of the batch itself."""
        if self.normalization == "none" or not self._is_first_step():
            return self.log_normalizers
        estimates = [noise_contrastive_normalizer(*direction, temperature=self.temperature) for direction in directions]
        return torch.stack(estimates)

    def _is_first_step(self) -> bool:
        return int(self.sampler.steps) == 0
