"""What is kept and heard while an estimator trains: the epochs' records, the best epoch's model, printed lines."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from crossdistill.runs.measure import TOP1
from crossdistill.runs.train import MemoryLog
from crossdistill.training import Checkpoint, Record
from crossdistill.types import Listener, Values

STUDENT_TOP1 = TOP1.format("student")


class EstimatorLog(MemoryLog):
    """Tells a listener of each epoch and, where validation samples are measured, keeps the model of the best one.

    stage: the method's own, the only one whose epochs can be best. Of epochs that are equally good the last is kept:
    validation samples are few, so ties are many, and the learning rate is lowest at the end.
    """

    def __init__(self, task: str, stage: str, listener: Listener) -> None:
        super().__init__()
        self.task, self.stage, self.listener = task, stage, listener
        self.best_epoch, self.best_accuracy = -1, -1.0
        self.best_model: dict[str, Any] = {}

    def write(self, record: Record) -> None:
        super().write(record)
        self.listener.step(self.task, record)

    def save(self, take: Callable[[], Checkpoint]) -> None:
        record = self.records[-1]
        accuracy = float(record.get(STUDENT_TOP1, -1.0))
        if record["stage"] == self.stage and STUDENT_TOP1 in record and accuracy >= self.best_accuracy:
            self.best_epoch, self.best_accuracy = int(record["epoch"]), accuracy
            self.best_model = {key: value.detach().clone() for key, value in take().model.items()}


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
            losses = sum(
                float(value) for key, value in values.items() if key.startswith("training/loss/classification")
            )
            accuracy = f", validation {100 * float(values[STUDENT_TOP1]):.1f} %" if STUDENT_TOP1 in values else ""
            print(f"{values['stage']} epoch {int(values['epoch']) + 1}: classification loss {losses:.4f}{accuracy}")
