"""Text files of a run as plain values, so that what is wrong with one is said with its place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from crossdistill import plain_text, plain_yaml
from crossdistill.types import InputError, cause


def field_at(fields: Any, name: str) -> Any:
    """The value of a dotted name in nested mappings; None where there is none."""
    for part in name.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def number(value: Any) -> float:
    """A field's value as a number; NaN where it is none, or larger than any that a figure could show."""
    try:
        return float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        return math.nan


def read_yaml(path: Path, text: str) -> Any:
    """The plain values in a YAML file's text. Raises InputError, naming `path`."""
    try:
        return plain_yaml.read_yaml(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def read_json(path: Path, text: str, where: str = "") -> dict[str, Any]:
    """The JSON object in a text. Raises InputError, naming `path` and `where` in it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # the first also for numbers of more digits than Python takes
        reason = getattr(error, "msg", None) or f"{error}"[:160]
        raise InputError(f"{path}{where}: not valid JSON ({reason}); was the run cut off?") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}{where}: expected a JSON object, found {type(value).__name__}")
    return value


def read_text(path: Path) -> str:
    """A file's text. Raises InputError where it is none."""
    try:
        return plain_text.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {cause(error)}") from error
