"""What somebody gives to the estimator, checked: arrays and sequences by modality, and which samples lack one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import detached, is_gap, listed, unmasked
from crossdistill.data.columns import ArrayColumn, Column, Rows, SequenceColumn
from crossdistill.data.dataset import column_of_texts, texts_in
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.named import as_frame
from crossdistill.data.reading import PartialColumn
from crossdistill.estimator.given import require_samples, require_sequence
from crossdistill.estimator.modalities import (
    Modalities,
    features_of,
    has_none,
    is_list_of_sequences,
    sliced,
    stacked,
)
from crossdistill.types import InputError

TARGET, AUXILIARY = "X", "auxiliary"
"""What modalities without a name are called, in errors and in the student that ships."""

Mask = npt.NDArray[np.bool_]


class Samples(NamedTuple):
    """A modality's N samples. present: (N,) bool; values: of those M that are there, an array, table or list; numbers:
    (M,) how errors number these."""

    values: Any
    present: Mask
    numbers: Rows

    def of(self, rows: Mask) -> Samples:
        """Those of the N samples that the mask marks."""
        kept = rows[self.present]
        return Samples(sliced(self.values, np.flatnonzero(kept)), self.present[rows], self.numbers[kept])


def checked_target(estimator: Any, X: Any, reset: bool) -> dict[str, Any]:
    """Modality -> its samples as numbers, of `X` in any form.

    Sets the estimator's n_features_in_ and feature_names_in_ where `reset`, and compares with them elsewhere. Raises
    ValueError, as scikit-learn words it, for NaN, infinity, other than numbers, no samples or other features.
    """
    from sklearn.utils.validation import validate_data

    X = stacked(unmasked(X), TARGET)
    require_samples(X, TARGET)
    if not _has_names(X) and not is_list_of_sequences(X) and getattr(X, "ndim", 2) < 3:
        array = validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32])
        return {TARGET: _table(array, _names_for_student(estimator, X, reset))}
    given = _by_name(X, TARGET)
    if not reset and _has_names(X):
        _require_same_modalities(given, estimator.student_.inputs)
    values = {name: _numbers(value, name) for name, value in given.items()}
    features = sum(features_of(value) for value in values.values())
    if reset:
        estimator.n_features_in_ = features
        vars(estimator).pop("feature_names_in_", None)
    elif not _has_names(X) and features != estimator.n_features_in_:  # else the student names the modality
        raise InputError(
            f"X has {features} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input"
        )
    return values


def _require_same_modalities(given: Collection[str], trained: Collection[str]) -> None:
    """Raise InputError where a modality of training is missing, or there is one that training did not have."""
    if list(trained) == [TARGET] and list(given) != [TARGET]:
        raise InputError(f"X: expected samples without a modality's name, as in fit, found {', '.join(given)}")
    expected = f"expected {', '.join(trained)} as in fit, found {', '.join(given)}"
    if missing := [name for name in trained if name not in given]:
        raise InputError(f"X lacks the modality {', '.join(missing)}: {expected}")
    if unknown := [name for name in given if name not in trained]:
        raise InputError(f"X has a modality that training did not have, {', '.join(unknown)}: {expected}; leave it out")


def _names_for_student(estimator: Any, X: Any, reset: bool) -> Any:
    """What the student is told that the columns of a table are called; None for nothing, and columns by their place.

    scikit-learn takes texts alone for names. A table's numbers are names to the student as well, where training had the
    same ones: else it would take its columns in another order for others.
    """
    if (texts := getattr(estimator, "feature_names_in_", None)) is not None:
        return texts
    names = getattr(as_frame(X), "columns", None)
    if reset or names is None or TARGET not in estimator.student_.inputs:
        return names
    return names if sorted(map(str, names)) == sorted(estimator.student_.inputs[TARGET].features) else None


def checked_auxiliary(auxiliary: Any, count: int) -> dict[str, Samples]:
    """Modality -> its samples, and which of the `count` samples have one: NaN everywhere, or None in a list, is none.

    Raises InputError where there are not as many as X has, or a sample is NaN in a part of its numbers.
    """
    named = _by_name(auxiliary, AUXILIARY)
    given = {name: _samples(stacked(unmasked(value), name), name) for name, value in named.items()}
    for name, samples in given.items():
        if len(samples.present) != count:
            raise InputError(
                f"{name}: expected as many samples as X, {count}, found {len(samples.present)}"
                + ("; scikit-learn slices crossdistill.Modalities, but no dict" if isinstance(auxiliary, dict) else "")
            )
    return given


def new_column(values: Any, name: str, numbers: Rows) -> Column:
    """The samples as a column to be trained on; a list of sequences is one of any length, even if all have the same.

    numbers: (N,) how errors number the samples
    """
    if texts := texts_in(values):
        return column_of_texts(name, texts, numbers)
    column = SequenceColumn if isinstance(values, list) else ArrayColumn
    return column(values, name, rows=numbers)


def auxiliary_column(samples: Samples, name: str, spec: InputSpec | None = None) -> Column:
    """The samples as a column that knows who lacks the modality; like `spec`, of training, where it is given."""
    if not samples.present.any():
        raise InputError(f"{name}: expected at least one sample that has it, found NaN or None in all")
    if spec is not None:
        column = column_of(spec, name, samples.values)
    else:
        column = new_column(samples.values, name, samples.numbers)
    return column if samples.present.all() else PartialColumn(column, samples.present)


def _has_names(X: Any) -> bool:
    return isinstance(X, Modalities) or (
        isinstance(X, Mapping) and not hasattr(X, "shape")
    )  # a sparse matrix may be one


def _by_name(given: Any, default: str) -> Mapping[str, Any]:
    if not _has_names(given):
        return {default: given}
    if not isinstance(given, Modalities) and not given:
        raise InputError(f"{default}: expected at least one modality, found none")
    return (given if isinstance(given, Modalities) else Modalities(given)).by_name()


def _numbers(values: Any, name: str) -> Any:
    """A modality that every sample has, as an array or table of numbers or a list of sequences."""
    require_samples(values, name)
    if is_list_of_sequences(values):
        return [_sequence(sequence, f"{name}: sequence {row}") for row, sequence in enumerate(values)]
    return _table(_array(values, name), getattr(values, "columns", None))


def _samples(values: Any, name: str, numbers: Rows | None = None) -> Samples:
    """A modality that samples may lack; numbers: (N,) how errors number them, where these are some of more."""
    if isinstance(values, list | tuple) and values and all(sample is None for sample in values):
        raise InputError(f"{name}: expected at least one sample that has it, found None in all")
    if texts := _texts(values):
        present = np.array([text is not None for text in texts])
        return Samples([text for text in texts if text is not None], present, _numbers_of(present, numbers))
    if is_list_of_sequences(values):
        present = np.array([sequence is not None and not _is_nothing(sequence) for sequence in values])
        there = _numbers_of(present, numbers)
        sequences = zip(there, np.flatnonzero(present), strict=True)
        return Samples([_sequence(values[row], f"{name}: sequence {n}") for n, row in sequences], present, there)
    if has_none(values):
        present = np.array([sample is not None for sample in values])
        rest = stacked([sample for sample in values if sample is not None], name)
        given = _samples(rest, name, _numbers_of(present, numbers))
        present[present] = given.present
        return Samples(given.values, present, given.numbers)
    require_samples(values, name, axes=2)
    array = _array(values, name, allow_nan=True)
    nan = np.isnan(array).reshape(len(array), -1)
    if len(partly := _numbers_of(nan.any(1) & ~nan.all(1), numbers)):
        raise InputError(
            f"{name}: row {partly[0]} is NaN in a part of its numbers; NaN in all of them says that the sample lacks "
            "the modality, else fill them in"
        )
    present = ~nan.all(1)
    return Samples(_table(array[present], getattr(values, "columns", None)), present, _numbers_of(present, numbers))


def _numbers_of(marked: Mask, numbers: Rows | None) -> Rows:
    """How errors number the samples that the mask marks."""
    return np.flatnonzero(marked) if numbers is None else numbers[marked]


def _texts(values: Any) -> list[str | None]:
    """The texts in a list, an array or a column of a table, None where a sample has none; nothing of anything else."""
    items = values if isinstance(values, list | tuple) else listed(values) if getattr(values, "ndim", 0) == 1 else []
    texts = [None if is_gap(item) else item for item in items]
    return texts if texts_in([text for text in texts if text is not None]) else []


def _is_nothing(sequence: Any) -> bool:
    """Whether a sequence has no step, or nothing but NaN."""
    sequence = detached(sequence)
    return np.size(sequence) == 0 or bool(np.isnan(np.asarray(sequence, dtype=np.float64)).all())


def _sequence(values: Any, name: str) -> Any:
    """One sequence as an array or table (T, F)."""
    values = as_frame(detached(values))
    require_sequence(values, name)
    return _table(_array(values, name), getattr(values, "columns", None))


def _array(values: Any, name: str, allow_nan: bool = False) -> npt.NDArray[Any]:
    """As an array of two or more axes of real numbers. Raises ValueError or TypeError, as scikit-learn words it."""
    from sklearn.utils import check_array

    array: npt.NDArray[Any] = check_array(
        values,
        dtype=[np.float64, np.float32],
        allow_nd=True,
        ensure_all_finite="allow-nan" if allow_nan else True,
        input_name=name,
    )
    return array


def _table(array: npt.NDArray[Any], columns: Any) -> Any:
    """The array under the names of the columns of the table that it was, so that the student knows them."""
    if columns is None or array.ndim != 2:
        return array
    import pandas as pd

    return pd.DataFrame(array, columns=list(map(str, columns)))
