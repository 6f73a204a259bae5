"""What settings must satisfy, said in one way: `PLACE.key: expected ..., found ...`."""

from __future__ import annotations

from collections.abc import Mapping

from crossdistill.types import InputError


def require_above_zero(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value that is not above 0; place: what precedes its name, such as `model.`.

    >>> require_above_zero({"width": 0}, "model.")
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: model.width: expected above 0, found 0
    """
    for key, value in values.items():
        if not value > 0:
            raise InputError(f"{place}{key}: expected above 0, found {value}")


def require_at_least_zero(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value below 0."""
    for key, value in values.items():
        if not value >= 0:
            raise InputError(f"{place}{key}: expected 0 or more, found {value}")


def require_probability(values: Mapping[str, float], place: str = "") -> None:
    """Raise InputError for the first value outside [0, 1)."""
    for key, value in values.items():
        if not 0 <= value < 1:
            raise InputError(f"{place}{key}: expected a probability below 1, found {value}")
