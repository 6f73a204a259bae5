"""Whether an exported file answers as its student does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from crossdistill.exports.formats import Answer, Arrays
from crossdistill.exports.graph import StudentGraph, outputs_of
from crossdistill.models.flat import unflattened

LIMIT = 1e-4
"""What outputs may differ by, of the largest one where that is above 1: float32 rounds at 6e-8 of it. Numbers are taken
in deviations from their mean."""


def reference(graph: StudentGraph, arrays: Arrays) -> Arrays:
    """What the student itself makes of named arrays: the way of `Student.forward`, on nothing that was traced."""
    with torch.no_grad():
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        made = graph.network(unflattened(graph.spec, tensors), ("target",))
    return {name: tensor.numpy() for name, tensor in outputs_of(graph.network, made).items()}


def largest_difference(graph: StudentGraph, answer: Answer, batches: Sequence[Arrays]) -> float:
    """Over all batches and outputs, in units of the batch's largest output where that is above 1; infinite where
    shapes or dtypes differ or something is not finite."""
    worst = 0.0
    for arrays in batches:
        expected, found = reference(graph, arrays), answer(arrays)
        for name in expected:
            if (expected[name].shape, expected[name].dtype) != (found[name].shape, found[name].dtype):
                return float("inf")
            ours, theirs = (_comparable(graph, name, made[name]) for made in (expected, found))
            difference = np.abs(ours - theirs)
            scale = max(1.0, float(np.abs(ours).max()))
            worst = max(worst, float(difference.max()) / scale if np.isfinite(difference).all() else float("inf"))
    return worst


def _comparable(graph: StudentGraph, name: str, answers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Answers in float64; numbers in deviations from their mean, which may be far larger than what they vary by."""
    wide = answers.astype(np.float64)
    if name != "values":
        return wide
    return np.asarray((wide - np.array(graph.spec.label_mean)) / np.array(graph.spec.label_deviation))
