"""Where a modality's samples live: an array, a list of sequences, .npy files; `fetch` makes tensors of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from crossdistill.data.arrays import Array, array_of
from crossdistill.data.named import in_one_order, require_distinct
from crossdistill.types import InputError, Modality, Padded, one_line

Rows = npt.NDArray[np.int64]

_EMPTY_CELL = "replace these values or, where the sample lacks the modality, leave the cell empty"

_CHUNK_VALUES = 1 << 22  # values checked at once, so that checking a large array needs little extra memory


class Column(Protocol):
    """One modality of N samples.

    shape: of one sample; the first entry is -1 where the samples are sequences of different length
    fetch: (B,) row numbers -> float32 (B, *shape), or `Padded` (B, T, F) zero-padded to the longest of the B
    Any class that offers these three is one: for samples that lie where no column of ours looks.

    >>> import numpy as np, torch
    >>> from crossdistill.data import Column, MultimodalDataset
    >>> class Squares:
    ...     shape = (1,)
    ...     def __len__(self): return 4
    ...     def fetch(self, rows): return torch.from_numpy(rows.astype(np.float32) ** 2)[:, None]
    >>> column: Column = Squares()
    >>> ids, splits, zeros = ("a", "b", "c", "d"), np.array(["train"] * 4), np.zeros(4, dtype=np.int64)
    >>> data = MultimodalDataset("squares", {"x": column}, zeros, ("any",), ids, splits, np.array(ids), zeros)
    >>> data.__getitems__([3, 1]).modalities["x"].tolist()
    [[9.0], [1.0]]
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def fetch(self, rows: Rows) -> Modality:
        """The samples of these rows, in this order: a tensor (B, ...), or `Padded` sequences of different length.

        Args:
            rows: (B,) int64
        """


class ArrayColumn:
    """An (N, ...) array of numbers of any real dtype, kept as it is (float16 and uint8 stay small in memory).

    name: how errors call it; features: the names of a table's columns, its own unless given; none for an array
    rows: (N,) how errors number the samples, where these are some of more; else by their places
    Tables or rows in a list take the order of the first one's columns.
    Raises InputError for other than numbers and for NaN or infinity: here, or for a memory-mapped array when the rows
    are fetched.

    >>> import numpy as np
    >>> from crossdistill.data import ArrayColumn
    >>> column = ArrayColumn(np.arange(6, dtype=np.uint8).reshape(3, 2))
    >>> column.shape, column.fetch(np.array([2, 0])).tolist()
    ((2,), [[4.0, 5.0], [0.0, 1.0]])
    """

    def __init__(
        self, array: npt.ArrayLike, name: str = "array", features: Sequence[str] = (), rows: Rows | None = None
    ) -> None:
        array, names = in_one_order(name, array, rows=rows)
        self.features = tuple(map(str, features)) or names
        require_distinct(name, self.features)
        self.array = array if isinstance(array, np.memmap) else array_of(array)
        self.name, self._rows = name, rows
        if self.array.ndim < 2 or 0 in self.array.shape[1:]:
            raise InputError(
                f"{name}: expected an array of shape (samples, features, ...), found {self.array.shape}; "
                "a single feature is (samples, 1)"
            )
        require_numbers(self.array, name, array)
        self.dtype = str(self.array.dtype)
        if not isinstance(self.array, np.memmap):
            step = max(1, _CHUNK_VALUES // int(np.prod(self.shape)))
            for start in range(0, len(self), step):
                _as_float32(self.array[start : start + step], range(start, start + step), self._place)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.array)

    def fetch(self, rows: Rows) -> Modality:
        """The samples of these rows (B, ...), float32, in this order.

        Args:
            rows: (B,) int64
        """
        return torch.from_numpy(_as_float32(self.array[rows], rows, self._place))

    def _place(self, row: int) -> str:
        return _row(self.name, row, len(self), self._rows)


class SequenceColumn:
    """N arrays (T_i, F) of numbers; T_i may differ, F may not. Raises InputError like `ArrayColumn`.

    features: the names of their columns where they are tables, their own unless given; none for arrays
    rows: (N,) how errors number the sequences, where these are some of more; else by their places

    `from_arrays` makes them of lists; for a data set that is put together by hand.

    >>> import numpy as np
    >>> from crossdistill.data import SequenceColumn
    >>> column = SequenceColumn([np.ones((4, 3)), np.ones((2, 3))])
    >>> batch = column.fetch(np.array([0, 1]))
    >>> column.shape, tuple(batch.values.shape), batch.lengths.tolist()
    ((-1, 3), (2, 4, 3), [4, 2])
    """

    def __init__(
        self,
        sequences: Sequence[npt.ArrayLike],
        name: str = "sequences",
        features: Sequence[str] = (),
        rows: Rows | None = None,
    ) -> None:
        sequences, names = in_one_order(name, sequences, rows=rows)
        self.features = tuple(map(str, features)) or names
        require_distinct(name, self.features)
        self.sequences = [array_of(sequence) for sequence in sequences]
        self.name, self._rows = name, rows
        if not self.sequences:
            raise InputError(f"{name}: expected at least one sequence, found none")
        for row, sequence in enumerate(self.sequences):
            require_numbers(sequence, self._place(row))
            _require_sequence(sequence.shape, self.sequences[0].shape, self._place(row))
            _as_float32(sequence[None], [row], self._place)
        self.dtype = str(np.result_type(*{sequence.dtype for sequence in self.sequences}))

    @property
    def shape(self) -> tuple[int, ...]:
        return (-1, self.sequences[0].shape[1])

    def __len__(self) -> int:
        return len(self.sequences)

    def fetch(self, rows: Rows) -> Modality:
        """The sequences of these rows, in this order, padded to the longest.

        Args:
            rows: (B,) int64
        """
        return pad([self.sequences[row].astype(np.float32) for row in rows])

    def _place(self, row: int) -> str:
        return _row(self.name, row, len(self), self._rows)


class FileColumn:
    """One .npy file per sample, read when fetched: stacked where all shapes are equal, else `Padded` from (T_i, F).

    places: how errors call each sample, e.g. its row and column in the manifest.
    Raises InputError for a missing or damaged file, pickled objects, shapes that do not fit, and, when fetched, for NaN
    and infinity.
    """

    def __init__(self, paths: Sequence[Path], places: Sequence[str]) -> None:
        self.paths, self.places = tuple(paths), tuple(places)
        shapes = [open_array(path, place).shape for path, place in zip(self.paths, self.places, strict=True)]
        self.dtype = str(open_array(self.paths[0], self.places[0]).dtype)
        if len(set(shapes)) == 1 and 0 not in shapes[0] and shapes[0]:
            self.shape: tuple[int, ...] = shapes[0]
            return
        for shape, place in zip(shapes, self.places, strict=True):
            _require_sequence(shape, shapes[0], place)
        self.shape = (-1, shapes[0][1])

    def __len__(self) -> int:
        return len(self.paths)

    def fetch(self, rows: Rows) -> Modality:
        samples = [self._sample(row) for row in rows]
        return pad(samples) if self.shape[0] == -1 else torch.from_numpy(np.stack(samples))

    def check(self) -> None:
        """Read every sample once, in little memory. Raises InputError for NaN and infinity."""
        for row in range(len(self)):
            _require_finite(partial(self._opened, row), row, self._place)

    def _opened(self, row: int) -> Array:
        return open_array(self.paths[row], self.places[row])

    def _sample(self, row: int) -> npt.NDArray[np.float32]:
        array = open_array(self.paths[row], self.places[row])
        fixed = slice(1 if self.shape[0] == -1 else 0, None)
        if array.ndim != len(self.shape) or array.shape[fixed] != self.shape[fixed] or 0 in array.shape:
            raise InputError(f"{self.places[row]}: {self.paths[row]} changed to shape {array.shape} while in use")
        sample: npt.NDArray[np.float32] = _as_float32(array[None], [row], self._place, _EMPTY_CELL)[0]
        return sample

    def _place(self, row: int) -> str:
        return f"{self.places[row]}: {self.paths[row]}"


class RowColumn:
    """Samples that are rows of .npy files (`video.npy#17`), read when fetched. Raises InputError like `FileColumn`."""

    def __init__(self, paths: Sequence[Path], rows: Sequence[int], places: Sequence[str]) -> None:
        numbers = {path: number for number, path in enumerate(dict.fromkeys(paths))}
        self.files, self.places = tuple(numbers), tuple(places)
        self.file_numbers = np.array([numbers[path] for path in paths], dtype=np.int64)
        self.row_numbers = np.array(rows, dtype=np.int64)
        first = [self.places[paths.index(path)] for path in self.files]
        shapes = [open_array(path, place).shape for path, place in zip(self.files, first, strict=True)]
        self.shape = tuple(shapes[0][1:])
        self.dtype = str(open_array(self.files[0], first[0]).dtype)
        for shape, place in zip(shapes, first, strict=True):
            if len(shape) > 1 and not shape[0]:
                raise InputError(f"{place}: expected an array of at least one row, found {shape}")
            if len(shape) < 2 or shape[1:] != self.shape or 0 in shape:
                features = ", ".join(map(str, self.shape)) or "features, ..."
                raise InputError(f"{place}: expected an array of shape (rows, {features}), found {shape}")
        for file, row, place in zip(self.file_numbers, rows, self.places, strict=True):
            if not 0 <= row < shapes[file][0]:
                cell = f"{self.files[file].name}#{row}"
                raise InputError(f"{place}: row out of range: expected #0 to #{shapes[file][0] - 1}, found {cell}")

    def __len__(self) -> int:
        return len(self.row_numbers)

    def fetch(self, rows: Rows) -> Modality:
        samples = np.empty((len(rows), *self.shape), dtype=np.float32)
        for file in np.unique(self.file_numbers[rows]):
            in_file = np.flatnonzero(self.file_numbers[rows] == file)
            wanted = rows[in_file]
            array = open_array(self.files[file], self.places[wanted[0]])
            numbers = array[self.row_numbers[wanted]]
            samples[in_file] = _as_float32(numbers, wanted, self.places.__getitem__, _EMPTY_CELL)
        return torch.from_numpy(samples)

    def check(self) -> None:
        """Read every sample once, in little memory. Raises InputError for NaN and infinity."""
        if np.prod(self.shape) > _CHUNK_VALUES:
            for row in range(len(self)):
                _require_finite(partial(self._opened, row), row, self.places.__getitem__)
            return
        step = max(1, _CHUNK_VALUES // int(np.prod(self.shape)))
        for start in range(0, len(self), step):
            self.fetch(np.arange(start, min(start + step, len(self))))

    def _opened(self, row: int) -> Array:
        sample: Array = open_array(self.files[self.file_numbers[row]], self.places[row])[self.row_numbers[row]]
        return sample

    def raw(self) -> Array:
        """All samples, as the files have them."""
        files = [open_array(path, self.places[0]) for path in self.files]
        return np.stack([files[file][row] for file, row in zip(self.file_numbers, self.row_numbers, strict=True)])


class KeptColumn:
    """Some rows of another column, read once and kept as float32: faster batches where they fit into memory.

    dtype: of the other column's numbers; files: those that it read, where it has some.
    """

    def __init__(self, column: FileColumn | RowColumn, rows: Rows, name: str) -> None:
        self.shape, self.dtype, self._length = column.shape, column.dtype, len(column)
        self.source = column
        self._position = np.full(len(column), -1, dtype=np.int64)
        self._position[rows] = np.arange(len(rows))
        values = column.fetch(rows)
        if isinstance(values, Padded):
            sequences = zip(values.values, values.lengths, strict=True)
            kept = [sequence[:length].numpy().copy() for sequence, length in sequences]
            self._kept: Column = SequenceColumn(kept, name)
        else:
            self._kept = ArrayColumn(values.numpy(), name)

    def __len__(self) -> int:
        return self._length

    def fetch(self, rows: Rows) -> Modality:
        positions = self._position[rows]
        if (positions < 0).any():
            raise KeyError(f"row {rows[positions < 0][0]} was not kept in memory")
        return self._kept.fetch(positions)


def _row(name: str, row: int, count: int, rows: Rows | None) -> str:
    """How errors call a sample, by its number among `rows` where they are given; where there is but one sample in all,
    its number says nothing."""
    if rows is not None:
        return f"{name}: row {rows[row]}"
    return f"{name}: row {row}" if count > 1 else name


def open_array(path: Path, place: str) -> Array:
    """The .npy file, memory-mapped. Raises InputError unless it is there, whole, and holds real numbers."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise InputError(f"{place}: file not found: {path}") from None
    except Exception as error:  # of damaged headers numpy raises whatever its own code stumbles over
        reason = one_line(error)
        raise InputError(f"{place}: cannot read {path} as a whole .npy file of numbers: {reason}") from None
    require_numbers(array, f"{place}: {path}")
    return array


def require_numbers(array: Array, place: str, table: Any = None) -> None:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputError(f"{place}: expected numbers everywhere, found masked ones; fill or drop them")
    if array.dtype.kind not in "biuf":
        dtypes = dict(getattr(table, "dtypes", {})) if hasattr(table, "columns") else {}
        odd = [
            f"column {name!r} of {dtype}" for name, dtype in dtypes.items() if getattr(dtype, "kind", "O") not in "biuf"
        ]
        raise InputError(f"{place}: expected real numbers, found {odd[0] if odd else f'dtype {array.dtype}'}")


def _require_sequence(shape: tuple[int, ...], first: tuple[int, ...], place: str) -> None:
    """Raise InputError unless shape is (T, F) with T and F at least 1 and F as in the first sample."""
    if len(shape) == 2 and not shape[0]:
        raise InputError(
            f"{place}: expected a sequence of at least one step, found {shape}; that a sample lacks the modality is "
            "said by an empty cell, or by `present` of from_arrays"
        )
    if len(shape) != 2 or 0 in shape or (len(first) == 2 and shape[1] != first[1]):
        features = first[1] if len(first) == 2 and first[1] else "features"
        raise InputError(f"{place}: expected a sequence of shape (time, {features}) like the others, found {shape}")


def float32_of(numbers: Array) -> npt.NDArray[np.float32]:
    """The numbers as a new float32 array, infinite where they are beyond float32."""
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float32)


def _as_float32(
    samples: Array, rows: Sequence[int] | Rows, place: Callable[[int], str], absent: str = ""
) -> npt.NDArray[np.float32]:
    """(B, ...) numbers as a new float32 array. Raises InputError naming `place(row)` of the first NaN or infinity.

    absent: what to do where a sample is NaN throughout, as one that lacks the modality may be
    """
    values = float32_of(samples)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0])
        advice = absent if absent and np.isnan(values[first]).all() else "replace or drop these values"
        raise InputError(f"{place(int(rows[first]))}: NaN or infinity (in float32); {advice}")
    return values


def _require_finite(opened: Callable[[], Array], row: int, place: Callable[[int], str]) -> None:
    """Raise InputError for NaN or infinity in a sample of any size, which is opened anew for each part: what was looked
    at of a mapped file does not stay in memory."""
    shape = opened().shape
    step = max(1, _CHUNK_VALUES // int(np.prod(shape[1:])))
    for start in range(0, shape[0], step):
        is_whole = step >= shape[0]
        _as_float32(opened()[None, start : start + step], [row], place, _EMPTY_CELL if is_whole else "")


def pad(sequences: Sequence[npt.NDArray[np.float32]]) -> Padded:
    """B arrays (T_i, F) -> values (B, max T_i, F), zero after each end, and lengths (B,) int64."""
    lengths = [len(sequence) for sequence in sequences]
    values = torch.zeros(len(sequences), max(lengths), sequences[0].shape[1])
    for row, sequence in enumerate(sequences):
        values[row, : len(sequence)] = torch.from_numpy(sequence)
    return Padded(values, torch.tensor(lengths))
