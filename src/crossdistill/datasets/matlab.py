"""Reading numeric arrays of MATLAB files, of which SciPy's reader trusts every number that it finds."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.unpacking import require_inflatable
from crossdistill.extras import needed_for
from crossdistill.types import InputError, cause

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 12, 13))
_TEXTS = frozenset((16, 17, 18))
_CLASSES, _NUMERIC_CLASSES = range(1, 18), range(6, 16)
"""Of arrays: cells, structs, objects, characters, sparse ones; numbers; functions and what is opaque."""
_PARTS = {**dict.fromkeys(_NUMERIC_CLASSES, 4), 4: 4, 5: 6}
"""Class of an array -> of how many parts it is at least, flags, dimensions and name among them: numbers, characters,
sparse ones; one more where they are complex. Of all others 3."""
_COMPLEX = 0x0800
_DEEPEST = 16


class _DamageError(Exception):
    """What a file of version 5 cannot hold."""


def matlab_array(content: bytes, variable: str, ndim: int, file: str) -> npt.NDArray[Any]:
    """One numeric variable of a .mat file. Raises InputError: not a .mat file, no such variable, other dimensions."""
    with needed_for(f"{file}: a MATLAB file"):
        import scipy.io

    try:
        _require_sound(content, file)
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=[variable])
    except (InputError, MemoryError):
        raise
    except Exception as error:  # of damaged files SciPy's reader raises whatever its own code stumbles over
        raise InputError(f"{file}: cannot read it as a MATLAB file: {cause(error)}") from None
    array = variables.get(variable)
    if not isinstance(array, np.ndarray) or array.ndim != ndim or array.dtype.kind not in "biuf":
        actual = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else "nothing of that name"
        raise InputError(f"{file}: expected '{variable}', a numeric array of {ndim} dimensions, found {actual}")
    return array


def _require_sound(content: bytes, file: str) -> None:
    """Raise where an element of a file of version 5 is of no kind that there is: SciPy's compiled reader takes the kind
    for an index, and the process ends. Compressed ones must be whole, and not unfold beyond measure.

    Version 5 is a header of 128 bytes and a number of elements: kind, size, content. Version 4 begins with a zero, and
    is read by checked code.
    """
    if 0 in content[:4]:
        return
    order = "<" if content[126:128] == b"IM" else ">"  # as SciPy takes it
    for kind, element in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            require_inflatable(file, element)
            inside = list(_elements(zlib.decompress(element), order))
            if len(inside) != 1:
                raise _DamageError(f"a compressed variable of {len(inside)} elements")
            ((kind, element),) = inside
        if kind == _MATRIX:
            _require_sound_array(element, order, 0)


def _require_sound_array(content: bytes, order: str, depth: int) -> None:
    """An array is its flags, which name its class, dimensions, name and what it holds: numbers, texts, arrays."""
    if depth > _DEEPEST:
        raise _DamageError(f"arrays nested more than {_DEEPEST} deep")
    parts = list(_elements(content, order))
    (flags,) = struct.unpack(f"{order}I", parts[0][1][:4].ljust(4, b"\0")) if parts else (0,)
    array_class = flags % 256
    if array_class not in _CLASSES:
        raise _DamageError(f"an array of class {array_class}")
    complex_part = array_class in _PARTS and bool(flags & _COMPLEX)
    if len(parts) < _PARTS.get(array_class, 3) + complex_part:  # its reader would go on in what comes next
        raise _DamageError(f"an array of {len(parts)} parts")
    numeric = array_class in _NUMERIC_CLASSES
    for kind, element in parts:
        if kind == _MATRIX and not numeric:
            _require_sound_array(element, order, depth + 1)
        elif kind not in _NUMBERS and (numeric or kind not in _TEXTS):
            raise _DamageError(f"an array's part of kind {kind}")


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each element; small ones have both in 8 bytes, others begin at multiples of 8, but for
    compressed ones."""
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack(f"{order}II", content[place : place + 8])
        if kind >> 16:
            yield kind & 0xFFFF, content[place + 4 : place + 4 + min(kind >> 16, 4)]
            place += 8
            continue
        if place + 8 + size > len(content):
            raise _DamageError("it ends inside an element")
        yield kind, content[place + 8 : place + 8 + size]
        place += 8 + size + (-size % 8 if kind != _COMPRESSED else 0)
