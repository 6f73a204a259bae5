"""One stage of a run: its steps, and what happens beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.loading import Workers, training_batches
from crossdistill.evaluation.collect import Outputs, outputs_of
from crossdistill.listening import WARNING
from crossdistill.methods import Method
from crossdistill.runs.best_epoch import BestEpoch
from crossdistill.runs.build import Built
from crossdistill.runs.data import epochs_between_measurements, split_after_epochs
from crossdistill.runs.measure import epoch_measures, require_measurable
from crossdistill.runs.training_log import TrainingLog
from crossdistill.runs.warnings import Warnings
from crossdistill.training import Checkpoint, Observer, Record, Stage, fit
from crossdistill.training.distributed import gather_notes, on_first_rank
from crossdistill.training.engine import Engine
from crossdistill.types import Batch, Note

_LOUD = 0.1
"""The share of samples that may be skipped with no more than a line in the notes."""
_NAMED = 8
"""Samples that a message names; of more it says how many there are."""


class Unreadable:
    """What could not be read: written into the log, and said once for each split of which it is more than a tenth.

    skipped: training samples of the last epoch that were left out
    """

    def __init__(self, log: TrainingLog) -> None:
        self._log = log
        self._told: set[str] = set()
        self.skipped = 0

    def tell(self, split: str, notes: Sequence[Note], asked: int) -> None:
        """notes: of one pass over the split; asked: how many samples it has."""
        self._log.note(notes)
        skipped = [note for note in notes if note.skipped]
        count = len({note.place for note in skipped})
        if count > _LOUD * asked and split not in self._told:
            self._told.add(split)
            self._log.say(f"{WARNING}{count} of {asked} {split} samples cannot be read; the first: {skipped[0].text}")


def _called(ids: Sequence[str], rows: Sequence[int]) -> str:
    """How an error calls the samples in these rows."""
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"samples {', '.join(ids[row] for row in rows[:_NAMED])}{more}"


@dataclass(frozen=True)
class StageTraining:
    """One stage of a run, and what happens beside its steps: reading, measuring, records, checkpoints.

    earlier: epochs of the stages before it; best: keeps the best epoch's model, where the recipe has it chosen
    """

    built: Built
    stage: Stage
    engine: Engine
    workers: Workers
    log: TrainingLog
    warnings: Warnings
    earlier: int
    best: BestEpoch | None

    def train(self, resume: Checkpoint | None) -> None:
        """Train it, from the checkpoint where there is one of this stage, to the model that the recipe asks for."""
        recipe, on_first = self.built.recipe, self.engine.is_global_zero
        if on_first:
            self.log.keep(self.earlier + (resume.epoch if resume is not None else 0))
        called = partial(_called, self.built.dataset.ids)
        fit(
            self.engine,
            self.stage,
            self.batches,
            recipe.optimization,
            recipe.seed,
            resume,
            Observer(self.evaluate, self.finish_epoch, self.finish_reading, self.log.wish, self.save, called),
            recipe.checkpoint_every,
            recipe.machine.sharded,
        )
        if self.best is not None:
            self.best.put_back(self.engine, self.stage.method.model)
            if on_first:
                self.log.chose(self.best.epoch, self.best.score)
            on_first_rank(self.engine, self.tell_of_best)

    def tell_of_best(self) -> None:
        """Say what the kept epoch's numbers hide, which are not the last one's."""
        self.warnings.ended(self.stage, self.outputs(split_after_epochs(self.built.recipe.data)))

    @cached_property
    def unreadable(self) -> Unreadable:
        return Unreadable(self.log)

    @cached_property
    def learnt_from(self) -> MultimodalDataset:
        """The data set's modalities that the stage's method learns from."""
        return self.built.dataset.only(self.stage.method.model.modalities_of(*self.stage.method.views))

    @cached_property
    def labelled(self) -> Rows:
        return self.built.dataset.labelled_rows("train")

    @cached_property
    def unlabelled(self) -> Rows:
        return np.setdiff1d(self.built.dataset.rows("train"), self.labelled)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        recipe = self.built.recipe
        return training_batches(
            self.learnt_from,
            self.labelled,
            recipe.batch_size,
            seed=recipe.seed,
            epoch=self.earlier + epoch,
            rank=self.engine.global_rank,
            world_size=self.engine.world_size,
            workers=self.workers,
            unlabelled=self.unlabelled,
            share=recipe.unlabelled_share if self.stage.method.learns_unlabelled else 0.0,
            first_step=first_step,
        )

    def finish_reading(self, notes: Sequence[Note], asked: int) -> None:
        if self.learnt_from.may_fail:
            everyone = gather_notes(self.engine, notes)
            self.unreadable.skipped = sum(note.skipped for note in everyone)
            if self.engine.is_global_zero:
                self.unreadable.tell("training", everyone, asked * self.engine.world_size)

    def evaluate(self, method: Method, epoch: int) -> dict[str, float]:
        recipe, dataset = self.built.recipe, self.built.dataset
        split, every = split_after_epochs(recipe.data), epochs_between_measurements(recipe, dataset)
        is_last = epoch + 1 == self.stage.epochs
        if split == "none" or ((epoch + 1) % every and not is_last):
            return {}
        outputs = self.outputs(split)
        self.unreadable.tell(split, outputs.notes, len(dataset.rows(split)))
        require_measurable(outputs, method.predicts, split)
        if is_last and self.best is None:
            self.warnings.ended(self.stage, outputs)
        return epoch_measures(outputs, method.predicts, method.model)

    def outputs(self, split: str) -> Outputs:
        """What the model gives for the split's samples now; where the split chooses the epoch, by all their windows."""
        windows = self.built.recipe.data.windows if self.best is not None else 1
        rows, method = self.built.dataset.rows(split), self.stage.method
        return outputs_of(
            self.built.dataset, rows, method.model, method.predicts, self.engine.device, self.workers, windows
        )

    def finish_epoch(self, record: Record, epoch: int) -> None:
        self.log.write(record | ({"skipped": self.unreadable.skipped} if self.learnt_from.may_fail else {}))
        if self.best is not None:
            self.best.consider(record, self.stage.method.model)
        self.warnings.epoch(record)

    def save(self, take: Callable[[], Checkpoint]) -> None:
        best = self.best
        self.log.save(take if best is None else lambda: replace(take(), best=best.stored()))
