"""Files of a run read field by field, with their types, so that what is wrong is said with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from crossdistill.types import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Fields:
    """A JSON object whose fields are read with their type; `path` names it in messages."""

    path: Path
    values: Mapping[str, Any]
    prefix: str = ""

    def get(self, key: str, kind: type[T]) -> T:
        value = self.values.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            actual = "nothing" if key not in self.values else repr(value)[:40]
            raise InputError(f"{self.path}: {self.prefix}{key}: expected {kind.__name__}, found {actual}")
        return value

    def number(self, key: str) -> float:
        """A float; null, which stands for NaN in strict JSON, is NaN."""
        value = self.values.get(key)
        if key in self.values and value is None:
            return math.nan
        return float(value) if type(value) is int else self.get(key, float)

    def within(self, key: str) -> Fields:
        return Fields(self.path, self.get(key, dict), f"{self.prefix}{key}.")

    def array(self, key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        try:
            array = np.asarray(self.get(key, list), dtype=np.float64)  # null becomes NaN
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.path}: {self.prefix}{key}: expected numbers, found something else") from error
        if array.shape != shape:
            raise InputError(f"{self.path}: {self.prefix}{key}: expected shape {shape}, found {array.shape}")
        return array


def field_at(fields: Any, name: str) -> Any:
    """The value of a dotted name in nested mappings; None where there is none."""
    for part in name.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def read_yaml(path: Path, text: str) -> Any:
    """The plain values in a YAML file's text. Raises InputError, naming `path`."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def read_json(path: Path, text: str, where: str = "") -> dict[str, Any]:
    """The JSON object in a text. Raises InputError, naming `path` and `where` in it."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}{where}: not valid JSON ({error.msg}); was the run cut off?") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}{where}: expected a JSON object, found {type(value).__name__}")
    return value


def read_text(path: Path) -> str:
    """A file's text. Raises InputError where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from error
