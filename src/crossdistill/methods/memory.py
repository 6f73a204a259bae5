"""What contrastive methods remember of the training samples: a vector of each, and which are whose negatives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossdistill.losses.cosine import unit_rows
from crossdistill.methods.once import Once
from crossdistill.types import EVERYTHING, Batch, Share, TrainingSamples, copied_to, is_labelled


def places_among(
    known: Int[Tensor, " samples"], rows: Int[Tensor, " batch"]
) -> tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """The place of each row among the `known` ones, and whether it is one of them.

    known: (n,) the training samples' rows, ascending, at least one
    """
    places = torch.searchsorted(known, rows).clamp_max(len(known) - 1)
    return places, known[places] == rows


class MemoryBank(nn.Module):
    """A unit vector v for each training sample, moved towards each new one u of it: v ← (m v + (1 - m) u) / ‖·‖.

    Starts as random unit vectors (Wu et al., CVPR 2018, Section 3.2). Gradients never reach it.
    momentum: m, in [0, 1). Raises ValueError outside it.
    """

    vectors: Float[Tensor, "samples width"]

    def __init__(self, width: int, momentum: float = 0.5) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"expected momentum in [0, 1), got {momentum}")
        self.momentum = momentum
        self.register_buffer("vectors", torch.zeros(0, width))

    def prepare(self, samples: TrainingSamples) -> None:
        """Makes a random unit vector for each sample."""
        start = torch.randn(len(samples.rows), self.vectors.shape[1])
        self.vectors = unit_rows(start).to(self.vectors)

    @torch.no_grad()
    def update(self, positions: Int[Tensor, " batch"], vectors: Float[Tensor, "batch width"]) -> None:
        """Move the bank's vectors at `positions` (B,) towards new `vectors` (B, width), of any length; one that comes
        several times moves once for each, in the batch's order. Positions on the CPU spare waits for the bank's device.
        """
        now, device = unit_rows(vectors.to(self.vectors)), self.vectors.device
        earlier = _times_before(positions)
        for times in range(int(earlier.max()) + 1):  # written at once, a GPU would keep any of them, each rank another
            of_batch = (earlier == times).nonzero().squeeze(1)
            rows, places = copied_to(of_batch, device), copied_to(positions[of_batch], device)
            self.vectors[places] = unit_rows(self.momentum * self.vectors[places] + (1 - self.momentum) * now[rows])


def _times_before(values: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """How often each value occurs before its own place."""
    order = values.argsort(stable=True)
    ordered = values[order]
    times = torch.arange(len(values), device=values.device) - torch.searchsorted(ordered, ordered)
    return torch.empty_like(order).scatter_(0, order, times)


class Negatives(NamedTuple):
    """The candidates for negatives that a batch shares.

    positions: (K',) their places in the banks; allowed: (B, K'), for each anchor which of them are its negatives
    """

    positions: Int[Tensor, " candidates"]
    allowed: Bool[Tensor, "batch candidates"]


class NegativeSampler(nn.Module):
    """Chooses `count` negatives for each anchor, without replacement, or all there are where they are fewer.

    A batch shares one random order of the training samples, and each anchor takes the first `count` of it that may be
    its negatives: for an anchor by itself a uniform draw, and every score comes from one matrix product. The order
    depends on a seed and on the number of steps taken, both part of the state, and on nothing else: not on the order
    of the batch, nor on how often one asks. It is the same on every rank.

    other_classes: negatives are samples of other classes than the anchor's, and a sample without a label is a class of
    its own; False: all other samples.
    Raises ValueError when count < 1.
    """

    labels: Int[Tensor, " samples"]

    def __init__(self, count: int, other_classes: bool) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"expected at least 1 negative, got {count}")
        self.count, self.other_classes, self.never_allowed = count, other_classes, 1
        self.rows = torch.zeros(0, dtype=torch.int64)  # no buffer: they stay on the CPU
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.seed = self.steps = 0
        self._positions = Once[Tensor]()

    def prepare(self, samples: TrainingSamples) -> None:
        """Takes the training samples, and a seed from the global random state."""
        self.rows, self.labels = samples.rows.to(self.rows), samples.labels.to(self.labels)
        self._positions = Once()
        known = self.labels[self.labels >= 0]
        largest_class = int(known.bincount().max()) if self.other_classes and len(known) else 0
        self.never_allowed = largest_class + 1  # at most: the anchor's class and the anchor's own place
        self.seed = int(torch.randint(2**62, ()))

    def get_extra_state(self) -> Tensor:
        """Seed and number of steps, which are no buffers: reading them would wait for the device."""
        return torch.tensor([self.seed, self.steps])

    def set_extra_state(self, state: Tensor) -> None:
        self.seed, self.steps = state.tolist()

    @property
    def takes_all(self) -> bool:
        """Whether the candidates are all training samples, in their order."""
        return self.count >= len(self.rows)

    def positions(self, rows: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """(B,) where the data set's rows are in the banks, on the CPU. Raises ValueError for one that is no training
        sample.

        Rows on another device are waited for, but once a step only.
        """
        return self._positions.of(rows, lambda: self._found(rows.cpu()))

    def _found(self, rows: Tensor) -> Tensor:
        if len(self.rows):
            places, there = places_among(self.rows, rows)
            if bool(there.all()):
                return places
        raise ValueError("expected rows of the training samples that the method was prepared with")

    def draw(self, batch: Batch, share: Share = EVERYTHING) -> Negatives:
        """This step's negatives of a share of a batch; the next step's differ. An anchor's class is the batch's."""
        everything = self.takes_all
        places = self._all() if everything else self._order(self.count + self.never_allowed)
        own = copied_to(share.take(self.positions(batch.rows)), self.labels.device)
        allowed = places[None, :] != own[:, None]
        if self.other_classes:
            labels = share.take(batch.labels)
            same_class = self.labels[places][None, :] == labels[:, None]
            allowed &= ~(same_class & is_labelled(labels)[:, None])
        if not everything:
            allowed &= allowed.cumsum(dim=1) <= self.count
        return Negatives(places, allowed)

    def end_step(self) -> None:
        self.steps += 1

    def _all(self) -> Tensor:
        return torch.arange(len(self.rows), device=self.labels.device)

    def _order(self, count: int) -> Tensor:
        """The first of a permutation of the samples, drawn on the CPU so that it is the same on every device."""
        generator = torch.Generator().manual_seed(self.seed + self.steps)
        return copied_to(torch.randperm(len(self.rows), generator=generator)[:count], self.labels.device)
