"""Dataclasses to plain values and back: measures that are NaN, arrays, keys that are no names in Python."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import TypeAliasType

from crossdistill.plain import KEY, Measure, from_plain, to_plain, without_nan
from crossdistill.types import InputError


@dataclass(frozen=True)
class Measured:
    rate: Measure
    width: float
    shares: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    cosine: Measure = field(default=math.nan, metadata={KEY: "a/cosine"})


Number = TypeVar("Number", bound=np.generic)
Numbers = TypeAliasType("Numbers", np.ndarray[tuple[Any, ...], np.dtype[Number]], type_params=(Number,))


@dataclass(frozen=True)
class Aliased:
    """numpy.typing.NDArray is such an alias from numpy 2.5 on."""

    counts: Numbers[np.int64]


PLAIN = {"rate": 0.5, "width": 2.0, "shares": [0.5, 0.25], "counts": [[1, 2], [3, 4]], "a/cosine": 0.125}


def test_there_and_back() -> None:
    assert to_plain(from_plain(Measured, PLAIN)) == PLAIN
    read = from_plain(Measured, PLAIN)
    assert (read.cosine, read.shares.dtype, read.counts.dtype) == (0.125, np.float64, np.int64)


def test_arrays_under_an_alias_of_their_type() -> None:
    assert from_plain(Aliased, {"counts": [1, 2]}).counts.dtype == np.int64
    with pytest.raises(InputError, match="counts: expected whole numbers, found"):
        from_plain(Aliased, {"counts": [1.5]})


def test_null_is_nan_in_measures_and_in_arrays_of_floats_alone() -> None:
    read = from_plain(Measured, {**PLAIN, "rate": None, "shares": [None, 1], "a/cosine": None})
    assert math.isnan(read.rate)
    assert math.isnan(read.cosine)
    np.testing.assert_array_equal(read.shares, [math.nan, 1.0])
    assert without_nan(to_plain(read)) == {**PLAIN, "rate": None, "shares": [None, 1.0], "a/cosine": None}
    for name, message in (("width", "expected float, found None"), ("counts", "expected whole numbers, found None")):
        with pytest.raises(InputError, match=f"^here.{name}: {message}$"):
            from_plain(Measured, {**PLAIN, name: None}, "here")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rate", "fast", "rate: expected float, found 'fast'"),
        ("rate", 10**400, "rate: expected less than 2^63, found 1000"),
        ("a/cosine", "near", "a/cosine: expected float, found 'near'"),
        ("shares", [0.5, "half"], "shares: expected numbers, found"),
        ("shares", [0.5, True], "shares: expected numbers, found"),
        ("shares", 0.5, "shares: expected numbers, found 0.5"),
        ("counts", [1.0], "counts: expected whole numbers, found"),
        ("cosine", 0.5, "cosine: not a field; there are rate, width, shares, counts, a/cosine"),
    ],
)
def test_what_does_not_fit_is_named_by_its_key(name: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_plain(Measured, {**PLAIN, name: value})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("name", "kind"), [("rate", "float"), ("width", "float")])
def test_a_missing_value_is_named_with_its_type(name: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: expected {kind}, found nothing$"):
        from_plain(Measured, {key: value for key, value in PLAIN.items() if key != name})
