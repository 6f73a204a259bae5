"""The model of the epoch that was best on validation samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from crossdistill.methods import Method, judged_view
from crossdistill.runs.measure import score_key
from crossdistill.training import Record
from crossdistill.training.engine import Engine
from crossdistill.types import NAMES, InputError


class BestEpoch:
    """The best epoch so far of those that were measured, and the model as it was then, on the model's device.

    Epochs of the method's first stages or its warm-up are not among them, where others follow: a student of those is
    not yet the method's.
    Best by the task's headline measure of the view that the method is for. Of epochs that are equally good the last
    is kept: validation samples are few, so ties are many, and the learning rate is lowest at the end.

    epochs: that the method trains for; stored: what an earlier one's `stored` gave, from a checkpoint; empty for a new
    training.
    """

    def __init__(self, method: Method, epochs: int, stored: Mapping[str, Any]) -> None:
        view = judged_view(method)
        self._first = method.first_epochs if method.first_epochs < epochs else 0
        self._measure = score_key(NAMES[view], method.task.kind)
        known = stored if int(stored.get("epoch", -1)) >= self._first else {}
        self.epoch = int(known.get("epoch", -1))
        self.score = float(known.get("score", -math.inf))
        self._model: Mapping[str, Tensor] = known.get("model", {})

    def consider(self, record: Record, model: nn.Module) -> None:
        """Keep the model if the epoch of the record is none worse than the best one; its state is copied."""
        epoch = int(record["epoch"])
        if epoch >= self._first and self._measure in record and float(record[self._measure]) >= self.score:
            self.epoch, self.score = epoch, float(record[self._measure])
            self._model = {key: value.detach().clone() for key, value in model.state_dict().items()}

    def stored(self) -> dict[str, Any]:
        """For a checkpoint; empty before the first epoch that was measured."""
        return {"epoch": self.epoch, "score": self.score, "model": dict(self._model)} if self._model else {}

    def put_back(self, engine: Engine, model: nn.Module) -> None:
        """Make the model what it was at the best epoch, which the first rank knows. Raises InputError where none was
        measured, as no validation sample has what the view reads."""
        own = {key: value.cpu() for key, value in self._model.items()} if engine.is_global_zero else {}
        state = engine.broadcast(own)
        if not state:
            raise InputError(
                "data.choose_epoch_on: no validation sample has the modalities that the method is measured with, or "
                "their labels are all alike, so that nothing can be measured"
            )
        model.load_state_dict(state)
