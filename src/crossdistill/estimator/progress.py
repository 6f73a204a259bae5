"""What is kept and heard while an estimator trains: the epochs' records, and printed lines."""

from __future__ import annotations

from types import MappingProxyType

from crossdistill.listening import Listener, Values
from crossdistill.runs.measure import logged_scores
from crossdistill.runs.training_log import MemoryLog
from crossdistill.training import Record

_LOSS = "training/loss/"
_ON_LABELS = ("classification", "regression")
"""How the names of losses on labels begin."""


class EstimatorLog(MemoryLog):
    """Tells a listener of each epoch."""

    def __init__(self, task: str, listener: Listener) -> None:
        super().__init__()
        self.task, self.listener = task, listener

    def write(self, record: Record) -> None:
        super().write(record)
        self.listener.step(self.task, record)


class Lines(Listener):
    """Prints about ten lines for a task, or, where asked for all, one for each epoch."""

    def __init__(self, every_epoch: bool) -> None:
        self.every_epoch, self.done, self.total = every_epoch, 0, 1

    def begin(self, task: str, total: int) -> None:
        self.done, self.total = 0, total
        print(f"{task}: {total} epochs")

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        self.done += 1
        if self.every_epoch or self.done * 10 // self.total > (self.done - 1) * 10 // self.total:
            named = next((name for name in _ON_LABELS if any(key.startswith(_LOSS + name) for key in values)), "")
            losses = sum(float(value) for key, value in values.items() if key.startswith(_LOSS + named))
            found = logged_scores(values).get("student")
            score = f", validation {found[0].shown(found[1])}" if found is not None else ""
            print(f"{values['stage']} epoch {int(values['epoch']) + 1}: {named} loss {losses:.4f}{score}")
