"""What somebody gives by mistake, in one line each, where scikit-learn's words would not say which input it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from crossdistill.data.named import warn_of_indices
from crossdistill.estimator.modalities import Modalities, has_none, is_list_of_sequences
from crossdistill.types import InputError


def require_parameters(given: Mapping[str, Any]) -> None:
    """Raise InputError for parameters of another kind that nobody else looks at, or not by name."""
    early_stopping, verbose = given["early_stopping"], given["verbose"]
    if not isinstance(early_stopping, int) or early_stopping not in (0, 1):
        raise InputError(f"early_stopping: expected True or False, found {early_stopping!r}")
    if not isinstance(verbose, int | None) or (verbose or 0) < 0:
        raise InputError(f"verbose: expected a whole number from 0, found {verbose!r}")
    try:
        check_random_state(given["random_state"])
    except ValueError:
        expected = "a whole number from 0 to 4294967295, a numpy.random.RandomState or None"
        raise InputError(f"random_state: expected {expected}, found {given['random_state']!r}") from None


def drawn_seed(random_state: int | np.random.RandomState | None) -> int:
    """A whole number from any of scikit-learn's forms of a random state."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def require_samples(values: Any, name: str, axes: int = 0) -> None:
    """Raise InputError, naming the modality, for what no samples of numbers can be made of: nothing, times, texts,
    vectors of several lengths, a table with such columns. axes: that an array has at least."""
    if values is None:
        raise InputError(f"{name}: expected samples, found None")
    if has_none(values):
        row = next(row for row, sample in enumerate(values) if sample is None)
        raise InputError(f"{name}: row {row} is None; only auxiliary samples may be missing")
    if hasattr(values, "columns") and hasattr(values, "iloc"):
        _require_columns(values, name)
    if isinstance(values, list | tuple) and values:
        _require_items(values, name)
    require_no_times(values, name)
    kind = _kind(values)
    if kind in ("U", "S"):
        _require_items(values.ravel().tolist(), name)
    if kind and kind in "biufO" and 0 < np.ndim(values) < axes:
        raise InputError(
            f"{name}: expected samples of features, (N, F), found shape {np.shape(values)}; a single feature is "
            "values[:, None], of a table two brackets, table[['column']]"
        )


def require_no_times(values: Any, name: str) -> None:
    """Raise InputError, naming the input, for dates or durations, which could pass for numbers."""
    if _kind(values) in ("M", "m"):
        raise InputError(f"{name}: expected numbers, found {values.dtype}; {_OF_TIMES}")


def require_sequence(values: Any, name: str) -> None:
    """Raise InputError, naming the sample, for what is no sequence (T, F) of at least one step."""
    shape = np.shape(values)
    if len(shape) == 1:
        raise InputError(
            f"{name}: expected (time, features), found shape {shape}; a series of single numbers is x[:, None]"
        )
    if len(shape) == 2 and not shape[0]:
        raise InputError(f"{name}: expected at least one step, found none")


def warn_of_another_order(inputs: Mapping[str, Any], stacklevel: int = 3) -> None:
    """Warn where the rows of tables among the inputs have one index in two orders."""
    named = {called: value for name, given in inputs.items() for called, value in _by_modality(name, given).items()}
    warn_of_indices(named, stacklevel + 1)


_OF_TIMES = "make numbers of times, such as seconds since the first"


def _kind(values: Any) -> str:
    """NumPy's letter for the kind of an array's or a Series' numbers, "" for anything else."""
    return str(getattr(getattr(values, "dtype", None), "kind", ""))


def _by_modality(name: str, given: Any) -> dict[str, Any]:
    """What was given, each modality of several by its own name."""
    if isinstance(given, Modalities):
        given = given.by_name()
    return {f"{name}['{each}']": value for each, value in given.items()} if isinstance(given, dict) else {name: given}


def _require_columns(table: Any, name: str) -> None:
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise InputError(f"{name}: expected distinct column names, found {twice!r} more than once")
    import pandas as pd

    for column, dtype in zip(table.columns, table.dtypes, strict=True):
        if pd.api.types.is_numeric_dtype(dtype):
            continue
        found = f"{name}: expected numbers, found column {column!r} of {dtype}"
        if pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
            raise InputError(f"{found}; {_OF_TIMES}, or drop it")
        for value in table[column].astype(object):
            if value is not None and not _is_number(value):
                raise InputError(f"{found}, such as {value!r:.40}; encode it, as OneHotEncoder does texts, or drop it")


def _require_items(values: Any, name: str) -> None:
    """Of a list: one of sequences is looked at sample by sample."""
    if is_list_of_sequences(values):
        return
    if isinstance(text := next((item for item in values if isinstance(item, str | bytes)), None), str | bytes):
        raise InputError(
            f"{name}: expected numbers, found texts such as {text[:40]!r}; files and texts are learnt from a manifest, "
            "docs/media.md"
        )
    shapes = {np.shape(item) for item in values if hasattr(item, "shape")}
    if len(shapes) > 1 and {len(shape) for shape in shapes} == {1}:
        found = " and ".join(str(size) for (size,) in sorted(shapes)[:2])
        raise InputError(
            f"{name}: expected as many numbers of each sample, found {found}; a series of single numbers is a sequence "
            "(time, 1), x[:, None]"
        )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
