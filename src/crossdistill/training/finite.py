"""Losses that are no numbers any more: seen within some steps, and said where that began."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crossdistill.training.distributed import gather_objects, mean_over_ranks
from crossdistill.training.engine import Engine
from crossdistill.types import DivergedError

LOOKED_AT = 50
"""Steps after which losses are looked at, for which a look waits for the device."""


class _Step(NamedTuple):
    """A step's number in its epoch, counted from 1, the data set's rows in this rank's batch, and its losses."""

    number: int
    rows: Tensor
    losses: Mapping[str, Tensor]


class _Broken(NamedTuple):
    """The first loss that is not finite, and this rank's rows of that step."""

    step: int
    loss: str
    value: float
    rows: list[int]


class LossWatch:
    """Keeps the losses of the steps since the last look, and says of which step one is not finite.

    called: how a message calls the samples in these rows of the data set
    """

    def __init__(self, engine: Engine, stage: str, called: Callable[[Sequence[int]], str]) -> None:
        self._engine, self._stage, self._called = engine, stage, called
        self._steps: list[_Step] = []

    def add(self, number: int, rows: Tensor, losses: Mapping[str, Tensor]) -> None:
        self._steps.append(_Step(number, rows, {name: loss.detach() for name, loss in losses.items()}))

    def look(self, epoch: int) -> None:
        """Forget the steps. Raises DivergedError, on all ranks, where a loss of one of them is not finite: nothing that
        follows it would mean anything."""
        broken, self._steps = self._first_broken(), []
        found = torch.tensor(float(broken is not None), device=self._engine.device)
        if not float(mean_over_ranks(self._engine, {"found": found})["found"]):
            return
        first = min(each for each in gather_objects(self._engine, broken) if each is not None)
        raise DivergedError(
            f"{self._stage}, epoch {epoch}, step {first.step}: loss {first.loss} became {first.value}, of a batch with "
            f"{self._called(first.rows)}; lower optimization.learning_rate or the method's weights, or set "
            "optimization.clip_norm"
        )

    def _first_broken(self) -> _Broken | None:
        losses = [(step, name, loss) for step in self._steps for name, loss in step.losses.items()]
        if not losses:
            return None
        values = torch.stack([loss.double() for _, _, loss in losses]).tolist()
        for (step, name, _), value in zip(losses, values, strict=True):
            if not math.isfinite(value):
                return _Broken(step.number, name, value, step.rows.tolist())
        return None
