"""MATLAB files: whole ones are what SciPy makes of them, and no damaged one ends the process."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from crossdistill.datasets.matlab import matlab_array
from crossdistill.types import InputError

VALUES = np.arange(24.0).reshape(2, 3, 4)
BESIDE = {
    "text": "words",
    "cells": np.array([1.0, "two", VALUES], dtype=object),
    "parts": {"a": VALUES, "deeper": {"b": "text", "c": np.array([[3]], dtype=np.int8)}},
    "flags": np.array([True, False]),
    "sparse": scipy.sparse.eye_array(3, format="csc"),
    "complex": VALUES[0] * 1j,
}


def saved(compressed: bool, **variables: object) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8"])
def test_numbers_of_every_kind_with_anything_beside_them(dtype: str, compressed: bool) -> None:
    content = saved(compressed, **BESIDE, x=VALUES.astype(dtype))
    array = matlab_array(content, "x", 3, "a.mat")
    np.testing.assert_array_equal(array, VALUES)
    assert array.dtype == dtype


def is_refused(content: bytes) -> bool:
    try:
        matlab_array(content, "x", 2, "a.mat")
    except InputError as error:
        return "\n" not in str(error)
    return False


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_with_any_byte_changed_is_read_or_refused(compressed: bool) -> None:
    """SciPy takes kinds for indices: in a file with one flipped bit the process ended by a segmentation fault."""
    content = saved(compressed, x=VALUES[0], **{name: BESIDE[name] for name in ("cells", "sparse", "complex", "text")})
    refused = 0
    for place in range(len(content)):
        for flip in (0x01, 0x08, 0x40, 0xFF):
            damaged = content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :]
            refused += is_refused(damaged)
    assert refused > 100


def test_a_kind_that_there_is_not_and_nesting_without_end_are_one_line() -> None:
    content = saved(False, x=VALUES[0])
    place = content.index((9).to_bytes(4, "little"), 170)
    with pytest.raises(InputError, match="an array's part of kind 16393"):
        matlab_array(content[:place] + (16393).to_bytes(4, "little") + content[place + 4 :], "x", 2, "a.mat")
    nested: object = VALUES
    for _ in range(40):
        nested = np.array([nested, 0], dtype=object)
    with pytest.raises(InputError, match="nested more than 16 deep"):
        matlab_array(saved(False, x=nested), "x", 2, "a.mat")
