"""Batches that break careless losses: of one class, of two samples, without direction, beyond doubt, with huge
numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from crossdistill.testing.problem import CLASSES, labels_of
from crossdistill.training.passes import select_mixing
from crossdistill.types import Batch, Representations, TaskKind, View

Extreme = Callable[[Representations, Batch], tuple[Representations, Batch]]


def extremes(task: TaskKind = "classification") -> dict[str, Extreme]:
    """Name -> what makes such a batch and its representations of ordinary ones; labels are those of the classes."""

    def of(*classes: int) -> Tensor:
        return labels_of(task, torch.tensor(classes))

    of_all: dict[str, Extreme] = {
        "one class only": lambda r, b: (r, replace(b, labels=torch.zeros_like(b.labels))),
        "all classes distinct": lambda r, b: (first(r, CLASSES), relabelled(b, of(*range(CLASSES)))),
        "batch of two": lambda r, b: (first(r, 2), relabelled(b, of(0, 0))),
        "batch of two classes": lambda r, b: (first(r, 2), relabelled(b, of(0, 1))),
        "identical rows": lambda r, b: (r.map(lambda t: t[:1].expand_as(t)), b),
        "zero vectors": lambda r, b: (r.map(torch.zeros_like), b),
        "huge logits": lambda r, b: (replace(r, logits=scaled(r.logits, 1e4)), b),
        "huge representations": lambda r, b: (replace(r, representations=scaled(r.representations, 1e4)), b),
    }
    if task == "regression":
        return of_all
    return of_all | {f"beyond doubt, {sure:g}": partial(_beyond_doubt, sure=sure) for sure in _SURE}


_SURE = (20.0, 88.0, 100.0)
"""By how much the logits of what is right exceed others: 1 - p is 0 in float32, then p of the others hardly a number,
then 0."""


def _beyond_doubt(representations: Representations, batch: Batch, sure: float) -> tuple[Representations, Batch]:
    labels = batch.labels if batch.labels.ndim == 2 else one_hot(batch.labels, CLASSES)
    logits = {view: t / t.abs().max() + sure * (2 * labels - 1) / 2 for view, t in representations.logits.items()}
    return replace(representations, logits=logits), batch


def relabelled(batch: Batch, labels: Tensor) -> Batch:
    """The batch's first samples, with other labels."""
    return replace(_first_of(batch, len(labels)), labels=labels)


def _first_of(batch: Batch, count: int) -> Batch:
    mixing = select_mixing(batch.mixing, torch.arange(count)) if batch.mixing is not None else None
    return Batch({}, batch.labels[:count], batch.rows[:count], {}, mixing=mixing)


def first(representations: Representations, count: int) -> Representations:
    """Those of the first samples."""
    return representations.map(lambda t: t[:count])


def scaled(tensors: Mapping[View, Tensor], largest: float) -> dict[View, Tensor]:
    """Each view's tensor with this largest magnitude."""
    return {view: largest * t / t.abs().max() for view, t in tensors.items()}
