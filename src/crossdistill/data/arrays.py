"""What somebody gives as numbers or sequences, as NumPy has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def array_of(values: Any) -> Array:
    """As an array; of a table with pandas' own types, NaN where it has NA, which NumPy would make objects of."""
    array = np.asarray(values)
    if array.dtype != object or not hasattr(values, "dtypes"):
        return array
    from pandas.api.types import is_numeric_dtype

    columns = [values] if array.ndim == 1 else [values.iloc[:, place] for place in range(array.shape[1])]
    if not all(is_numeric_dtype(column.dtype) for column in columns):
        return array
    plain = [
        column.to_numpy(dtype=np.float64, na_value=np.nan) if column.isna().any() else column.to_numpy(_plain(column))
        for column in columns
    ]
    return plain[0] if array.ndim == 1 else np.column_stack(plain)


def listed(values: Any) -> Any:
    """The list of what an array, or a table's column, holds as objects, such as sequences; anything else as it is."""
    return (
        list(values) if getattr(getattr(values, "dtype", None), "kind", "") == "O" and np.ndim(values) == 1 else values
    )


def _plain(column: Any) -> str:
    """NumPy's name of the type of a pandas column's numbers."""
    return str(getattr(column.dtype, "numpy_dtype", column.dtype))
