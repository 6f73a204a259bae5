"""Which samples are trained on and which are held out: folds, and validation samples for tuning."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import MultimodalDataset, require_splits
from crossdistill.data.labels import Strings, few_of
from crossdistill.data.targets import is_labelled, without_label
from crossdistill.extras import needed_for
from crossdistill.types import InputError

MEASURED = ("test", "validation")
"""The splits that tell what was learnt."""
_NAMED = 3
"""Classes that an error names; of more it says how many there are."""


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
        raise InputError(f"{dataset.place} has no fold {fold}; it has {has}")
    splits = np.where(dataset.folds == fold, "test", "train").astype("<U10")
    on_fold = replace(dataset, splits=_hold_out_unlabelled(dataset, splits, "test"))
    fix = "leave these samples out, or spread them over several folds"
    require_splits(on_fold, f": fold {fold} is tested, and outside of it no labelled sample is of the class; {fix}")
    return on_fold


def with_validation(
    dataset: MultimodalDataset, fraction: float, seed: int, hold_out_test: bool = True
) -> MultimodalDataset:
    """For tuning: train and validation rows alone; every test row becomes "held_out", unless they are to stay.

    A data set that brings validation rows keeps them. Otherwise about this fraction of the train rows becomes
    "validation", chosen from the seed, in proportion to the classes, and as strict as the test split: where no group is
    in both train and test, none is in both train and validation.
    Raises InputError where the classes or groups are too few for that.
    A recipe's `data.evaluate_on: validation` does it, and `data.choose_epoch_on: validation`.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_validation
    >>> data = from_arrays({"gyro": np.eye(12)}, [0, 1] * 6, splits=[False] * 8 + [True] * 4)
    >>> tuning = with_validation(data, fraction=0.25, seed=0)
    >>> [len(tuning.rows(split)) for split in ("train", "validation", "test", "held_out")]
    [6, 2, 0, 4]
    """
    if not 0 < fraction < 1:
        raise InputError(f"validation_fraction: expected above 0 and below 1, found {fraction}")
    splits = dataset.splits.astype("<U10")
    if hold_out_test:
        splits[splits == "test"] = "held_out"
    if not np.any(splits == "validation"):
        grouped = by_whole_groups(dataset)
        splits[_validation_rows(dataset, fraction, seed, grouped)] = "validation"
        if grouped:
            splits = _hold_out_unlabelled(dataset, splits, "validation")
    divided = replace(dataset, splits=splits)
    require_splits(divided)
    return divided


def require_groups_apart(dataset: MultimodalDataset, splits: Sequence[str] = MEASURED) -> None:
    """Raise InputError where a group of the training samples is in one of these splits, too: what a subject has in
    common would then pass for what was learnt."""
    trained = np.unique(dataset.groups[dataset.splits == "train"])
    for split in splits:
        rows = dataset.rows(split)
        shared = rows[np.isin(dataset.groups[rows], trained)]
        if len(shared):
            raise InputError(
                f"{dataset.place}: group '{dataset.groups[shared[0]]}' is in train and in {split} ({len(shared)} of "
                f"{len(rows)} {split} samples are of such groups), so {split} is no test of new ones; split by group, "
                "or allow it (data.allow_shared_groups)"
            )


def with_labels(dataset: MultimodalDataset, share: float, groups: int, seed: int) -> MultimodalDataset:
    """The data set with labels for a part of its training samples; the others lose theirs and stay.

    share: of the labelled training samples, of each class where there are any, at least one of each; groups: so many
    whole groups instead (0: no), drawn from the seed among those draws that have every class. An experiment's switch:
    what a label costs.
    Raises InputError where there are no such groups.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_labels
    >>> data = from_arrays({"wrist": np.eye(20)}, np.arange(20) % 2)
    >>> with_labels(data, 0.2, 0, seed=0).labels.tolist().count(-1)
    16
    """
    rows = dataset.labelled_rows("train")
    if groups:
        kept = rows[np.isin(dataset.groups[rows], _drawn_groups(dataset, rows, groups, seed))]
    elif share < 1:
        kept = _stratified(dataset.strata[rows], rows, share, seed)
    else:
        return dataset
    return replace(dataset, labels=without_label(dataset.labels, np.setdiff1d(rows, kept)))


def labelled_folds(dataset: MultimodalDataset, folds: int, seed: int) -> Rows:
    """(N,) which of so many folds each labelled training sample that has all modalities is in, -1 for all others: whole
    groups where none is on both sides of the data's own split and several have labels, else in proportion to the
    classes. Fewer folds where there are fewer groups, or samples of the largest class.

    Samples of a class that one fold alone has are in none: whoever learns from the other folds would not know it.
    Raises InputError for fewer than two folds.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays
    >>> from crossdistill.data.splits import labelled_folds
    >>> data = from_arrays({"gyro": np.eye(8)}, [0, 1, 0, 1, 0, 1, -1, -1])
    >>> np.bincount(labelled_folds(data, 3, seed=0) + 1).tolist()
    [2, 2, 2, 2]
    """
    rows = dataset.labelled_rows("train")
    rows = rows[dataset.present([*dataset.columns])[rows]]
    groups, strata = np.unique(dataset.groups[rows]), dataset.strata[rows]
    grouped = by_whole_groups(dataset) and len(groups) > 1
    largest = most_folds(strata)
    count = min(folds, len(groups) if grouped else len(rows), largest)
    if count < 2:
        raise InputError(
            f"{dataset.place}: expected labelled samples for two folds at least, two of some class, found {len(rows)}, "
            f"{largest} of the largest class"
        )
    fold: Rows = np.full(len(dataset), -1, dtype=np.int64)
    for number, (_, held_out) in enumerate(stratified_folds(strata, dataset.groups[rows], grouped, count, seed)):
        fold[rows[held_out]] = number
    for stratum in np.unique(strata):
        of_it = rows[strata == stratum]
        if len(np.unique(fold[of_it])) == 1:
            fold[of_it] = -1
    if len(kept := np.unique(fold[fold >= 0])) < 2:
        raise InputError(
            f"{dataset.place}: expected labelled samples of some class in two folds at least, found each class in one "
            f"{'group' if grouped else 'fold'} alone"
        )
    return np.where(fold < 0, -1, np.searchsorted(kept, fold))


def most_folds(strata: Rows) -> int:
    """As many as the largest stratum has samples (N,): of more, scikit-learn makes none."""
    return int(np.unique(strata, return_counts=True)[1].max(initial=0))


def stratified_folds(
    strata: Rows, groups: npt.NDArray[Any], grouped: bool, count: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """So many folds, at most `most_folds`, of samples of these strata (N,), of whole groups (N,) or not: the places of
    the samples outside and of those inside each. What a class that is rarer than the folds makes of them, the caller
    looks at."""
    with needed_for("folds"):
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of such a class
        return list(splitter.split(strata, strata, groups))


def _stratified(labels: Rows, rows: Rows, share: float, seed: int) -> Rows:
    random = np.random.default_rng([seed, 3])
    kept = [
        random.permutation(rows[labels == label])[: max(1, round(share * int((labels == label).sum())))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(kept))


def _drawn_groups(dataset: MultimodalDataset, rows: Rows, count: int, seed: int) -> Strings:
    """The groups that keep their labels. Consecutive seeds of one split take turns: while enough groups are left that
    none has drawn, no group is drawn again; of single groups, those that lack a class have no turn.
    All groups stand in one order whatever is tested, and a seed begins behind the first tested one, so that over folds
    of a group each, a seed draws every group equally often."""
    known, own = np.unique(dataset.groups[rows], return_inverse=True)
    if not 0 < count <= len(known):
        raise InputError(f"data.labelled_groups: expected at most the training split's {len(known)}, found {count}")
    classes = len(np.unique(dataset.strata[rows]))
    if count == 1:
        found = np.unique(np.stack([own, dataset.strata[rows]]), axis=1)[0]
        known = known[np.bincount(found, minlength=len(known)) == classes]
    turns = max(1, len(known) // count)
    cycle, turn = divmod(seed, turns)
    order: Strings = np.random.default_rng([cycle, 4]).permutation(np.unique(dataset.groups))
    measured = np.isin(order, dataset.groups[dataset.splits != "train"])
    order = np.roll(order, -int(measured.argmax()))
    in_turn: Strings = order[np.isin(order, known)][turn * count : (turn + 1) * count]
    random = np.random.default_rng([seed, 4])
    for drawn in (in_turn, *(random.permutation(known)[:count] for _ in range(1000))):
        if len(np.unique(dataset.strata[rows[np.isin(dataset.groups[rows], drawn)]])) == classes:
            return drawn
    raise InputError(f"{dataset.place}: data.labelled_groups: no {count} groups have samples of all {classes} classes")


def _hold_out_unlabelled(dataset: MultimodalDataset, splits: Strings, measured: str) -> Strings:
    """Splits in which what has no label, of a group that is measured, is not trained on, either."""
    groups = np.isin(dataset.groups, dataset.groups[splits == measured])
    return np.where(groups & ~is_labelled(dataset.labels), "held_out", splits)


def _validation_rows(dataset: MultimodalDataset, fraction: float, seed: int, grouped: bool) -> Rows:
    train = dataset.labelled_rows("train")
    labels, groups = dataset.strata[train], dataset.groups[train]
    try:
        held_out = _by_group(labels, groups, fraction, seed) if grouped else _by_class(labels, fraction, seed)
    except InputError:  # of what is not installed
        raise
    except ValueError as error:
        raise InputError(
            f"{dataset.place}: cannot take {fraction:g} of {len(train)} labelled train rows for validation, with "
            f"{_on_either_side(dataset, labels, groups if grouped else None, fraction)}; label more samples, or take "
            "another validation_fraction"
        ) from error
    lost = np.setdiff1d(labels[held_out], np.delete(labels, held_out))
    if len(lost):
        raise InputError(f"{dataset.place}: class '{dataset.classes[lost[0]]}' would be in validation but not in train")
    return train[held_out]


def _on_either_side(dataset: MultimodalDataset, labels: Rows, groups: Strings | None, fraction: float) -> str:
    """What both sides of a split of these labelled samples need, and why they cannot have it; groups: (N,) where none
    may be on both sides."""
    classes, counts = np.unique(labels, return_counts=True)
    has_classes = dataset.task == "classification"
    needed = f"one of each of {len(classes)} classes on either side" if has_classes else "one on either side"
    if has_classes and (alone := [f"'{dataset.classes[number]}'" for number in classes[counts == 1]]):
        return f"{needed}: of {few_of(alone, _NAMED)} there is one"
    if groups is not None:
        count = len(np.unique(groups))
        return f"{needed} and no group on both, of {count} group{'s' * (count > 1)}"
    held_out = math.ceil(fraction * len(labels))
    return f"{needed}: {held_out} would be for validation and {len(labels) - held_out} for training"


def by_whole_groups(dataset: MultimodalDataset) -> bool:
    """Whether no group is on both sides of the data's own split, so that none may be on both sides of another.

    Samples are of groups where two for training share one, be it a subject's one labelled recording and the others.
    Unlabelled recordings of those who are tested do not make the labelled ones' groups be on both sides.
    """
    train, labelled = dataset.rows("train"), dataset.labelled_rows("train")
    shared = np.intersect1d(dataset.groups[labelled], dataset.groups[dataset.rows("test")])
    return len(np.unique(dataset.groups[train])) < len(train) and not len(shared)


def _by_class(labels: Rows, fraction: float, seed: int) -> Rows:
    with needed_for("holding out samples"):
        from sklearn.model_selection import StratifiedShuffleSplit  # a second, and few runs need it

    splitter = StratifiedShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    held_out: Rows = next(splitter.split(labels, labels))[1]
    return held_out


def _by_group(labels: Rows, groups: Strings, fraction: float, seed: int) -> Rows:
    """One of about 1 / fraction folds of whole groups, of fewer where no class has so many samples."""
    folds = min(max(2, round(1 / fraction)), len(np.unique(groups)), most_folds(labels))
    return stratified_folds(labels, groups, True, folds, seed)[0][1]
