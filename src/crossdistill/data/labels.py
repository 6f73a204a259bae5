"""Class numbers, class names and splits from what the user gave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.columns import Rows
from crossdistill.types import InputError

Strings = npt.NDArray[np.str_]

SPLITS = ("train", "validation", "test")
"""What a row is for. `with_validation` adds a fourth, "held_out": a test row that tuning must not see."""


def natural_order(texts: Sequence[str]) -> list[str]:
    """The distinct texts, sorted with whole numbers by value: "2" before "10", "a2" before "a10"."""
    distinct = sorted(set(texts))
    if all(re.fullmatch(r"-?[0-9]+", text) for text in distinct):
        return sorted(distinct, key=int)
    return sorted(
        distinct, key=lambda text: [int(p) if p.isascii() and p.isdecimal() else p for p in re.split(r"([0-9]+)", text)]
    )


def encode_labels(labels: npt.NDArray[Any], classes: tuple[str, ...]) -> tuple[Rows, tuple[str, ...]]:
    """Class numbers (N,) and class names."""
    if labels.ndim != 1:
        raise InputError(f"labels: expected one per sample, shape (N,), found {labels.shape}")
    whole = labels.dtype.kind in "iub"
    if not whole and not all(isinstance(label, str) for label in labels.tolist()):
        raise InputError(f"labels: expected whole numbers or strings, found dtype {labels.dtype}")
    if len(set(classes)) < len(classes):
        raise InputError("classes: names must be distinct")
    if whole and classes:
        outside = labels[(labels < 0) | (labels >= len(classes))]
        if len(outside):
            raise InputError(f"labels: expected 0 to {len(classes) - 1} for {len(classes)} classes, found {outside[0]}")
        return labels.astype(np.int64), classes
    texts = [str(int(label)) for label in labels] if whole else [str(label) for label in labels]
    names = classes or tuple(natural_order(texts))
    numbers = {text: number for number, text in enumerate(names)}
    missing = [text for text in texts if text not in numbers]
    if missing:
        raise InputError(f"labels: '{missing[0]}' is not one of the classes {', '.join(names)}")
    return np.array([numbers[text] for text in texts], dtype=np.int64), names


def split_names(splits: npt.NDArray[Any]) -> Strings:
    if splits.dtype == np.bool_:
        return np.where(splits, "test", "train")
    if not all(isinstance(split, str) for split in splits.tolist()):
        raise InputError(f"splits: expected {', '.join(SPLITS)}, or True for test; found dtype {splits.dtype}")
    return splits.astype(np.str_)
