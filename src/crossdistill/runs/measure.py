"""What is measured of a run: a little after each epoch, everything at its end."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from typing import Any

import torch

import crossdistill
from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.evaluation import evaluate_view, top1
from crossdistill.evaluation.collect import Outputs, averaged, collect
from crossdistill.losses import pair_cosine, same_class_cosine
from crossdistill.methods import Method
from crossdistill.models import CrossModalModel
from crossdistill.recipes.recipe import Recipe
from crossdistill.training.memory import peak_memory_mb
from crossdistill.types import NAMES, DivergedError, Note, Representations, View

BATCH = 256
BATCH_VALUES = 1 << 24
"""Of an evaluation batch: 27 clips of 16 frames of 112 x 112."""
SOUND = 320_000
"""What a sound of any length counts for: ten seconds at 32 kHz."""


def all_outputs(
    dataset: MultimodalDataset,
    split: str,
    model: CrossModalModel,
    views: tuple[View, ...],
    device: torch.device,
    workers: int = 0,
    windows: int = 1,
) -> Outputs:
    """What the model makes of a split's samples, in the data set's order. Only what the views read is read.

    windows: most of a sample, counted in the target modalities whatever the views, so that all methods' students see
    the same; 0 for all that do not overlap. They are averaged.
    Raises DivergedError when logits are not finite: an epoch's last step may diverge after the last loss was finite.
    """
    needed = dataset.only(model.modalities_of(*views))
    size = max(1, min(BATCH, BATCH_VALUES // sum(values_of(shape) for shape in needed.shapes.values())))
    rows, positions = data.windows_of(dataset, dataset.rows(split), model.target, windows)
    found = collect(model, data.evaluation_batches(needed, rows, positions, size, workers), views, device)
    for view, logits in found.made.logits.items():
        if not torch.isfinite(logits[found.present[view]]).all():
            raise DivergedError(
                f"{NAMES[view]}: its predictions are no longer finite, training has diverged; lower "
                "optimization.learning_rate or the method's weights, or set optimization.clip_norm"
            )
    return averaged(found)


def values_of(shape: tuple[int, ...]) -> int:
    """How many numbers a sample has; of sequences, a step; of sounds, as of texts' tokens, `SOUND`."""
    return SOUND if shape == (-1, 1) else math.prod(abs(size) for size in shape)


def outputs(
    dataset: MultimodalDataset, split: str, model: CrossModalModel, views: tuple[View, ...], device: torch.device
) -> tuple[Representations, torch.Tensor]:
    """The representations, logits and labels of a split's samples that have all that the views read, in order."""
    return all_outputs(dataset, split, model, views, device).complete(*views)


def epoch_measures(made: Outputs, predicts: tuple[View, ...]) -> dict[str, float]:
    """Accuracies, their gap and the cosines on the evaluation split, for the curves; nothing is chosen by them.

    Each view is measured on the samples that have what it reads: the student on all, the teacher on complete ones.
    """
    measures: dict[str, float] = {}
    for view in predicts:
        found, labels = made.complete(view)
        if len(labels):
            measures[f"{NAMES[view]}/top1"] = top1(found.logits[view], labels)
    if {"teacher/top1", "student/top1"} <= set(measures):
        measures["gap"] = measures["teacher/top1"] - measures["student/top1"]
    return measures | cosines(made)


def cosines(outputs: Outputs) -> dict[str, float]:
    """Figure 5's alignment of teacher and student, where both were made of a sample."""
    if not {"target", "full"} <= set(outputs.made.representations):
        return {}
    made, labels = outputs.complete("target", "full")
    if not len(labels):
        return {}
    return {
        "cosine/pair": float(pair_cosine(made.full, made.target)),
        "cosine/same_class": float(same_class_cosine(made.full, made.target, labels)),
    }


def measured_views(tested: Outputs, gallery: Outputs, predicts: tuple[View, ...]) -> dict[str, Any]:
    """Name -> metrics of each view of which there is a sample to measure; `measured`: how many there were."""
    views: dict[str, Any] = {}
    for view in predicts:
        made, labels = tested.complete(view)
        searched, searched_labels = gallery.complete(view)
        if len(labels) and len(searched_labels):
            views[NAMES[view]] = evaluate_view(
                made.logits[view], made.representations[view], labels, searched.representations[view], searched_labels
            )
            views[NAMES[view]] |= {"measured": len(labels)}
    return views


def results(
    recipe: Recipe,
    dataset: MultimodalDataset,
    method: Method,
    seconds: float,
    device: torch.device,
    note: Callable[[Sequence[Note]], None] = lambda notes: None,
) -> dict[str, Any]:
    """Everything a finished run says of itself, as plain values. note: hears of what went wrong in reading samples."""
    model, views = method.model, method.predicts
    workers, windows = recipe.machine.workers, recipe.data.windows
    tested = all_outputs(dataset, recipe.data.evaluate_on, model, views, device, workers, windows)
    gallery = all_outputs(dataset, "train", model, views, device, workers, windows)
    note([*tested.notes, *gallery.notes])
    return {
        "name": recipe.name,
        "method": recipe.method,
        "label": recipe.label or recipe.method,
        "role": recipe.role,
        "seed": recipe.seed,
        "split": recipe.data.evaluate_on,
        "classes": list(dataset.classes),
        "samples": {split: len(dataset.rows(split)) for split in ("train", recipe.data.evaluate_on)},
        "target": list(recipe.data.target),
        "auxiliary": list(recipe.data.auxiliary),
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory_mb(device), 1),
        "parameters": {
            "student": sum(p.numel() for p in model.modules_of("target").parameters()),
            "total": sum(p.numel() for p in model.parameters()),
        },
        "versions": {
            "crossdistill": crossdistill.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": str(torch.get_num_threads()),
        },
        **measured_views(tested, gallery, views),
        **cosines(tested),
    }
