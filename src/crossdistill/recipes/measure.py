"""What is measured of a run: a little after each epoch, everything at its end."""

from __future__ import annotations

import contextlib
import platform
import resource
import sys
from pathlib import Path
from typing import Any

import torch

import crossdistill
from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.evaluation import evaluate_view, top1
from crossdistill.evaluation.collect import collect
from crossdistill.losses import pair_cosine, same_class_cosine
from crossdistill.methods import Method
from crossdistill.models import CrossModalModel
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import Representations, View

NAMES: dict[View, str] = {"target": "student", "full": "teacher", "auxiliary": "auxiliary_alone"}
BATCH = 256


def outputs(
    dataset: MultimodalDataset, split: str, model: CrossModalModel, views: tuple[View, ...], device: torch.device
) -> tuple[Representations, torch.Tensor]:
    """The model's representations, logits and the labels of a split's samples, in the data set's order."""
    return collect(model, data.evaluation_batches(dataset, dataset.rows(split), BATCH), views, device)


def epoch_measures(
    recipe: Recipe, dataset: MultimodalDataset, method: Method, device: torch.device
) -> dict[str, float]:
    """Accuracies, their gap and the cosines on the evaluation split, for the curves; nothing is chosen by them."""
    made, labels = outputs(dataset, recipe.data.evaluate_on, method.model, method.predicts, device)
    measures = {f"{NAMES[view]}/top1": top1(made.logits[view], labels) for view in method.predicts}
    if {"target", "full"} <= set(method.predicts):
        measures["gap"] = measures["teacher/top1"] - measures["student/top1"]
    return measures | cosines(made, labels)


def cosines(made: Representations, labels: torch.Tensor) -> dict[str, float]:
    """Figure 5's alignment of teacher and student, where both were made."""
    if not {"target", "full"} <= set(made.representations):
        return {}
    return {
        "cosine/pair": float(pair_cosine(made.full, made.target)),
        "cosine/same_class": float(same_class_cosine(made.full, made.target, labels)),
    }


def results(
    recipe: Recipe, dataset: MultimodalDataset, method: Method, seconds: float, device: torch.device
) -> dict[str, Any]:
    """Everything a finished run says of itself, as plain values."""
    model = method.model
    made, labels = outputs(dataset, recipe.data.evaluate_on, model, method.predicts, device)
    gallery, gallery_labels = outputs(dataset, "train", model, method.predicts, device)
    views = {
        NAMES[view]: evaluate_view(
            made.logits[view], made.representations[view], labels, gallery.representations[view], gallery_labels
        )
        for view in method.predicts
    }
    return {
        "name": recipe.name,
        "method": recipe.method,
        "label": recipe.label or recipe.method,
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
        **views,
        **cosines(made, labels),
    }


def reset_peak_memory(device: torch.device) -> None:
    """So that each run of a process measures its own peak, where the system can forget the earlier one."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # Linux: see proc_pid_clear_refs(5)
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Of tensors on the GPU; without one, the largest that this whole process has been since `reset_peak_memory`, with
    Python, libraries and data; or since it began, where the system cannot forget (other than Linux)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))  # ru_maxrss starts at the parent's peak
        return int(peak.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
