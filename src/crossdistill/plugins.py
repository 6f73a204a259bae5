"""Classes of other people: named `package.module:Class` in a recipe, or offered by installed packages' entry points."""

from __future__ import annotations

import importlib
import warnings
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from crossdistill.types import InputError, one_line

METHODS_GROUP, ENCODERS_GROUP = "crossdistill.methods", "crossdistill.encoders"


class PluginWarning(UserWarning):
    """A plug-in that is installed and cannot be used."""


@lru_cache(maxsize=2)
def entry_points_of(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of the installed packages, for one of the two groups."""
    return {point.name: point for point in entry_points(group=group)}


def load_entry_points(group: str) -> dict[str, Any]:
    """Name -> object of each entry point. One that cannot be imported is left out with a warning that names it."""
    objects: dict[str, Any] = {}
    for name, point in entry_points_of(group).items():
        try:
            objects[name] = point.load()
        except Exception as error:  # whatever another package's import does
            reason = one_line(error)[:200]
            text = f"plug-in {name} ({point.value}) cannot be imported: {reason}"
            warnings.warn(text, PluginWarning, stacklevel=2)
    return objects


def import_class(path: str, kind: type, place: str) -> type[Any]:
    """The class that `package.module:Class` names. Raises InputError, beginning with `place`, where there is none.

    Only a subclass of `kind` is given back, so that a run folder of somebody else cannot have anything else called.
    """
    module_name, _, name = path.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
        for part in name.split("."):
            value = getattr(value, part)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        reason = one_line(error)[:200]
        raise InputError(f"{place}: cannot import {path}: {reason}; is its folder on PYTHONPATH?") from error
    if not (isinstance(value, type) and issubclass(value, kind)):
        raise InputError(f"{place}: expected {path} to be a subclass of {kind.__module__}.{kind.__name__}")
    return value


def class_path(kind: type) -> str:
    """`package.module:Class`, by which `import_class` finds it again. Raises InputError for a class that it would not
    find: one that was defined inside a function or in the main script."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        raise InputError(f"{path}: cannot be imported again; define the class at the top of a module of its own")
    return path
