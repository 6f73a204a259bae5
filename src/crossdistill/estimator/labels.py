"""Labels as scikit-learn has them: which samples have none, the classes, and how much each sample counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import is_gap, objects_of, unmasked, without_tensors
from crossdistill.data.cells import shortened
from crossdistill.data.columns import Rows
from crossdistill.data.labels import (
    doubt_of_wrapped,
    is_blank,
    is_minus_one,
    is_mixed,
    objects_in,
    require_no_zero_characters,
    seems_a_class,
    seems_no_label,
)
from crossdistill.data.named import places_of
from crossdistill.data.targets import OF_LISTS, encode
from crossdistill.data.weights import balancing, label_factors
from crossdistill.estimator.given import require_no_times
from crossdistill.plain import as_python
from crossdistill.types import UNLABELLED, InputError

Array = npt.NDArray[Any]
ClassWeight = Mapping[Any, float] | str | None
_COLLECTIONS = (list, tuple, set, frozenset)


def as_labels(y: Any, owner: str) -> Array:
    """(N,) labels as an array. Raises ValueError for none at all and for several columns."""
    if y is None:
        raise InputError(f"{owner} requires y to be passed, but the target y is None")
    from sklearn.utils import column_or_1d

    y = without_tensors(y)
    if isinstance(y, np.ma.MaskedArray):
        y = objects_of(y) if np.ma.is_masked(y) else y.data
    if hasattr(y, "isna") and not isinstance(getattr(y, "dtype", None), np.dtype | None):  # pandas' own types
        missing, y = np.asarray(y.isna()), np.array(y.astype(object), dtype=object)
        y[missing] = None
    if isinstance(y, list | tuple):  # NumPy would make texts of all
        require_no_zero_characters("y", y)
        _require_one_kind(y)
        if is_mixed(y):
            y = objects_in([as_python(label) for label in y])
    labels: Array = column_or_1d(y, warn=True)
    return labels


def _require_one_kind(labels: Iterable[Any]) -> None:
    """Raise InputError for texts beside numbers; None, NaN and -1 are neither."""
    given = [as_python(label) for label in labels if not is_gap(label) and not is_minus_one(label)]
    texts = [label for label in given if isinstance(label, str)]
    others = [label for label in given if isinstance(label, int | float)]
    if texts and others:
        raise InputError(f"y: expected labels of one kind, found texts beside numbers: {texts[0]!r} and {others[0]!r}")


def as_indicators(y: Any) -> Array | None:
    """(N, C) float64 of 0 and 1, NaN in the rows of samples without a label, where y is such a matrix; else None.

    y: scikit-learn's indicator matrix, an array, a sparse one or a DataFrame of two or more columns; a row of -1, or of
    NaN, for a sample without a label. Raises InputError for other numbers.
    """
    try:
        given = np.asarray(y.toarray() if hasattr(y, "toarray") else unmasked(without_tensors(y)))
    except ValueError:  # no array at all; whoever wants classes says what is wrong with it
        given = np.empty(0)
    if given.ndim < 2 and isinstance(y, list | tuple) and y and all(isinstance(each, _COLLECTIONS) for each in y):
        raise InputError(
            f"y: expected (N,) labels or (N, C) of 0 and 1, found {shortened(repr(y[0]))} of sample 0; {OF_LISTS}"
        )
    if given.ndim != 2 or given.shape[1] < 2:
        return None
    return encode(given, (), "multilabel")[0].astype(np.float64)


def as_numbers(y: Any, owner: str) -> Array:
    """(N,) or (N, K) float64, NaN where there is no label. Raises ValueError for what no numbers are."""
    from sklearn.utils import assert_all_finite, check_array

    if y is None:
        raise InputError(f"{owner} requires y to be passed, but the target y is None")
    require_no_times(y, "y")
    numbers: Array = check_array(
        unmasked(without_tensors(y)),
        dtype=np.float64,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name="y",
        ensure_min_samples=0,
    )
    assert_all_finite(numbers, allow_nan=True, input_name="y")
    return numbers


def names_of(y: Any, count: int, default: str) -> tuple[str, ...]:
    """What the columns of y are called: a DataFrame's names, else their numbers; of a single one `default`."""
    if hasattr(y, "columns"):
        return tuple(map(str, y.columns))
    return (default,) if count == 1 else tuple(map(str, range(count)))


def in_training_order(y: Any, names: tuple[str, ...]) -> Any:
    """The columns of a DataFrame of several labels or numbers in the order of training's names, where it has these;
    anything else as it is, read by place, and a warning where names of both are others."""
    given = tuple(map(str, getattr(y, "columns", ())))
    numbered = tuple(map(str, range(len(names))))
    if len(given) < 2 or given == names or len(given) != len(names) or numbered in (names, given):
        return y
    if set(given) == set(names):
        return y.iloc[:, places_of("y", names, given)]
    warnings.warn(
        f"y: its columns {', '.join(given)[:200]} are taken for {', '.join(names)[:200]} of training, by their place",
        stacklevel=4,
    )
    return y


def sample_weights(sample_weight: Any, count: int) -> npt.NDArray[np.float64]:
    """(N,) how much each sample counts, at least 0, where no class weighs in."""
    from sklearn.utils.validation import _check_sample_weight

    if sample_weight is None:
        return np.ones(count)
    weights: npt.NDArray[np.float64] = _check_sample_weight(
        unmasked(sample_weight), range(count), dtype=np.float64, ensure_non_negative=True
    )
    return weights.copy()


def is_labelled(labels: Array, classes: Array) -> npt.NDArray[np.bool_]:
    """(N,) False where there is no label: NaN, None, a text that is empty or of spaces alone, and -1 unless it is one
    of the classes."""
    given = _is_given(labels)
    return given if UNLABELLED in classes.tolist() else given & ~_is_minus_one(labels)


def classes_of(labels: Array) -> Array:
    """The distinct labels (C,), sorted. Where -1 and 1 are all that there is, they are the two classes, with a warning.

    Raises ValueError for fewer than two classes, and for what no classes can be.
    """
    from sklearn.utils import assert_all_finite
    from sklearn.utils.multiclass import check_classification_targets

    given, minus_one = _is_given(labels), _is_minus_one(labels)
    known = labels[given & ~minus_one]
    if minus_one.any() and set(known.tolist()) == {1}:
        text = "y holds -1 and 1 alone, which are taken for two classes, not for samples without a label"
        warnings.warn(text, stacklevel=3)
        known = labels[given]
    if not len(known):
        raise InputError("y: expected labels, found none: every sample is unlabelled")
    if known.dtype == object and not any(isinstance(label, str) for label in known.tolist()):
        known = np.array(known.tolist())  # numbers that stood beside None
    if known.dtype == object:
        _require_one_kind(known.tolist())
    if known.dtype.kind == "f":
        assert_all_finite(known, input_name="y")
    if known.dtype.kind in "SmM":
        found = "bytes" if known.dtype.kind == "S" else f"{known.dtype}"
        raise InputError(f"y: expected texts or numbers, found {found}, such as {known[0]!r}; make texts of them")
    check_classification_targets(known)
    try:
        classes: Array = np.unique(known)
    except TypeError as error:
        raise InputError(f"y: expected labels of one kind, found texts beside numbers: {error}") from error
    if minus_one.any() and seems_a_class(classes, float(minus_one.mean())):
        warnings.warn(
            f"y: -1 is taken for no label in {minus_one.sum():,} of {len(labels):,} samples, beside the classes "
            f"{', '.join(map(str, classes.tolist()[:5]))}; where it is a class, give classes names or other numbers",
            stacklevel=3,
        )
    if doubt := doubt_of_wrapped(labels):
        warnings.warn(f"y: {doubt}", stacklevel=3)
    if len(classes) < 2:
        without = "; -1 stands for no label, so give classes other numbers" if minus_one.any() else ""
        raise InputError(f"y: expected at least two classes, found one class, {classes.tolist()[0]!r}{without}")
    return classes


def warn_of_gaps(classes: Array) -> None:
    """Warn of a class that looks like no label, as training would."""
    for label in classes.tolist():
        if seems_no_label(label):
            warnings.warn(
                f"y: {label!r} is taken for a class; of a sample without a label give None, NaN or an empty text",
                stacklevel=3,
            )


def classes_among(labels: Array, classes: Array) -> Array:
    """Those of the classes that these labels have. Raises InputError for fewer than two."""
    numbers = numbered(labels, classes)
    found: Array = classes[np.unique(numbers[is_labelled(labels, classes)])]
    if len(found) < 2:
        raise InputError(
            f"y: expected at least two classes among the samples with a weight above 0, found {found.tolist()}"
        )
    return found


def _is_given(labels: Array) -> npt.NDArray[np.bool_]:
    """(N,) False for NaN, None and a text that is empty or of spaces alone."""
    if labels.dtype.kind in "biu":
        return np.ones(len(labels), dtype=np.bool_)
    import pandas as pd

    given: npt.NDArray[np.bool_] = ~np.asarray(pd.isna(labels), dtype=np.bool_)
    if labels.dtype.kind in "OUT":
        given[given] = [not is_blank(label) for label in labels[given].tolist()]
    return given


def _is_minus_one(labels: Array) -> npt.NDArray[np.bool_]:
    """(N,) True for the number -1."""
    if labels.dtype.kind == "O":
        return np.array([is_minus_one(label) for label in labels.tolist()])
    if labels.dtype.kind in "if":
        return np.asarray(labels == UNLABELLED)
    return np.zeros(len(labels), dtype=np.bool_)


def numbered(labels: Array, classes: Array) -> Rows:
    """(N,) the labels' places among the classes, -1 for samples without one. Raises InputError for another label."""
    numbers = np.full(len(labels), UNLABELLED, dtype=np.int64)
    places = {label: place for place, label in enumerate(classes.tolist())}
    for row in np.flatnonzero(is_labelled(labels, classes)):
        label = as_python(labels[row])
        if label not in places:
            raise InputError(f"y: expected one of the classes {', '.join(map(str, places))}, found {label!r}")
        numbers[row] = places[label]
    return numbers


def weights_of(sample_weight: Any, class_weight: ClassWeight, labels: Array, classes: Array) -> npt.NDArray[np.float64]:
    """(N,) how much each sample counts, at least 0; of samples without a label no class weighs in."""
    weights = sample_weights(sample_weight, len(labels))
    _require_class_weight(class_weight)
    if class_weight is not None:
        labelled = is_labelled(labels, classes)
        numbers = numbered(labels, classes)[labelled]
        each = _each_class(class_weight, classes)
        weights[labelled] *= (balancing(numbers, weights[labelled], len(classes)) if each is None else each)[numbers]
    return weights


def weights_of_indicators(
    sample_weight: Any, class_weight: ClassWeight, indicators: Array, classes: Array
) -> npt.NDArray[np.float64]:
    """(N,) how much each sample counts, where samples have any number of labels.

    indicators: (N, C), rows of NaN for samples without a label; classes: (C,) what the columns are called
    """
    weights = sample_weights(sample_weight, len(indicators))
    _require_class_weight(class_weight)
    if class_weight is None:
        return weights
    labelled = ~np.isnan(indicators[:, 0])
    each = _each_class(class_weight, classes)
    weights[labelled] *= label_factors(indicators[labelled], weights[labelled], each)
    return weights


def _require_class_weight(class_weight: Any) -> None:
    """Raise InputError for what no weights of classes are."""
    if not (class_weight is None or isinstance(class_weight, Mapping)):
        if not isinstance(class_weight, str) or class_weight != "balanced":
            raise InputError(f"class_weight: expected a dict, 'balanced' or None, found {class_weight!r}")
    elif odd := [weight for weight in (class_weight or {}).values() if not _is_weight(weight)]:
        raise InputError(f"class_weight: expected numbers from 0, found {odd[0]!r}")


def _is_weight(weight: Any) -> bool:
    return isinstance(weight, Real) and 0 <= float(weight) < math.inf


def _each_class(class_weight: Mapping[Any, float] | str, classes: Array) -> npt.NDArray[np.float64] | None:
    """(C,) the weights of the classes, 1 of one without an entry; None where they are to be balanced."""
    if isinstance(class_weight, str):
        return None
    if unknown := [label for label in class_weight if label not in classes.tolist()]:
        raise InputError(f"class_weight: expected classes of y, {classes.tolist()}, found {unknown[0]!r}")
    return np.array([class_weight.get(label, 1.0) for label in classes.tolist()], dtype=np.float64)
