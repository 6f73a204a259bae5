"""Batches that break careless losses: of one class, of two samples, without direction, with huge numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from crossdistill.testing.problem import CLASSES
from crossdistill.types import Batch, Representations, View

Extreme = Callable[[Representations, Batch], tuple[Representations, Batch]]

EXTREMES: dict[str, Extreme] = {
    "one class only": lambda r, b: (r, replace(b, labels=torch.zeros_like(b.labels))),
    "all classes distinct": lambda r, b: (first(r, CLASSES), relabelled(b, torch.arange(CLASSES))),
    "batch of two": lambda r, b: (first(r, 2), relabelled(b, torch.tensor([0, 0]))),
    "batch of two classes": lambda r, b: (first(r, 2), relabelled(b, torch.tensor([0, 1]))),
    "identical rows": lambda r, b: (map_all(r, lambda t: t[:1].expand_as(t)), b),
    "zero vectors": lambda r, b: (map_all(r, torch.zeros_like), b),
    "huge logits": lambda r, b: (Representations(r.representations, scaled(r.logits, 1e4)), b),
    "huge representations": lambda r, b: (Representations(scaled(r.representations, 1e4), r.logits), b),
}


def relabelled(batch: Batch, labels: Tensor) -> Batch:
    """The batch's first samples, with other labels."""
    return Batch({}, labels, batch.rows[: len(labels)], {})


def map_all(representations: Representations, function: Callable[[Tensor], Tensor]) -> Representations:
    """The function of each representation and of each view's logits."""
    return Representations(
        {view: function(t) for view, t in representations.representations.items()},
        {view: function(t) for view, t in representations.logits.items()},
    )


def first(representations: Representations, count: int) -> Representations:
    """Those of the first samples."""
    return map_all(representations, lambda t: t[:count])


def scaled(tensors: Mapping[View, Tensor], largest: float) -> dict[View, Tensor]:
    """Each view's tensor with this largest magnitude."""
    return {view: largest * t / t.abs().max() for view, t in tensors.items()}
