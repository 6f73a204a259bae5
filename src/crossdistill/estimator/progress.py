"""What is kept and heard while an estimator trains: the epochs' records, and printed lines."""

from __future__ import annotations

from types import MappingProxyType

from crossdistill.runs.measure import TOP1
from crossdistill.runs.train import MemoryLog
from crossdistill.training import Record
from crossdistill.types import Listener, Values

STUDENT_TOP1 = TOP1.format("student")


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
            losses = sum(
                float(value) for key, value in values.items() if key.startswith("training/loss/classification")
            )
            accuracy = f", validation {100 * float(values[STUDENT_TOP1]):.1f} %" if STUDENT_TOP1 in values else ""
            print(f"{values['stage']} epoch {int(values['epoch']) + 1}: classification loss {losses:.4f}{accuracy}")
