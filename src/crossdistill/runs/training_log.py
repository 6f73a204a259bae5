"""Where a training's records go: what `train` asks of it, and the one that keeps them in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from crossdistill.listening import warn
from crossdistill.training import Checkpoint, Record
from crossdistill.training.pauses import GO_ON
from crossdistill.types import Note


class TrainingLog(Protocol):
    """Where a training's records go, and from where it continues.

    checkpoint: to go on from, None for a new training; keep: drop the records after so many epochs, which are done
    again; write: an epoch's record; note: what went wrong in reading; say: a line for a person to see; save: a
    checkpoint, where one is due; wish: asked after each step, what `fit` may be asked for, `GO_ON` as a rule; chose:
    the epoch, counted from 0, whose model was kept, where the recipe has it chosen, and its headline measure on
    validation samples
    """

    def checkpoint(self) -> Checkpoint | None: ...
    def keep(self, epochs: int) -> None: ...
    def write(self, record: Record) -> None: ...
    def note(self, notes: Sequence[Note]) -> None: ...
    def say(self, line: str) -> None: ...
    def save(self, take: Callable[[], Checkpoint]) -> None: ...
    def wish(self) -> int: ...
    def chose(self, epoch: int, score: float) -> None: ...


class MemoryLog:
    """The records of a training, epoch by epoch, the notes of what could not be read, and lines for a person to see.

    For `train` without a folder, where somebody wants to see how it went.

    >>> import numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> data = crossdistill.from_arrays({"wrist": np.eye(16)}, np.arange(16) % 2)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=3)
    >>> built = crossdistill.build(replace(recipe, data=replace(recipe.data, evaluate_on="none")), data)
    >>> log = crossdistill.MemoryLog()
    >>> _ = crossdistill.train(built, log)
    >>> [record["epoch"] for record in log.records], log.notes
    ([0, 1, 2], [])
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.notes: list[Note] = []
        self.lines: list[str] = []
        self.best_epoch = -1

    def checkpoint(self) -> Checkpoint | None:
        """None: a training in memory does not go on from an earlier one."""
        return None

    def keep(self, epochs: int) -> None:
        """Forget the records of later epochs.

        Args:
            epochs: how many records stay
        """
        del self.records[epochs:]

    def write(self, record: Record) -> None:
        """Keep an epoch's record.

        Args:
            record: what was measured, by name
        """
        self.records.append(record)

    def note(self, notes: Sequence[Note]) -> None:
        """Keep what went wrong in reading samples, each note once.

        Args:
            notes: of one epoch
        """
        self.notes += [note for note in notes if note not in self.notes]

    def say(self, line: str) -> None:
        """Keep a line that a person should see.

        Args:
            line: what was skipped or guessed
        """
        self.lines.append(line)

    def save(self, take: Callable[[], Checkpoint]) -> None:
        """Nothing is kept of a training in memory but its records.

        Args:
            take: would make the checkpoint, and is not called
        """

    def wish(self) -> int:
        """To go on: nobody asks a training in memory to pause or stop."""
        return GO_ON

    def chose(self, epoch: int, score: float) -> None:
        """Keep whose model is the result.

        Args:
            epoch: counted from 0
            score: its headline measure on validation samples
        """
        self.best_epoch = epoch


class WarningLog(MemoryLog):
    """Gives a `RunWarning` of a line that nobody should miss, where nobody reads the log."""

    def say(self, line: str) -> None:
        super().say(line)
        warn(line)
