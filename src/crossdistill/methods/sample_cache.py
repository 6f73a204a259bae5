"""Values computed once for each training sample, and kept for as long as what they are computed from stays the same."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossdistill.methods.memory import places_among
from crossdistill.types import TrainingSamples

_PROBES = 4
"""Projections by which a sample's vector is told from the one that it had: four numbers in place of hundreds."""


class SampleCache(nn.Module):
    """A value for each training sample, kept with the vector that it was made from: where that has changed by more than
    rounding (another crop, dropout), the value is unknown again.

    It is a part of the state, since rounding depends on the other samples of the batch in which a value was made.
    width: of the vectors; shape: of a value
    """

    rows: Int[Tensor, " samples"]
    values: Tensor
    probes: Float[Tensor, "samples probes"]
    directions: Float[Tensor, "width probes"]

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        directions = torch.randn(width, _PROBES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("rows", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("values", torch.zeros(0, *shape))
        self.register_buffer("probes", torch.zeros(0, _PROBES))

    def prepare(self, samples: TrainingSamples) -> None:
        """Makes room for these samples; nothing of them is known."""
        self.rows = samples.rows.to(self.rows)
        self.values = self.values.new_zeros(len(samples.rows), *self.values.shape[1:])
        self.probes = self.probes.new_full((len(samples.rows), _PROBES), torch.inf)

    def look_up(
        self, rows: Int[Tensor, " batch"], vectors: Float[Tensor, "batch width"]
    ) -> tuple[Tensor, Bool[Tensor, " batch"]]:
        """The values of these rows (B, ...), and which of them are known."""
        if not len(self.rows):
            return self.values.new_zeros(len(rows), *self.values.shape[1:]), torch.zeros_like(rows, dtype=torch.bool)
        places, there = places_among(self.rows, rows)
        rounding = 1e-5 * torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        same = (self.probes[places] - vectors @ self.directions).abs() <= rounding
        return self.values[places], there & same.all(dim=1)

    def store(self, rows: Int[Tensor, " batch"], vectors: Float[Tensor, "batch width"], values: Tensor) -> None:
        if len(self.rows):
            places, there = places_among(self.rows, rows)
            self.values[places[there]] = values[there]
            self.probes[places[there]] = (vectors @ self.directions)[there]
