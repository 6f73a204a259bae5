"""Noise contrast of two representations of a sample over memory banks: what CRD and CMC have in common."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossdistill.losses.checks import full_precision, require_one_of, require_temperature, without_autocast
from crossdistill.losses.cosine import unit_rows
from crossdistill.losses.noise_contrastive import loss_of_scores, normalizer_of_scores
from crossdistill.methods.memory import MemoryBank, Negatives, NegativeSampler
from crossdistill.types import EVERYTHING, Batch, Share, TrainingSamples, copied_to

Normalization = Literal["first_batch", "none"]


class Scores(NamedTuple):
    """cos/τ of one side's anchors with their positives on the other side, and with its candidates."""

    positive: Float[Tensor, " batch"]
    negative: Float[Tensor, "batch candidates"]
    allowed: Bool[Tensor, "batch candidates"]
    samples: int


class NoiseContrast(nn.Module):
    """Linear embeddings of two representations, a memory bank of each, and the noise-contrastive loss both ways.

    Anchors of the one side meet the other side's bank: its vector of the same sample, and those of the negatives.
    Evaluating changes nothing; `end_step` moves the banks, fixes the normalisation constants in the first step, and
    lets the next step draw other negatives.

    width: D of the representations; embedding: the embeddings' width; negatives: K, for each anchor;
    other_classes: whether negatives are of other classes only, or any other sample;
    normalization: "first_batch" for Z of the first batch, or "none" for Z = 1.
    Raises ValueError when K < 1, embedding < 1, τ is not above 0 and finite, or momentum is not in [0, 1).
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
        require_temperature(temperature)
        require_one_of("normalization", normalization, get_args(Normalization))
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
        share = EVERYTHING if self._is_first_step else batch.share()  # whose constants are of the whole batch
        directions = self._directions(first, second, batch, share)
        constants = self._normalizers(directions)
        losses = [loss_of_scores(*scores, constant) for scores, constant in zip(directions, constants, strict=True)]
        return share.weight * (losses[0] + losses[1])

    @torch.no_grad()
    def end_step(self, first: Tensor, second: Tensor, batch: Batch) -> None:
        """Move the banks' vectors, once after each step, with the global batch."""
        if self._is_first_step:
            self.log_normalizers.copy_(self._normalizers(self._directions(first, second, batch, EVERYTHING)))
        positions = self.sampler.positions(batch.rows)
        self.bank_first.update(positions, self.embed_first(first))
        self.bank_second.update(positions, self.embed_second(second))
        self.sampler.end_step()

    def _directions(self, first: Tensor, second: Tensor, batch: Batch, share: Share) -> tuple[Scores, Scores]:
        positions = copied_to(share.take(self.sampler.positions(batch.rows)), first.device)
        negatives = self.sampler.draw(batch, share)
        one, other = self.embed_first(share.take(first)), self.embed_second(share.take(second))
        return (
            self._scores(one, self.bank_second, positions, negatives),
            self._scores(other, self.bank_first, positions, negatives),
        )

    def _scores(self, anchors: Tensor, bank: MemoryBank, positions: Tensor, negatives: Negatives) -> Scores:
        """A bank's vectors are of length 1. Where all of them are candidates, the anchor's positive is one of them."""
        places, allowed = negatives
        anchors = unit_rows(full_precision(anchors)) / self.temperature
        whole = self.sampler.takes_all
        with without_autocast(anchors):
            negative = anchors @ (bank.vectors if whole else bank.vectors[places]).T
        if whole:
            positive = negative.gather(1, positions[:, None]).squeeze(1)
        else:
            positive = (anchors * bank.vectors[positions]).sum(dim=1)
        return Scores(positive, negative, allowed, len(self.sampler.rows))

    def _normalizers(self, directions: tuple[Scores, Scores]) -> Tensor:
        """Log Z (2,) of each direction: that of the first step, or, as long as that lasts, of the batch itself."""
        if self.normalization == "none" or not self._is_first_step:
            return self.log_normalizers
        with torch.no_grad():
            return torch.stack([normalizer_of_scores(*scores) for scores in directions])

    @property
    def _is_first_step(self) -> bool:
        return self.sampler.steps == 0
