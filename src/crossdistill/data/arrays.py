"""What somebody gives as numbers or sequences, as NumPy has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def array_of(values: Any) -> Array:
    """As an array, masked where a number is, in arrays of a list too; of a table with pandas' own types, NaN where it
    has NA, which NumPy would make objects of."""
    if _holds_masked(values):
        return values if isinstance(values, np.ma.MaskedArray) else np.ma.stack(values)
    if isinstance(values, list | tuple):
        values = [_plainer(value) for value in values]
    array = np.asarray(_plainer(values))
    if _holds_arrays(array):
        return _stacked(array)
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


def unmasked(values: Any) -> Any:
    """Masked numbers as NaN, other masked things as None, not what lies below the mask: of an array, or of arrays in a
    list. Anything else as it is."""
    if isinstance(values, np.ma.MaskedArray):
        if not np.ma.is_masked(values):
            return values.data
        if values.dtype.kind in "biuf":
            return np.ma.filled(values.astype(np.float64), np.nan)
        return objects_of(values)
    return [unmasked(item) for item in values] if _holds_masked(values) else values


def objects_of(masked: np.ma.MaskedArray[Any, Any]) -> Array:
    """What a masked array holds as Python's objects, None where it is masked."""
    objects = masked.data.astype(object)
    objects[np.ma.getmaskarray(masked)] = None
    return objects


def _holds_arrays(array: Array) -> bool:
    """Whether these are arrays or lists in an array of objects, as pandas has lists from a Parquet file."""
    return array.dtype == object and array.ndim == 1 and len(array) > 0 and all(map(holds_numbers, array))


def _stacked(arrays: Array) -> Array:
    """One array of those in an array of objects; as it is where they do not have one shape."""
    items = [array_of(item) for item in arrays]
    return np.stack(items) if len({item.shape for item in items}) == 1 else arrays


def _plainer(value: Any) -> Any:
    """A picture of Pillow's, or a tensor, as its numbers; anything else as it is."""
    if is_tensor(value):
        return np.asarray(detached(value))
    return pixels_of(value) if is_picture(value) else value


def is_picture(value: Any) -> bool:
    """Whether this is a picture of Pillow's."""
    return has_method(value, "getbands")


def pixels_of(picture: Any) -> Array:
    """The numbers (H, W, C) of one of Pillow's pictures: a grey one has one colour, and one with a palette the colours
    that it shows, whose places in the palette are no brightness."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if picture.mode == "PA" or "transparency" in picture.info else "RGB")
    pixels: Array = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def detached(values: Any) -> Any:
    """A tensor, on any device and with or without a gradient, as one that NumPy takes; anything else as it is."""
    if not is_tensor(values):
        return values
    values = values.detach().cpu()
    return values.float() if str(values.dtype) == "torch.bfloat16" else values


def without_tensors(values: Any) -> Any:
    """A tensor, or those in a list, as NumPy's arrays and numbers; anything else as it is."""
    if isinstance(values, list | tuple):
        return [without_tensors(value) for value in values] if any(map(is_tensor, values)) else values
    return np.asarray(detached(values))[()] if is_tensor(values) else values


def is_tensor(value: Any) -> bool:
    """Whether this is a tensor of PyTorch's, which need not be imported for that."""
    return has_method(value, "detach")


def has_method(value: Any, name: str) -> bool:
    """Whether things of this type have such a method. A table has its columns for attributes, too, whatever they are
    called."""
    return callable(getattr(type(value), name, None))


def _holds_masked(values: Any) -> bool:
    """Whether this is a masked array, or a list or array of objects with one in it; NumPy drops their masks."""
    if isinstance(values, np.ma.MaskedArray):
        return True
    holds = isinstance(values, list | tuple) or (
        isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1
    )
    return holds and any(isinstance(item, np.ma.MaskedArray) for item in values)


def listed(values: Any) -> Any:
    """The list of what an array, or a table's column, holds as objects, such as sequences: arrays of lists and of
    arrays of arrays, None where there is a gap; a list, with what such arrays hold. Anything else as it is."""
    if isinstance(values, list | tuple):
        return [array_of(item) if holds_objects(item) else item for item in values]
    if not holds_objects(values):
        return values
    return [array_of(item) if holds_numbers(item) else None if is_gap(item) else item for item in values]


def holds_objects(values: Any) -> bool:
    """Whether this is an array, or a table's column, of objects."""
    return getattr(getattr(values, "dtype", None), "kind", "") == "O" and np.ndim(values) == 1


def holds_numbers(item: Any) -> bool:
    """Whether this may be a sample of several numbers: an array, a tensor or a list."""
    return isinstance(item, list | tuple | np.ndarray) or is_tensor(item)


def is_gap(item: Any) -> bool:
    """Whether it stands for nothing: None, NaN, or pandas' NA or NaT."""
    if isinstance(item, float | np.floating):
        return bool(np.isnan(item))
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def _plain(column: Any) -> str:
    """NumPy's name of the type of a pandas column's numbers."""
    return str(getattr(column.dtype, "numpy_dtype", column.dtype))
