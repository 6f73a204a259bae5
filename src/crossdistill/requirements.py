"""What settings must satisfy, said in one way: `PLACE.key: expected ..., found ...`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from crossdistill.types import InputError

__all__ = ["require_above_zero", "require_at_least_zero", "require_probability"]


def require_above_zero(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value that is not above 0 or is infinite.

    place: what precedes its name, such as `model.`.

    For sizes, counts and rates in the `check` of a settings class, such as that of an encoder's kind of your own.

    >>> from crossdistill.requirements import require_above_zero
    >>> require_above_zero({"width": 0}, "model.")
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: model.width: expected above 0, found 0
    """
    for key, value in values.items():
        if not 0 < value < math.inf:
            what = "a number" if value > 0 else "above 0"
            raise InputError(f"{place}{key}: expected {what}, found {value}")


def require_at_least_zero(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value below 0, or infinite.

    For weights and other numbers that may switch something off.

    >>> from crossdistill.requirements import require_at_least_zero
    >>> require_at_least_zero({"weight_decay": 0.0, "momentum": -0.9}, "optimization.")
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: optimization.momentum: expected 0 or more, found -0.9
    """
    for key, value in values.items():
        if not 0 <= value < math.inf:
            what = "a number" if value > 0 else "0 or more"
            raise InputError(f"{place}{key}: expected {what}, found {value}")


def require_probability(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value outside [0, 1).

    For dropout, of which 1 would leave nothing.

    >>> from crossdistill.requirements import require_probability
    >>> require_probability({"dropout": 1.0}, "model.")
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: model.dropout: expected a probability below 1, found 1.0
    """
    for key, value in values.items():
        if not 0 <= value < 1:
            raise InputError(f"{place}{key}: expected a probability below 1, found {value}")
