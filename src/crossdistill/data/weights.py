"""How often training draws the samples of each class, or of each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.targets import is_labelled
from crossdistill.types import InputError

Factors = npt.NDArray[np.float64]


def with_class_weights(dataset: MultimodalDataset, weights: Mapping[str, float] | None = None) -> MultimodalDataset:
    """The data set whose labelled training samples are drawn in proportion to a weight of their class.

    weights: class -> above 0, 1 for classes without an entry; None: all classes come equally often. The samples' own
    weights are kept, by multiplication; samples without a label stay as they are, as their class is not known.
    Where a sample has any number of labels, its weight is the product of theirs; None is then class-aware sampling
    (Shen, Lin, Huang 2016): a label is drawn, or "none of them", each equally often, and then a sample that has it.
    Drawing does for every method what a weighted loss would do for some: contrasts, relations and banks see the
    classes in these proportions, too. Raises InputError for a class that the data set does not have, and for numbers.
    A recipe's `data.balanced` and `data.class_weights` do it.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_class_weights
    >>> data = from_arrays({"wrist": np.eye(4)}, ["rest", "rest", "rest", "fall"])
    >>> with_class_weights(data).weights.round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    >>> with_class_weights(data, {"fall": 5.0}).weights.tolist()
    [1.0, 1.0, 1.0, 5.0]
    """
    if dataset.task == "regression":
        raise InputError(f"data.balanced, data.class_weights: weigh classes or labels, and {dataset.place} has numbers")
    drawn = dataset.weights.copy() if len(dataset.weights) else np.ones(len(dataset))
    known = is_labelled(dataset.labels)
    each = None if weights is None else _by_number(dataset, weights)
    if dataset.task == "multilabel":
        learnt = dataset.splits[known] == "train"
        drawn[known] *= label_factors(dataset.labels[known], np.where(learnt, drawn[known], 0.0), each)
    else:
        drawn[known] *= (_balanced(dataset) if each is None else each)[dataset.labels[known]]
    return replace(dataset, weights=drawn)


def label_factors(labels: npt.NDArray[Any], own: Factors, each: Factors | None) -> Factors:
    """(N,) by what the weights of samples with these labels (N, C), 0 or 1, are multiplied.

    own: (N,) their weights, 0 for those that training never draws; each: (C,) of the labels, None for balanced ones.
    """
    if each is not None:
        factors: Factors = np.where(labels > 0, each, 1.0).prod(1)
        return factors
    kinds = np.concatenate([labels > 0, ~(labels > 0).any(1, keepdims=True)], axis=1)  # the last: none of them
    return kinds @ _equal_shares(own @ kinds, own.sum())


def _equal_shares(totals: Factors, total: float) -> Factors:
    """What brings each of these sums to its share of the total, 1 for those that are 0."""
    there = totals > 0
    return np.where(there, total / (there.sum() * np.where(there, totals, 1)), 1.0)


def balancing(labels: npt.NDArray[np.int64], own: Factors, classes: int) -> Factors:
    """(C,) by what the weights `own` (N,) of samples of these classes (N,) are multiplied, so that those of each class
    add up to the same; 1 for a class that has none."""
    return _equal_shares(np.bincount(labels, own, minlength=classes).astype(np.float64), own.sum())


def _balanced(dataset: MultimodalDataset) -> Factors:
    """(C,) what balances the training samples by the weights that they have."""
    rows = dataset.labelled_rows("train")
    own = dataset.weights[rows] if len(dataset.weights) else np.ones(len(rows))
    return balancing(dataset.labels[rows], own, len(dataset.classes))


def _by_number(dataset: MultimodalDataset, weights: Mapping[str, float]) -> Factors:
    weights = {str(name): weight for name, weight in weights.items()}  # YAML reads True and 1 as no texts
    if unknown := sorted(set(weights) - set(dataset.classes)):
        known = ", ".join(dataset.classes[:20]) + (", ..." if len(dataset.classes) > 20 else "")
        raise InputError(f"data.class_weights: expected classes of {dataset.place} ({known}), found {unknown[0]!r}")
    return np.array([weights.get(name, 1.0) for name in dataset.classes])
