"""How often training draws the samples of each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import UNLABELLED
from crossdistill.types import InputError


def with_class_weights(dataset: MultimodalDataset, weights: Mapping[str, float] | None = None) -> MultimodalDataset:
    """The data set whose labelled training samples are drawn in proportion to a weight of their class.

    weights: class -> above 0, 1 for classes without an entry; None: all classes come equally often. The samples' own
    weights are kept, by multiplication; samples without a label stay as they are, as their class is not known.
    Drawing does for every method what a weighted loss would do for some: contrasts, relations and banks see the
    classes in these proportions, too. Raises InputError for a class that the data set does not have.
    A recipe's `data.balanced` and `data.class_weights` do it.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_class_weights
    >>> data = from_arrays({"wrist": np.eye(4)}, ["rest", "rest", "rest", "fall"])
    >>> with_class_weights(data).weights.round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    >>> with_class_weights(data, {"fall": 5.0}).weights.tolist()
    [1.0, 1.0, 1.0, 5.0]
    """
    if dataset.task != "classification":
        raise InputError(
            f"data.balanced, data.class_weights: weigh classes, and {dataset.name} has none (task {dataset.task})"
        )
    each = _balancing(dataset) if weights is None else _by_number(dataset, weights)
    drawn = dataset.weights.copy() if len(dataset.weights) else np.ones(len(dataset))
    known = dataset.labels != UNLABELLED
    drawn[known] *= each[dataset.labels[known]]
    return replace(dataset, weights=drawn)


def _balancing(dataset: MultimodalDataset) -> npt.NDArray[np.float64]:
    """(C,) weights by which the training samples of each class, by the weights they have, add up to the same."""
    rows = dataset.labelled_rows("train")
    own = dataset.weights[rows] if len(dataset.weights) else np.ones(len(rows))
    totals = np.bincount(dataset.labels[rows], own, minlength=len(dataset.classes))
    there = totals > 0
    return np.where(there, own.sum() / (there.sum() * np.where(there, totals, 1)), 1.0)


def _by_number(dataset: MultimodalDataset, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    if unknown := sorted(set(weights) - set(dataset.classes)):
        known = ", ".join(dataset.classes[:20]) + (", ..." if len(dataset.classes) > 20 else "")
        raise InputError(f"data.class_weights: expected classes of {dataset.name} ({known}), found {unknown[0]!r}")
    return np.array([weights.get(name, 1.0) for name in dataset.classes])
