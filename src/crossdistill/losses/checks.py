"""Argument checks and precision shared by the losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

Reduction = Literal["sum", "mean"]
"""How a loss makes one number of many terms."""


def require_pair(first: Tensor, second: Tensor, names: tuple[str, str], shape: str) -> None:
    """Raise ValueError unless both are floating-point matrices of one shape; `shape` is how the message writes it."""
    if first.ndim != 2 or first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"expected {names[0]} and {names[1]} of one shape {shape}, got {shapes}")
    if first.numel() == 0:
        shape = str(tuple(first.shape))
        raise ValueError(f"expected {names[0]} and {names[1]} of at least one row and one column, got shape {shape}")
    for name, tensor in zip(names, (first, second), strict=True):
        require_floating(tensor, name)
    if (first.dtype == torch.float64) != (second.dtype == torch.float64):
        raise ValueError(f"expected {names[0]} and {names[1]} of one precision, got {first.dtype} and {second.dtype}")


def require_floating(tensor: Tensor, name: str) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"expected {name} of a floating-point dtype, got {tensor.dtype}")


def require_labels(labels: Tensor, count: int | None = None) -> None:
    """Raise ValueError unless labels is a vector of integers, of length `count` where one is given."""
    length = "B" if count is None else str(count)
    if labels.ndim != 1 or (count is not None and len(labels) != count):
        raise ValueError(f"expected labels of shape ({length},), got {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"expected labels of an integer dtype, got {labels.dtype}")


def require_classes(labels: Tensor, logits: Tensor, among: Tensor | None = None) -> None:
    """Raise ValueError unless labels are classes of the logits (B, C), where `among`, (B,) bool, is True.

    It waits for the device, so methods, whose labels are known to be classes, call what comes after it.
    """
    require_labels(labels, len(logits))
    classes = logits.shape[1]
    wrong = (labels < 0) | (labels >= classes)
    places = (wrong if among is None else wrong & among).nonzero().flatten().tolist()
    if places:
        raise ValueError(
            f"expected labels in [0, {classes}), got {int(labels[places[0]])} of sample {places[0]}; leave out samples "
            "without a label"
        )


def require_temperature(temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"expected a temperature above 0, got {temperature}")


def require_one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Raise ValueError for another value than these."""
    if value not in known:
        raise ValueError(f"expected {name} {' or '.join(map(repr, known))}, got {value!r}")


def require_reduction(reduction: Reduction) -> None:
    require_one_of("reduction", reduction, get_args(Reduction))


def full_precision(tensor: Tensor) -> Tensor:
    """float64 stays, everything narrower becomes float32: exponentials of 1/τ-scaled cosines need it."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which matrix products keep the precision of their arguments."""
    return torch.autocast(tensor.device.type, enabled=False)
