"""Labels that are no classes: which labels a sample has, any number of them, or the numbers that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import unmasked, without_tensors
from crossdistill.data.cells import shortened
from crossdistill.data.columns import float32_of
from crossdistill.data.labels import encode_labels
from crossdistill.data.named import as_frame
from crossdistill.types import UNLABELLED, InputError, TaskKind

Labels = npt.NDArray[Any]
"""(N,) int64 classes, -1 for none; (N, C) float32 of 0 and 1, or (N, K) float64 numbers, NaN rows for none."""

VALUE = "value"
"""What a number is called that has no name."""

OF_LISTS = "of lists of labels scikit-learn's MultiLabelBinarizer().fit_transform(labels) makes that"


def encode(
    labels: Sequence[Any] | npt.NDArray[Any], names: tuple[str, ...], task: TaskKind
) -> tuple[Labels, tuple[str, ...]]:
    """What `Batch.labels` holds of N samples, and the names of classes, labels or numbers. Raises InputError."""
    require_task(task)
    if task == "classification":
        return encode_labels(labels, names)
    labels = as_frame(labels)
    names = names or _columns_of(labels)
    values = _numbers(labels, task)
    if values.ndim == 1 and task == "regression":
        values = values[:, None]
    if values.ndim != 2 or not values.shape[1]:
        expected = "(N, C), 0 or 1 for each label" if task == "multilabel" else "(N,) or (N, K) numbers"
        raise InputError(f"labels: expected {expected}, found shape {values.shape}")
    names = names or _named(values.shape[1], task)
    if len(names) != values.shape[1] or len(set(names)) < len(names):
        raise InputError(f"classes: expected {values.shape[1]} distinct names, found {', '.join(names)}")
    if task == "multilabel":
        values = np.where((values == UNLABELLED).all(1)[:, None], np.nan, values)
    gaps = np.isnan(values)
    if len(partly := np.flatnonzero(gaps.any(1) & ~gaps.all(1))):
        raise InputError(f"labels: sample {partly[0]}: expected all of its {len(names)} entries or none, found some")
    known = values[~gaps.all(1)]
    if task == "multilabel" and not np.isin(known, (0, 1)).all():
        raise InputError(f"labels: expected 0 or 1 for each label, found {known[~np.isin(known, (0, 1))][0]:g}")
    if not np.isfinite(known).all():
        raise InputError("labels: expected finite numbers, found infinity")
    if not np.isfinite(float32_of(known)).all():
        found = known[~np.isfinite(float32_of(known))][0]
        raise InputError(
            f"labels: expected numbers within float32's range, found {found:g}; drop it, or give them in a larger unit"
        )
    if len(values) and not len(known):
        raise InputError("labels: expected some, found none: every sample is unlabelled")
    return values.astype(np.float32 if task == "multilabel" else np.float64), names


def require_task(task: str) -> None:
    """Raise InputError for a word that is no task."""
    if task not in get_args(TaskKind):
        raise InputError(f"task: expected one of {', '.join(get_args(TaskKind))}, found {task!r}")


def is_labelled(labels: Labels) -> npt.NDArray[np.bool_]:
    """(N,) True where a sample has a label."""
    return np.asarray(labels != UNLABELLED if labels.ndim == 1 else ~np.isnan(labels).any(1))


def without_label(labels: Labels, rows: npt.NDArray[np.int64]) -> Labels:
    """The labels, less those of these rows."""
    left = labels.copy()
    left[rows] = UNLABELLED if labels.ndim == 1 else np.nan
    return left


def no_labels(count: int, names: int, task: TaskKind) -> Labels:
    """The labels of so many samples that have none."""
    if task == "classification":
        return np.full(count, UNLABELLED, dtype=np.int64)
    return np.full((count, names), np.nan, dtype=np.float32 if task == "multilabel" else np.float64)


def _columns_of(labels: Any) -> tuple[str, ...]:
    """The names of a table's columns, of several that are told apart; none of anything else."""
    names = tuple(map(str, getattr(labels, "columns", ())))
    return names if len(names) > 1 and len(set(names)) == len(names) else ()


def _named(count: int, task: TaskKind) -> tuple[str, ...]:
    if task == "multilabel":
        return tuple(map(str, range(count)))
    return (VALUE,) if count == 1 else tuple(f"{VALUE}_{place}" for place in range(count))


def _numbers(labels: Sequence[Any] | npt.NDArray[Any], task: TaskKind) -> npt.NDArray[np.float64]:
    """As float64, None as NaN."""
    try:
        values = np.asarray(unmasked(without_tensors(labels)))
        if values.dtype.kind not in "OUSMmc":
            return values.astype(np.float64)
        if values.dtype.kind == "O":
            import pandas as pd  # whose own NA no number can be made of

            return np.where(pd.isna(values), np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        pass
    if task == "multilabel":
        raise InputError(
            f"labels: expected (N, C), 0 or 1 for each label (task multilabel), found {_first(labels)}; {OF_LISTS}"
        )
    raise InputError(f"labels: expected numbers (task {task}), found {_first(labels)}")


def _first(labels: Any) -> str:
    """The labels of the first sample, as an error shows them."""
    several = labels.iloc if hasattr(labels, "iloc") else labels
    row = several[0] if isinstance(labels, list | tuple) or getattr(labels, "ndim", 0) > 0 else labels
    return shortened(repr(row.tolist() if hasattr(row, "tolist") else row))
