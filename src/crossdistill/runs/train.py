"""Training a built run, in somebody's process: no folder, no console, nothing of the process changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from crossdistill.data.loading import Workers
from crossdistill.methods import Method
from crossdistill.runs.best_epoch import BestEpoch
from crossdistill.runs.build import Built
from crossdistill.runs.stage import StageTraining
from crossdistill.runs.training_log import TrainingLog, WarningLog
from crossdistill.runs.warnings import Warnings
from crossdistill.training import Checkpoint, Stage
from crossdistill.training.distributed import require_same_start
from crossdistill.training.engine import Engine, launched, on_threads, with_gradients
from crossdistill.training.randomness import seeded
from crossdistill.types import InputError


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
        log: takes an epoch's record each, and lines of what the numbers hide; without one these are a `RunWarning` each
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
    log = log if log is not None else WarningLog()
    engine = engine if engine is not None else launched(built.recipe.machine)
    with on_threads(built.recipe.machine.threads), seeded(built.recipe.seed, engine.device), ExitStack() as ours:
        workers = workers or ours.enter_context(Workers(built.dataset, built.recipe.machine.workers, engine.device))
        checkpoint, earlier = log.checkpoint(), 0
        _require_place(checkpoint, built.stages)
        require_same_start(engine, checkpoint.place if checkpoint is not None else (-1, 0, 0))
        hidden = Warnings(built, log.say, checkpoint.log if checkpoint is not None else ())
        if engine.is_global_zero:
            hidden.at_start(engine.world_size)
        for stage in built.stages:
            for prepare in stage.before:
                prepare()
            if checkpoint is None or checkpoint.stage == stage.index:
                best = _best_epoch(built, stage, checkpoint)
                StageTraining(built, stage, engine, workers, log, hidden, earlier, best).train(checkpoint)
                checkpoint = None
            earlier += stage.epochs
    built.model.eval()
    return built.method


def _best_epoch(built: Built, stage: Stage, checkpoint: Checkpoint | None) -> BestEpoch | None:
    """Keeps the best epoch of the last stage, where the recipe has it chosen."""
    if built.recipe.data.choose_epoch_on == "none" or stage is not built.stages[-1]:
        return None
    return BestEpoch(stage.method, stage.epochs, checkpoint.best if checkpoint is not None else {})


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
