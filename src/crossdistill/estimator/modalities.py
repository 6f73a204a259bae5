"""Several modalities of the same samples, which scikit-learn slices by rows as it slices an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import (
    detached,
    holds_numbers,
    holds_objects,
    is_gap,
    is_picture,
    is_tensor,
    listed,
    pixels_of,
    unmasked,
)
from crossdistill.data.named import table_of_rows
from crossdistill.types import InputError


class Modalities:
    """Named modalities of N samples: arrays (N, ...), DataFrames, or lists of N sequences (T_i, F).

    Take it in place of a dict wherever scikit-learn cuts data into folds: `len` of a dict is its number of names, so
    that a dict is passed on whole. Indexed by rows (an integer array, a mask, a slice) it gives the same modalities of
    these rows; by a name, that modality; by one whole number, a dict of one sample.

    Args:
        modalities: name -> its samples; or each as an argument of that name

    Raises:
        InputError: no modality, or not as many samples of each.

    Example:
        >>> import numpy as np
        >>> from crossdistill import Modalities
        >>> both = Modalities(wrist=np.zeros((4, 6)), camera=[np.zeros((length, 3)) for length in (5, 2, 4, 7)])
        >>> both
        Modalities(wrist=(4, 6), camera=4 sequences)
        >>> len(both), both.shape, both.names
        (4, (4, 9), ('wrist', 'camera'))
        >>> both[[3, 0]]
        Modalities(wrist=(2, 6), camera=2 sequences)
        >>> both["camera"][1].shape
        (2, 3)
        >>> Modalities(wrist=np.zeros((4, 6)), camera=np.zeros((3, 2)))
        Traceback (most recent call last):
            ...
        crossdistill.types.InputError: expected as many samples of each modality, found 4 of wrist, 3 of camera
    """

    def __init__(self, modalities: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        self._values = {str(name): _listed(str(name), value) for name, value in {**(modalities or {}), **named}.items()}
        if not self._values:
            raise InputError("expected at least one modality, found none")
        counts = {name: _count(name, value) for name, value in self._values.items()}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise InputError(f"expected as many samples of each modality, found {found}")

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities' names, in the order in which they were given."""
        return tuple(self._values)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, F): the samples, and the features of all modalities together; of sequences, those of a step."""
        return len(self), sum(features_of(value) for value in self._values.values())

    def __len__(self) -> int:
        return len(next(iter(self._values.values())))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._values[key]
        rows = key[0] if isinstance(key, tuple) and key[1:] in ((), (Ellipsis,)) else key
        if isinstance(rows, tuple):
            raise InputError(f"expected rows or the name of a modality, found {key!r}")
        if isinstance(rows, int | np.integer):
            row = range(len(self))[rows]
            return {n: np.asarray(v)[row] if hasattr(v, "iloc") else v[row] for n, v in self._values.items()}
        indices = np.arange(len(self))[rows]
        return Modalities({name: sliced(value, indices) for name, value in self._values.items()})

    def by_name(self) -> dict[str, Any]:
        """Name -> samples, as a `Student` takes them."""
        return dict(self._values)

    def __repr__(self) -> str:
        described = (
            f"{name}={len(value)} {_called(value)}" if isinstance(value, list) else f"{name}={tuple(value.shape)}"
            for name, value in self._values.items()
        )
        return f"Modalities({', '.join(described)})"


def sliced(value: Any, indices: npt.NDArray[np.int64]) -> Any:
    """These rows of one modality: of a list, a table or an array."""
    if isinstance(value, list):
        return [value[row] for row in indices]
    return value.iloc[indices] if hasattr(value, "iloc") else value[indices]


def features_of(values: Any) -> int:
    """The features of one modality: the entries of the last axis."""
    listed = isinstance(values, list)
    shapes = [np.shape(detached(value)) for value in values if value is not None] if listed else [values.shape]
    return int(shapes[0][-1]) if shapes and shapes[0] else 0


def _listed(name: str, value: Any) -> Any:
    """A list of sequences, or of samples some of which are None, or an array of numbers; a table stays one, and rows of
    one become it."""
    value = table_of_rows(name, unmasked(of_objects(value)))
    if hasattr(value, "iloc"):
        return value
    if isinstance(value, list | tuple) and any(isinstance(item, str) for item in value):
        return [None if is_gap(item) else item for item in value]  # NumPy would make "nan" of a gap
    if is_list_of_sequences(value) or has_none(value):
        return list(value)
    return np.asarray(stacked(value, name))


def is_list_of_sequences(value: Any) -> bool:
    """Whether this is a list, or an array of objects, of arrays (T_i, F), None where a sample lacks the modality."""
    if isinstance(value, np.ndarray) and not (value.dtype == object and value.ndim == 1):
        return False
    if not isinstance(value, list | tuple | np.ndarray):
        return False
    return any(getattr(item, "ndim", 0) == 2 or _is_nested(item) for item in value)


def has_none(value: Any) -> bool:
    """Whether this is a list, or an array of objects, of samples some of which are None."""
    listed = isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1
    )
    return listed and any(item is None for item in value)


def stacked(value: Any, name: str) -> Any:
    """A list of pictures, arrays (H, W, C) or Pillow's, as one array, a list of a table's rows as a table, a tensor as
    one that NumPy takes, a Series of arrays as a list; anything else as it is. Raises InputError, naming the modality,
    where rows have other names, and where pictures are not of one size."""
    value = table_of_rows(name, of_objects(detached(value)))
    if isinstance(value, list | tuple) and any(map(is_tensor, value)):
        value = [detached(item) for item in value]
    if not isinstance(value, list | tuple) or not value or not all(_is_picture(item) for item in value):
        return value
    pictures = [pixels_of(item) if is_picture(item) else np.asarray(item) for item in value]
    if len(shapes := {picture.shape for picture in pictures}) > 1:
        found = ", ".join(map(str, sorted(shapes)[:3]))
        raise InputError(
            f"{name}: expected pictures of one size and as many colours, found {found}; resize and convert them"
        )
    return np.stack(pictures)


def of_objects(value: Any) -> Any:
    """The list of the samples where a Series, or an array, has arrays or lists as its objects, as pandas reads lists
    from Parquet, or where a list has them, None for NaN, NA and the like; anything else as it is."""
    is_list = isinstance(value, list | tuple)
    if not (is_list or holds_objects(value)) or not any(map(holds_numbers, value)):
        return value
    return [None if is_gap(item) else item for item in listed(value)]


def _is_picture(item: Any) -> bool:
    return getattr(item, "ndim", 0) == 3 or is_picture(item)


def _is_nested(item: Any) -> bool:
    """Whether this is a list of lists of numbers: a sequence without an array around it."""
    return isinstance(item, list | tuple) and len(item) > 0 and isinstance(item[0], list | tuple | np.ndarray)


def _called(values: list[Any]) -> str:
    return "sequences" if is_list_of_sequences(values) else "samples"


def _count(name: str, value: Any) -> int:
    if not isinstance(value, list) and value.ndim == 0:
        raise InputError(f"{name}: expected samples along the first axis, found {value!r}")
    return len(value)
