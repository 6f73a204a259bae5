"""What is measured of a run: a little after each epoch, everything at its end."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.evaluation import evaluate_view, top1
from crossdistill.evaluation.collect import Outputs, outputs_of
from crossdistill.losses import pair_cosine, same_class_cosine
from crossdistill.methods import Method
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.data import splits_in_use
from crossdistill.training.memory import peak_memory_mb
from crossdistill.types import NAMES, Note, View
from crossdistill.version import __version__

if TYPE_CHECKING:
    from crossdistill.runs.build import Built


def about(built: Built, data: Mapping[str, str]) -> dict[str, Any]:
    """What config.json says beside the model: where it comes from. data: the fingerprint of the data set."""
    recipe, dataset = built.recipe, built.dataset
    return {
        "name": recipe.name,
        "method": recipe.method,
        "student": "target" in built.method.predicts,
        "data": {
            "name": dataset.name,
            "source": recipe.data.source,
            "licence": dataset.licence or "not stated",
            "samples": {split: len(dataset.rows(split)) for split in splits_in_use(recipe.data)},
            "fingerprint": dict(data),
        },
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """What a result depends on beside its recipe."""
    return {
        "crossdistill": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
    }


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
    model = method.model
    measured = measured_on(recipe, dataset, method, device, note) if recipe.data.evaluate_on != "none" else {}
    return {
        "name": recipe.name,
        "method": recipe.method,
        "label": recipe.label or recipe.method,
        "role": recipe.role,
        "seed": recipe.seed,
        "split": recipe.data.evaluate_on,
        "classes": list(dataset.classes),
        "samples": {split: len(dataset.rows(split)) for split in splits_in_use(recipe.data)},
        "target": list(recipe.data.target),
        "auxiliary": list(recipe.data.auxiliary),
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory_mb(device), 1),
        "parameters": {
            "student": sum(p.numel() for p in model.modules_of("target").parameters()),
            "total": sum(p.numel() for p in model.parameters()),
        },
        "versions": versions(),
        **measured,
    }


def measured_on(
    recipe: Recipe,
    dataset: MultimodalDataset,
    method: Method,
    device: torch.device,
    note: Callable[[Sequence[Note]], None],
) -> dict[str, Any]:
    """Metrics of each view on the evaluation split, searched for in the training split, and the alignment of views."""
    tested, gallery = (
        outputs_of(
            dataset,
            dataset.labelled_rows(split),
            method.model,
            method.predicts,
            device,
            recipe.machine.workers,
            recipe.data.windows,
        )
        for split in (recipe.data.evaluate_on, "train")
    )
    note([*tested.notes, *gallery.notes])
    return {**measured_views(tested, gallery, method.predicts), **cosines(tested)}
