"""Which samples are trained on and which are held out: folds, and validation samples for tuning."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import MultimodalDataset, require_splits
from crossdistill.data.labels import Strings
from crossdistill.types import InputError


def with_fold(dataset: MultimodalDataset, fold: int) -> MultimodalDataset:
    """Test on one fold and train on all other rows; there is no validation split. Raises InputError: no such fold.

    For cross-validation; a recipe's `data.fold` does it.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_fold
    >>> data = from_arrays({"gyro": np.eye(6)}, [0, 1] * 3, folds=[0, 0, 1, 1, 2, 2])
    >>> with_fold(data, 1).rows("test").tolist()
    [2, 3]
    """
    known = np.unique(dataset.folds[dataset.folds >= 0])
    if fold not in known:
        has = ", ".join(map(str, known)) if len(known) else "no folds"
        raise InputError(f"{dataset.name} has no fold {fold}; it has {has}")
    on_fold = replace(dataset, splits=np.where(dataset.folds == fold, "test", "train"))
    require_splits(on_fold)
    return on_fold


def with_validation(dataset: MultimodalDataset, fraction: float, seed: int) -> MultimodalDataset:
    """For tuning: train and validation rows alone; every test row becomes "held_out".

    A data set that brings validation rows keeps them. Otherwise about this fraction of the train rows becomes
    "validation", chosen from the seed, in proportion to the classes, and as strict as the test split: where no group is
    in both train and test, none is in both train and validation.
    Raises InputError where the classes or groups are too few for that.
    A recipe's `data.evaluate_on: validation` does it.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_validation
    >>> data = from_arrays({"gyro": np.eye(12)}, [0, 1] * 6, splits=[False] * 8 + [True] * 4)
    >>> tuning = with_validation(data, fraction=0.25, seed=0)
    >>> [len(tuning.rows(split)) for split in ("train", "validation", "test", "held_out")]
    [6, 2, 0, 4]
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction of validation rows: expected above 0 and below 1, found {fraction}")
    splits: Strings = np.where(dataset.splits == "test", "held_out", dataset.splits).astype("<U10")
    if not np.any(splits == "validation"):
        splits[_validation_rows(dataset, fraction, seed)] = "validation"
    return replace(dataset, splits=splits)


def _validation_rows(dataset: MultimodalDataset, fraction: float, seed: int) -> Rows:
    train = dataset.rows("train")
    labels, groups = dataset.labels[train], dataset.groups[train]
    shared = np.intersect1d(groups, dataset.groups[dataset.rows("test")])
    grouped = len(np.unique(groups)) < len(train) and not len(shared)
    try:
        held_out = _by_group(labels, groups, fraction, seed) if grouped else _by_class(labels, fraction, seed)
    except ValueError as error:
        raise InputError(f"{dataset.name}: cannot take {fraction:g} of {len(train)} train rows: {error}") from None
    lost = np.setdiff1d(labels[held_out], np.delete(labels, held_out))
    if len(lost):
        raise InputError(f"{dataset.name}: class '{dataset.classes[lost[0]]}' would be in validation but not in train")
    return train[held_out]


def _by_class(labels: Rows, fraction: float, seed: int) -> Rows:
    from sklearn.model_selection import StratifiedShuffleSplit  # a second, and few runs need it

    splitter = StratifiedShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    held_out: Rows = next(splitter.split(labels, labels))[1]
    return held_out


def _by_group(labels: Rows, groups: Strings, fraction: float, seed: int) -> Rows:
    """One of about 1 / fraction folds of whole groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(max(2, round(1 / fraction)), len(np.unique(groups)))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the folds; the caller checks what matters
        held_out: Rows = next(splitter.split(labels, labels, groups))[1]
    return held_out
