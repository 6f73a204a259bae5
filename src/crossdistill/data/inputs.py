"""What a modality's samples are, told once from the data; and columns of what somebody gives to be predicted."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from crossdistill.data.arrays import Array, array_of, listed
from crossdistill.data.cells import is_text_file
from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.folders import is_file, is_folder
from crossdistill.data.named import in_one_order
from crossdistill.data.readers import (
    READERS,
    CacheFolder,
    Clip,
    MediaColumn,
    PictureReader,
    ReaderSettings,
    TextColumn,
)
from crossdistill.data.readers.picture import as_pictures
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError

LOUDEST = 4.0
"""Above what a decoder's overshoot makes of samples in [-1, 1]; whole numbers of 16 bits lie far above."""

_NO_CACHE = CacheFolder(Path(os.devnull))
"""No folder of decoded frames: every file is read itself."""


@dataclass(frozen=True)
class InputSpec:
    """One modality's samples.

    kind: arrays, or files of video, sound or pictures, or texts; shape: of one sample, -1 first where lengths differ
    dtype: of the numbers that training read; reader: how files and texts are read, with the rate of sounds and the
    tokenizer; arrays have none
    features: the names of the columns of a table, or of sequences that are tables, in training's order; none for arrays
    """

    kind: Literal["array", "video", "audio", "picture", "text"]
    shape: tuple[int, ...]
    dtype: str = "float32"
    reader: ReaderSettings | None = None
    features: tuple[str, ...] = ()

    def check(self, place: str) -> None:
        """Raise InputError, naming `place`, for a shape, dtype or reader that there cannot be."""
        sizes = self.shape[1:] if self.shape[:1] == (-1,) and len(self.shape) > 1 else self.shape
        if not sizes or min(sizes) < 1:
            raise InputError(f"{place}.shape: expected sizes above 0, -1 first for any length, found {self.shape}")
        try:
            numbers = np.dtype(self.dtype).kind in "biuf"
        except (TypeError, ValueError, SyntaxError):
            numbers = False
        if not numbers:
            raise InputError(f"{place}.dtype: expected one of numbers, found {self.dtype!r}")
        self.reading.check(f"{place}.reader.")

    @property
    def reading(self) -> ReaderSettings:
        """How files are read; the defaults for arrays, of which none is read."""
        return self.reader if self.reader is not None else ReaderSettings()

    @property
    def is_sequence(self) -> bool:
        """Whether samples are sequences whose lengths differ."""
        return self.shape[0] == -1

    @property
    def is_tokens(self) -> bool:
        """Whether samples are numbers of tokens, which have no order."""
        return self.kind == "text" and np.dtype(self.dtype).kind in "iu"

    @property
    def is_counts(self) -> bool:
        """Whether samples are counts of a text's letters: vectors like any other."""
        return self.kind == "text" and not self.is_tokens

    def __str__(self) -> str:
        if self.kind == "array":
            return f"{self.dtype} of shape ({sizes_of(self.shape)})"
        if self.kind == "audio":
            return f"sound at {self.reading.rate} Hz"
        return {"video": "videos", "picture": "pictures", "text": "texts"}[self.kind]


def sizes_of(shape: Sequence[int]) -> str:
    """A sample's sizes in words."""
    return ", ".join("any length" if size == -1 else str(size) for size in shape)


def input_spec(column: Column) -> InputSpec:
    """What a column's samples are."""
    content = content_of(column)
    if isinstance(content, TextColumn):
        dtype = "int64" if content.settings.tokenizer else "float32"
        return InputSpec("text", column.shape, dtype, content.settings)
    if isinstance(content, MediaColumn):
        return InputSpec(content.reader.kind, column.shape, reader=content.reader.settings)
    features = content.features if isinstance(content, ArrayColumn | SequenceColumn) else ()
    return InputSpec("array", column.shape, str(getattr(content, "dtype", "float32")), features=features)


def column_of(spec: InputSpec, name: str, values: Any) -> Column:
    """The samples in `values`, one or a batch, as a column of a modality that is like `spec`.

    values: arrays, tensors or anything that becomes one; for sequences of different length a list of them; a DataFrame
    with a column for each feature, one of its rows or a list of these; paths of videos, sounds and pictures, texts, or
    lists of these. A sound may also be an array in [-1, 1] with its rate, (samples, rate), a picture one of Pillow's,
    or bytes (H, W, 3).
    Raises InputError, which says what was expected, for anything else.
    """
    try:
        return _column_of(spec, name, values)
    except InputError:
        raise
    except Exception as error:  # whatever an object raises that is asked for its numbers
        raise InputError(f"{name}: expected {spec}, found {_described(values)} ({error})") from error


def _column_of(spec: InputSpec, name: str, values: Any) -> Column:
    if spec.kind == "text":
        given = [values] if isinstance(values, str | os.PathLike) else _listed(name, spec, values)
        texts = [str(text) if _is_text(text) else Path(text) for text in given]
        places = [name if isinstance(text, Path) else f"{name}: text {row}" for row, text in enumerate(texts)]
        return text_column(spec, name, texts, places)
    if spec.kind in READERS and (paths := _paths(name, spec, values)) is not None:
        reader = READERS[spec.kind](spec.reading, _NO_CACHE)
        return MediaColumn([Clip(path, name) for path in paths], reader)
    if spec.kind == "picture" and (pictures := as_pictures(values)):
        return ArrayColumn(PictureReader(spec.reading, _NO_CACHE).of_pictures(pictures), name)
    if spec.kind == "audio":
        return SequenceColumn([_waveform(name, spec, value) for value in _waveforms(values)], name)
    values, _ = in_one_order(name, listed(values) if spec.is_sequence else values, spec.features)
    return _sequences(name, spec, values) if spec.is_sequence else _array(name, spec, values)


def text_column(spec: InputSpec, name: str, texts: Sequence[str | Path], places: Sequence[str]) -> TextColumn:
    """The texts, given as they are or as files, as training read them; places: how errors call each.

    Raises InputError where training had a tokenizer and the specification has none.
    """
    column = TextColumn(texts, places, spec.reading, f"{name}: tokenizer")
    if spec.is_tokens and not spec.reading.tokenizer:
        raise InputError(f"{name}: expected the tokenizer by which training read its texts, found none")
    if column.shape != spec.shape:
        raise InputError(f"{name}: expected samples of shape {spec.shape} as in training, found texts {column.shape}")
    return column


def _is_text(given: Any) -> bool:
    """Whether this is a text itself; a path, or a name such as a.txt, is that of a file with one, as in tables. A
    sentence may end so, unless there is such a file, or the folder that it would be in."""
    if not isinstance(given, str) or not is_text_file(given):
        return isinstance(given, str)
    path = Path(given)
    is_placed = path.parent != Path() and is_folder(path.parent)
    return bool(re.search(r"\s", given)) and not is_file(path) and not is_placed


def _paths(name: str, spec: InputSpec, values: Any) -> list[Path] | None:
    """The files that `values` names; None where it holds numbers."""
    single = isinstance(values, str | os.PathLike)
    items = [values] if single else values if isinstance(values, list | tuple) or _is_text_array(values) else []
    if not len(items) or not all(isinstance(item, str | os.PathLike) for item in items):
        return None
    for item in items:
        if not is_file(Path(item)):
            raise InputError(f"{name}: {str(item)[:200]}: no such file; expected {spec}")
    return [Path(item) for item in items]


def _is_text_array(values: Any) -> bool:
    return hasattr(values, "__array__") and np.asarray(values).dtype.kind in "OUT"


def _listed(name: str, spec: InputSpec, values: Any) -> Sequence[Any]:
    if isinstance(values, list | tuple) or _is_text_array(values):
        items = list(values)
        if items and all(isinstance(item, str | os.PathLike) for item in items):
            return items
    raise InputError(f"{name}: expected {spec}, found {_described(values)}")


def _waveforms(values: Any) -> list[Any]:
    """One sound or several, each an array (T,), (T, 1) or (1, T), or a pair of one and its rate."""
    if isinstance(values, list):
        return values
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[1]) == 0:
        return [values]
    array = array_of(values)
    if array.ndim == 2 and 1 not in array.shape:
        raise InputError(
            f"expected sounds of one channel, found an array of shape {array.shape}, which may be several or one in "
            "stereo; give a list of sounds, or (sounds, time, 1)"
        )
    return list(array) if array.ndim == 3 else [array]


def _waveform(name: str, spec: InputSpec, value: Any) -> Array:
    if isinstance(value, tuple) and len(value) == 2 and np.ndim(value[1]) == 0:
        value, rate = value
        if rate != spec.reading.rate:
            raise InputError(f"{name}: expected {spec}, found {rate} Hz; resample it, or give the file's path")
    array = _numbers(name, spec, value)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name}: expected {spec} of one channel, found an array of shape {array.shape}")
    if array.dtype.kind != "f" or np.abs(array).max() > LOUDEST:
        raise InputError(f"{name}: expected {spec} as fractions in [-1, 1], found {array.dtype} up to {array.max():g}")
    wanted = round(spec.reading.seconds * spec.reading.rate)
    if wanted and len(array) != wanted:
        raise InputError(
            f"{name}: expected {spec}, {wanted} samples as training cut them, found {len(array)}; give the file's "
            "path, which is cut in the same way"
        )
    return array[:, None]


def _sequences(name: str, spec: InputSpec, values: Any) -> Column:
    """One sequence (T, F), a batch of them of equal length (B, T, F), or a list whose lengths differ."""
    if isinstance(values, list | tuple) and any(np.ndim(value) == 2 for value in values):
        items = [_numbers(name, spec, value) for value in values]
    else:
        array = _numbers(name, spec, values)
        items = [array] if array.ndim == 2 else list(array)
    for item in items:
        if item.ndim == 2 and not len(item):
            raise InputError(f"{name}: expected {spec}, of at least one step, found a sample of shape {item.shape}")
        if item.ndim != 2 or item.shape[1] != spec.shape[1]:
            raise InputError(f"{name}: expected {spec}, one or a list of them, found a sample of shape {item.shape}")
    if not items:
        raise InputError(f"{name}: expected at least one sample, found none")
    return SequenceColumn(items, name)


def _array(name: str, spec: InputSpec, values: Any) -> Column:
    """One sample, or a batch of them along the first axis."""
    array = _numbers(name, spec, values)
    array = array[None] if array.shape == spec.shape else array
    array = array.reshape(-1, 1) if spec.shape == (1,) and array.ndim < 2 else array  # a number a sample
    if array.shape[1:] != spec.shape or array.ndim != len(spec.shape) + 1 or not len(array):
        raise InputError(f"{name}: expected {spec}, one or a batch of them, found an array of shape {array.shape}")
    return ArrayColumn(array, name)


def _numbers(name: str, spec: InputSpec, values: Any) -> Array:
    """As a NumPy array of numbers like those of training."""
    try:
        array = array_of(values)
    except Exception as error:
        raise InputError(f"{name}: expected {spec}, found {_described(values)}") from error
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputError(f"{name}: expected {spec}, found masked numbers; fill or drop them")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected {spec}, found {_described(values)} of dtype {array.dtype}")
    if spec.kind in ("video", "picture") and array.dtype.kind != "f":
        raise InputError(
            f"{name}: expected {spec} as their reader normalises them, found {array.dtype}; give the files' paths"
        )
    if spec.kind == "array" and np.dtype(spec.dtype).kind in "iu":
        _require_whole_numbers(name, spec, array)
    if spec.kind == "array" and np.dtype(spec.dtype).kind == "b" and not np.isin(array, (0, 1)).all():
        raise InputError(f"{name}: expected {spec}, found numbers other than 0 and 1, such as {_not_bool(array):g}")
    return array


def _require_whole_numbers(name: str, spec: InputSpec, array: Array) -> None:
    """Values on another scale than training's whole numbers would be misread without a word."""
    if array.dtype.kind == "f":
        raise InputError(
            f"{name}: expected {spec}, found {array.dtype}; training read whole numbers, and values on another scale "
            f"would be misread: convert them, e.g. with .astype('{spec.dtype}')"
        )
    limits = np.iinfo(spec.dtype)
    if array.size and array.dtype.kind != "b" and not (limits.min <= array.min() and array.max() <= limits.max):
        raise InputError(f"{name}: expected {spec}, found numbers from {array.min()} to {array.max()}")


def _not_bool(array: Array) -> float:
    """The first number that is neither 0 nor 1."""
    return float(array[~np.isin(array, (0, 1))][0])


def _described(values: Any) -> str:
    try:
        if hasattr(values, "shape"):
            return f"{type(values).__name__} of shape {tuple(values.shape)}"
        return f"{type(values).__name__} {repr(values)[:40]}"
    except Exception:  # an object whose repr fails
        return type(values).__name__
