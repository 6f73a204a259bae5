"""One run: a recipe and a folder in; a trained model, its log and its results out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.methods import Method
from crossdistill.recipes.check import check
from crossdistill.recipes.recipe import DataSettings, Recipe, name_of
from crossdistill.runs import folder as layout
from crossdistill.runs.build import (
    FROM_PYTHON,
    build_dataset,
    build_method,
    build_model,
    require_trained_encoders,
    split_dataset,
    stages,
    total_epochs,
)
from crossdistill.runs.folder import RunLog
from crossdistill.runs.measure import all_outputs, epoch_measures, results
from crossdistill.training import Checkpoint, Record, Stage, fit
from crossdistill.training.distributed import gather_notes
from crossdistill.training.engine import deterministic, launched
from crossdistill.training.memory import reset_peak_memory
from crossdistill.types import Batch, InputError, Listener, Note, reported

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BuildDataset = Callable[[DataSettings, int], MultimodalDataset]


def run(
    recipe: Recipe,
    folder: Path | str,
    resume: bool = False,
    listener: Listener = Listener(),
    dataset: MultimodalDataset | None = None,
    build: BuildDataset = build_dataset,
) -> dict[str, Any]:
    """Train a recipe, write everything into `folder`, and return what its results.json holds.

    resume: go on from the folder's checkpoint; a finished run is returned as it is. listener: hears of each epoch as
    a step of the task `name_of(recipe)`, on the first rank alone.
    dataset: one made in Python, in place of the recipe's `data.source`. build: makes the data set of a recipe's data
    settings and seed; the processes of a comparison pass one that remembers.
    Raises InputError when the folder holds a run and resume is False, or when it holds another recipe's run.
    """
    check(recipe)
    fabric = launched(recipe.machine)
    folder = Path(folder)
    reset_peak_memory(fabric.device)
    task, heard_by = name_of(recipe), listener if fabric.is_global_zero else Listener()
    with deterministic(recipe.seed, recipe.machine.threads), reported(heard_by, task, total_epochs(recipe)):
        if dataset is None:
            dataset = build(recipe.data, recipe.seed)
        else:  # a recipe read back cannot find it: its source says so instead of naming some other data
            recipe = replace(recipe, data=replace(recipe.data, source=f"{FROM_PYTHON}{dataset.name}"))
            dataset = split_dataset(dataset, recipe.data, recipe.seed)
        model = build_model(recipe, dataset)
        method = build_method(recipe, model, dataset)
        require_trained_encoders(recipe, method)
        plan = stages(recipe, model, method)
        if fabric.is_global_zero:
            layout.claim(recipe, folder, resume)
        fabric.barrier()
        if layout.is_finished(folder):
            return layout.read_results(folder)
        checkpoint = layout.read_checkpoint(folder)
        log = RunLog(folder, recipe, partial(heard_by.step, task), writes=fabric.is_global_zero)
        for stage in plan:
            if checkpoint is None or checkpoint.stage <= stage.index:
                train(fabric, recipe, dataset, stage, checkpoint, log)
                checkpoint = None
            log.earlier_epochs += stage.epochs
        if fabric.is_global_zero:
            save_file(model.state_dict(), folder / layout.MODEL)
            layout.write_results(folder, results(recipe, dataset, method, log.seconds(), fabric.device, log.note))
        fabric.barrier()
    return layout.read_results(folder)


def load_trained(folder: Path, build: BuildDataset = build_dataset) -> tuple[Recipe, MultimodalDataset, Method]:
    """A finished run's recipe, its data, and its method with the trained model, on the CPU in evaluation mode.

    build: as of `run`. Raises InputError when the folder holds no finished run or its files do not fit together.
    """
    layout.read_results(folder)
    recipe = layout.read_recipe(folder)
    dataset = build(recipe.data, recipe.seed)
    method = build_method(recipe, build_model(recipe, dataset, read_weights=False), dataset)
    try:
        method.model.load_state_dict(load_file(folder / layout.MODEL))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder / layout.MODEL}: does not hold this recipe's model ({reason})") from error
    method.model.eval()
    return recipe, dataset, method


def train(
    fabric: Fabric,
    recipe: Recipe,
    dataset: MultimodalDataset,
    stage: Stage,
    checkpoint: Checkpoint | None,
    log: RunLog,
) -> None:
    """One stage, from the checkpoint where that is of this stage."""
    resume = checkpoint if checkpoint is not None and checkpoint.stage == stage.index else None
    if fabric.is_global_zero:
        log.keep(resume.epoch if resume is not None else 0)

    model, views = stage.method.model, stage.method.views
    needed = dataset.only(model.modalities_of(*views))

    def batches(epoch: int) -> Iterator[Batch]:
        notes: list[Note] = []
        for batch in data.training_batches(
            needed,
            dataset.rows("train"),
            recipe.batch_size,
            seed=recipe.seed,
            epoch=log.earlier_epochs + epoch,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            workers=recipe.machine.workers,
        ):
            notes += batch.notes
            yield batch
        if needed.may_fail:
            everyone = gather_notes(fabric, notes)
            log.skipped = sum(note.skipped for note in everyone)
            log.note(everyone)

    def evaluate(method: Method, epoch: int) -> dict[str, float]:
        if (epoch + 1) % recipe.evaluate_every and epoch + 1 < stage.epochs:
            return {}
        made = all_outputs(
            dataset, recipe.data.evaluate_on, model, method.predicts, fabric.device, recipe.machine.workers
        )
        log.note(made.notes)
        return epoch_measures(made, method.predicts)

    def finish_epoch(record: Record, epoch: int, take: Callable[[], Checkpoint]) -> None:
        log.write(record | ({"skipped": log.skipped} if needed.may_fail else {}))
        if (epoch + 1) % recipe.checkpoint_every == 0 or epoch + 1 == stage.epochs:
            take().save(log.folder / layout.CHECKPOINT)

    fit(fabric, stage, batches, recipe.optimization, recipe.seed, resume, evaluate, finish_epoch)
