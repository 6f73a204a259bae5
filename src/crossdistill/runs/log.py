"""A training's log in its run's folder: what each epoch measured, what could not be read, and from where to go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from crossdistill.atomic import naming, write_atomically
from crossdistill.listening import WARNING, Listener
from crossdistill.plain import without_nan
from crossdistill.recipes.recipe import Recipe, name_of
from crossdistill.runs.folder import CHECKPOINT, METRICS, NOTES, PREVIOUS, WARNINGS
from crossdistill.runs.trackers import Tracker, trackers_of
from crossdistill.tasks import headline, in_percent
from crossdistill.training import Checkpoint, Record
from crossdistill.training.checkpoint import UnreadableCheckpointError
from crossdistill.training.pauses import GO_ON, SAVE
from crossdistill.types import InputError, Note, one_line


class RunLog:
    """metrics.jsonl, a line an epoch, and what listens to it; notes.txt, a line for each thing that went wrong in
    reading, and warnings.txt, one for each that the numbers hide; the newest checkpoint and the one before it.

    A checkpoint holds the log's lines up to its epoch, so that going on from it restores them whatever has become of
    the file. writes: whether this process is the one of several that writes; signalled: which signal is to end the
    training, as `wish` says it.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        listener: Listener = Listener(),
        writes: bool = True,
        signalled: Callable[[], int] = lambda: GO_ON,
    ) -> None:
        self.folder, self.listener, self.task = folder, listener, name_of(recipe)
        self._writes = writes
        self._epochs = recipe.epochs
        self._trackers = trackers_of(recipe, folder) if writes else []
        self._tracked = 0
        self._lines: list[str] = []
        self._newest_is_damaged = False
        self._signalled = signalled
        self.best_epoch = -1
        self._headline = headline(recipe.data.task).name
        self._seconds, self._saved = 60 * recipe.checkpoint_minutes, time.monotonic()

    def wish(self) -> int:
        """What is to be done after a step: a signal's wish, or to save when the last time was long ago."""
        is_due = self._writes and 0 < self._seconds <= time.monotonic() - self._saved
        return max(self._signalled(), SAVE if is_due else GO_ON)

    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint, or, where that is damaged, the one before it; None where there is neither.

        Raises InputError where none that is there can be read.
        """
        problems: list[UnreadableCheckpointError] = []
        for path in (self.folder / CHECKPOINT, self.folder / PREVIOUS):
            if not path.is_file():
                continue
            try:
                found = Checkpoint.load(path)
            except UnreadableCheckpointError as error:
                problems.append(error)
                continue
            if problems:
                self._newest_is_damaged = True
                self.say(f"{WARNING}{problems[0]}; the run goes on from the one before it, {PREVIOUS}")
            self._lines = list(found.log)
            return found
        if problems:
            which = "delete both" if len(problems) > 1 else "delete it"
            raise InputError(f"{problems[0]}; there is no earlier one that is whole: {which} to start over")
        return None

    def save(self, take: Callable[[], Checkpoint]) -> None:
        previous = None if self._newest_is_damaged else self.folder / PREVIOUS  # else that stays the one that is whole
        replace(take(), log=tuple(self._lines)).save(self.folder / CHECKPOINT, previous)
        self._newest_is_damaged = False
        self._saved = time.monotonic()

    def keep(self, epochs: int) -> None:
        """Let the log be that of the first `epochs`: what follows is done again, and what the file has lost of them is
        restored. Raises InputError where the checkpoint does not hold their lines."""
        if len(self._lines) < epochs:
            raise InputError(
                f"{self.folder / CHECKPOINT}: is of {epochs} epochs but holds {len(self._lines)} lines of {METRICS}; "
                "delete it to start over"
            )
        del self._lines[epochs:]
        self._tracked = min(self._tracked, epochs)
        path = self.folder / METRICS
        if not path.is_file() and not self._lines:
            return
        with naming(path):
            there = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        kept = [line.encode() for line in self._lines]
        if there[:epochs] != kept:
            self.say(f"{WARNING}{path}: lines were lost or changed; restored as of the checkpoint, {epochs} epochs")
        if there != kept:
            write_atomically(path, "".join(self._lines))

    def write(self, record: Record) -> None:
        line = json.dumps(without_nan(record), allow_nan=False) + "\n"
        path = self.folder / METRICS
        with naming(path), path.open("a", encoding="utf-8", newline="") as file:
            file.write(line)
        self._lines.append(line)
        self._track()
        self.listener.step(self.task, record)

    def _track(self) -> None:
        """Let trackers have what they have not; of a run that goes on, all from its beginning. One that fails is left
        alone from then on: metrics.jsonl has everything, and a training should not end by it."""
        for tracker in list(self._trackers):
            try:
                for step in range(self._tracked, len(self._lines)):
                    tracker.log(json.loads(self._lines[step]), step)
            except Exception as error:  # a network, a full disk, a server: whatever others' packages raise
                self._leave(tracker, error)
        self._tracked = len(self._lines)

    def close(self) -> None:
        """End what trackers have begun."""
        for tracker in list(self._trackers):
            try:
                tracker.finish()
            except Exception as error:
                self._leave(tracker, error)
        self._trackers = []

    def _leave(self, tracker: Tracker, error: Exception) -> None:
        self._trackers.remove(tracker)
        self.say(f"{WARNING}{tracker.name} takes no more of this run ({one_line(error)}); {METRICS} has all")

    def say(self, line: str) -> None:
        self._append(WARNINGS, [line.removeprefix(WARNING)])
        self.listener.say(line)

    def chose(self, epoch: int, score: float) -> None:
        self.best_epoch = epoch
        self.listener.say(  # nothing that numbers hide: results.json has it
            f"{self.task}: kept the model of epoch {epoch + 1} of {self._epochs}, with {self._headline} "
            f"{in_percent(score)} % on validation samples"
        )

    def note(self, notes: Sequence[Note]) -> None:
        """Write what is not there yet; a file that goes wrong in every epoch is one line."""
        self._append(NOTES, [note.text for note in notes])

    def _append(self, name: str, lines: Sequence[str]) -> None:
        """Write those of the lines that the file does not have yet, each once."""
        if not self._writes or not lines:
            return
        path = self.folder / name
        with naming(path):
            known = set(path.read_text(encoding="utf-8", errors="replace").splitlines()) if path.is_file() else set()
            each = dict.fromkeys(" ".join(line.splitlines()) for line in lines)
            new = [line for line in each if line not in known]
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(f"{line}\n" for line in new)

    def seconds(self) -> float:
        """Training time of all epochs, measuring and saving left out."""
        return float(sum(json.loads(line)["seconds"] for line in self._lines))

    def finish(self) -> None:
        """Let the file be what was logged, on the disk as well: from now on no checkpoint vouches for it."""
        self.keep(len(self._lines))
        path = self.folder / METRICS
        with naming(path), path.open("rb+") as file:
            os.fsync(file.fileno())
