"""Training a built run, in somebody's process: no folder, no console, nothing of the process changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from crossdistill.data.loading import Workers, training_batches
from crossdistill.evaluation.collect import outputs_of
from crossdistill.methods import Method
from crossdistill.runs.best_epoch import BestEpoch
from crossdistill.runs.build import Built
from crossdistill.runs.data import epochs_between_measurements, split_after_epochs
from crossdistill.runs.measure import epoch_measures, require_measurable
from crossdistill.runs.warnings import WARNING, Warnings
from crossdistill.training import Checkpoint, Observer, Record, Stage, fit
from crossdistill.training.distributed import gather_notes, require_same_start
from crossdistill.training.engine import Engine, launched, on_threads, seeded, with_gradients
from crossdistill.training.pauses import GO_ON
from crossdistill.types import Batch, InputError, Note

_LOUD = 0.1
"""The share of samples that may be skipped with no more than a line in the notes."""


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


@with_gradients()
def train(
    built: Built, log: TrainingLog | None = None, engine: Engine | None = None, workers: Workers | None = None
) -> Method:
    """Train all stages of a built run and return its method, whose `model` is trained and in evaluation mode.

    For training inside a program of your own, which keeps what it likes; `run` keeps all in a folder.
    The evaluation split is measured where the recipe names one, and chooses nothing; where the recipe has the epoch
    chosen, validation samples are measured after each epoch, and the model of the best one is returned. The caller's
    random state, threads and torch settings are as before when it returns.

    Args:
        built: what `build` gave
        log: takes an epoch's record each, `MemoryLog` unless given
        engine: one that is launched already
        workers: that read the built run's data set, where they have more to read than the training

    Raises:
        DivergedError: a loss is no longer finite.

    >>> import numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> x = np.random.default_rng(0).normal(size=(64, 3)); y = np.arange(64) % 2
    >>> data = crossdistill.from_arrays({"wrist": x + y[:, None]}, y)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=2)
    >>> built = crossdistill.build(replace(recipe, data=replace(recipe.data, evaluate_on="none")), data)
    >>> log = crossdistill.MemoryLog()
    >>> model = crossdistill.train(built, log).model
    >>> len(log.records)
    2
    """
    log = log if log is not None else MemoryLog()
    engine = engine if engine is not None else launched(built.recipe.machine)
    with on_threads(built.recipe.machine.threads), seeded(built.recipe.seed, engine.device), ExitStack() as ours:
        on_gpu = engine.device.type == "cuda"
        workers = workers or ours.enter_context(Workers(built.dataset, built.recipe.machine.workers, on_gpu))
        checkpoint, earlier = log.checkpoint(), 0
        _require_place(checkpoint, built.stages)
        require_same_start(engine, checkpoint.place if checkpoint is not None else (-1, 0, 0))
        hidden = Warnings(built, log.say, checkpoint.log if checkpoint is not None else ())
        if engine.is_global_zero:
            hidden.at_start(engine.world_size)
        for stage in built.stages:
            for prepare in stage.before:
                prepare()
            if checkpoint is None or checkpoint.stage <= stage.index:
                _train_stage(engine, built, stage, checkpoint, log, earlier, hidden, workers)
                checkpoint = None
            earlier += stage.epochs
    built.model.eval()
    return built.method


def _require_place(checkpoint: Checkpoint | None, stages: Sequence[Stage]) -> None:
    """Raise InputError for the checkpoint of a stage or an epoch that this training does not have."""
    if checkpoint is None:
        return
    epochs = {stage.index: stage.epochs for stage in stages}
    if checkpoint.epoch + bool(checkpoint.inside) > epochs.get(checkpoint.stage, 0):
        known = ", ".join(f"{stage} ({count} epochs)" for stage, count in epochs.items())
        raise InputError(
            f"the checkpoint is of stage {checkpoint.stage} after {checkpoint.epoch} epochs; expected one of {known}; "
            "delete it to start over"
        )


class Unreadable:
    """Says, once for each split, that more than a tenth of its samples could not be read."""

    def __init__(self, log: TrainingLog) -> None:
        self._log = log
        self._told: set[str] = set()

    def tell(self, split: str, notes: Sequence[Note], asked: int) -> None:
        """notes: of one pass over the split; asked: how many samples it has."""
        skipped = [note for note in notes if note.skipped]
        count = len({note.place for note in skipped})
        if count > _LOUD * asked and split not in self._told:
            self._told.add(split)
            self._log.say(f"{WARNING}{count} of {asked} {split} samples cannot be read; the first: {skipped[0].text}")


_NAMED = 8
"""Samples that a message names; of more it says how many there are."""


def _called(ids: Sequence[str], rows: Sequence[int]) -> str:
    """How an error calls the samples in these rows."""
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"samples {', '.join(ids[row] for row in rows[:_NAMED])}{more}"


def _train_stage(
    engine: Engine,
    built: Built,
    stage: Stage,
    checkpoint: Checkpoint | None,
    log: TrainingLog,
    earlier: int,
    hidden: Warnings,
    workers: Workers,
) -> None:
    """One stage, from the checkpoint where that is of this stage; earlier: epochs of the stages before it."""
    recipe, dataset, model = built.recipe, built.dataset, stage.method.model
    resume = checkpoint if checkpoint is not None and checkpoint.stage == stage.index else None
    if engine.is_global_zero:
        log.keep(earlier + (resume.epoch if resume is not None else 0))
    needed = dataset.only(model.modalities_of(*stage.method.views))
    unlabelled = np.setdiff1d(dataset.rows("train"), dataset.labelled_rows("train"))
    skipped = 0
    loud = Unreadable(log)
    chooses = recipe.data.choose_epoch_on != "none" and stage.index == built.stages[-1].index
    best = BestEpoch(stage.method, resume.best if resume is not None else {}) if chooses else None
    split, every = split_after_epochs(recipe.data), epochs_between_measurements(recipe, dataset)

    def batches(epoch: int, first_step: int) -> Iterator[Batch]:
        return training_batches(
            needed,
            dataset.labelled_rows("train"),
            recipe.batch_size,
            seed=recipe.seed,
            epoch=earlier + epoch,
            rank=engine.global_rank,
            world_size=engine.world_size,
            workers=workers,
            unlabelled=unlabelled,
            share=recipe.unlabelled_share if stage.method.learns_unlabelled else 0.0,
            first_step=first_step,
        )

    def finish_reading(notes: Sequence[Note], asked: int) -> None:
        nonlocal skipped
        if needed.may_fail:
            everyone = gather_notes(engine, notes)
            skipped = sum(note.skipped for note in everyone)
            if engine.is_global_zero:
                log.note(everyone)
                loud.tell("training", everyone, asked * engine.world_size)

    def evaluate(method: Method, epoch: int) -> dict[str, float]:
        last = epoch + 1 == stage.epochs
        if split == "none" or ((epoch + 1) % every and not last):
            return {}
        rows = dataset.rows(split)
        windows = recipe.data.windows if chooses else 1  # an epoch is chosen by what the model is measured by
        outputs = outputs_of(dataset, rows, model, method.predicts, engine.device, workers, windows)
        log.note(outputs.notes)
        loud.tell(split, outputs.notes, len(rows))
        require_measurable(outputs, method.predicts, split)
        hidden.measured(stage, epoch, outputs, ends_run=last and stage is built.stages[-1])
        return epoch_measures(outputs, method.predicts, method.model)

    def finish_epoch(record: Record, epoch: int) -> None:
        log.write(record | ({"skipped": skipped} if needed.may_fail else {}))
        if best is not None:
            best.consider(record, model)
        hidden.epoch(record)

    def save(take: Callable[[], Checkpoint]) -> None:
        log.save(take if best is None else lambda: replace(take(), best=best.stored()))

    fit(
        engine,
        stage,
        batches,
        recipe.optimization,
        recipe.seed,
        resume,
        Observer(evaluate, finish_epoch, finish_reading, log.wish, save, partial(_called, dataset.ids)),
        recipe.checkpoint_every,
        recipe.machine.sharded,
    )
    if best is not None:
        best.put_back(engine, model)
        if engine.is_global_zero:
            log.chose(best.epoch, best.score)
