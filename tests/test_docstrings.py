"""Every public function and class has an example in its docstring, and the example gives what it says."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import re
from pathlib import Path

import griffe
import pytest
import torch

from crossdistill.methods import Method

PACKAGES = [
    "crossdistill",
    "crossdistill.data",
    "crossdistill.encoders",
    "crossdistill.plain",
    "crossdistill.requirements",
    "crossdistill.losses",
    "crossdistill.methods",
    "crossdistill.models",
    "crossdistill.evaluation",
    "crossdistill.testing",
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_objects() -> list[tuple[str, str]]:
    """(package, name) of each function and class of the packages' `__all__`."""
    modules = {package: importlib.import_module(package) for package in PACKAGES}
    names = [(package, name) for package, module in modules.items() for name in module.__all__]
    return [(package, name) for package, name in names if is_documented_kind(getattr(modules[package], name))]


def is_documented_kind(item: object) -> bool:
    """Functions and classes; constants (METHODS, RECIPES, __version__) are named by the comment beside them."""
    return inspect.isfunction(item) or inspect.isclass(item)


@pytest.mark.parametrize(("package", "name"), public_objects())
def test_the_example_gives_what_it_says(package: str, name: str) -> None:
    """From nothing but its own imports, as a reader would copy it."""
    docstring = getattr(importlib.import_module(package), name).__doc__
    assert docstring, f"{package}.{name} has no docstring"
    test = doctest.DocTestParser().get_doctest(docstring, {}, f"{package}.{name}", None, None)
    assert test.examples, f"{package}.{name} has no example (>>>)"
    messages: list[str] = []
    with torch.random.fork_rng():
        failed, _ = doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=messages.append)
    assert not failed, "".join(messages)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_each_thing_once(package: str) -> None:
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


TABLES = ("parameters", "attributes")
REFERENCE = Path(__file__).parents[1] / "docs" / "api"
ENTRIES = [
    entry
    for page in sorted(REFERENCE.glob("*.md"))
    for entry in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def parameters_of(item: object) -> set[str]:
    """The names that a caller gives; a protocol and a warning have none. That every method takes a model, `Method`
    says."""
    is_warning = inspect.isclass(item) and issubclass(item, Warning)
    if not is_documented_kind(item) or getattr(item, "_is_protocol", False) or is_warning:
        return set()
    parameters = inspect.signature(item).parameters.values()  # type: ignore[arg-type]
    names = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    is_method = inspect.isclass(item) and issubclass(item, Method) and item is not Method
    return names - {"model"} if is_method else names


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_reference_has_a_row_for_each_argument(entry: str) -> None:
    """By its own name: as the site reads the docstring. Of what the library makes, fields are attributes."""
    item = named(entry)
    rows = rows_of(item, entry)
    shown = set(rows.get("parameters", ()))
    if dataclasses.is_dataclass(item) or hasattr(item, "_fields"):  # or a named tuple
        shown |= set(rows.get("attributes", ()))
    assert shown == parameters_of(item)


def named(entry: str) -> object:
    module, _, name = entry.rpartition(".")
    return getattr(importlib.import_module(module), name)


def rows_of(item: object, entry: str) -> dict[str, list[str]]:
    """Table -> the names in it, none of them twice. No error is told of outside its section."""
    sections = griffe.Docstring(inspect.getdoc(item) or "", lineno=1).parse("google", warnings=False)
    rows = {kind: [row.name for row in section.value] for section in sections if (kind := section.kind.value) in TABLES}
    for kind, names in rows.items():
        assert len(set(names)) == len(names), f"{entry}: {kind}: a name twice"
    prose = [section.value for section in sections if section.kind.value == "text"]
    assert not re.search(r"\bRaises \w+", " ".join(prose)), f"{entry}: an error among the prose"
    return rows


def public_methods() -> dict[str, tuple[type, str]]:
    """Class.method -> each that a public class, or one of ours that it inherits from, says itself."""
    classes = [getattr(importlib.import_module(package), name) for package, name in public_objects()]
    found = {}
    for item in [*classes, *map(named, ENTRIES)]:
        for kind in inspect.getmro(item) if inspect.isclass(item) else ():
            if kind.__module__.startswith("crossdistill"):
                found |= {f"{kind.__qualname__}.{name}": (kind, name) for name in vars(kind) if is_method(kind, name)}
    return found


def is_method(kind: type, name: str) -> bool:
    return not name.startswith("_") and inspect.isfunction(getattr(vars(kind)[name], "__func__", vars(kind)[name]))


METHODS = public_methods()


@pytest.mark.parametrize("method", METHODS)
def test_a_public_method_has_a_row_for_each_argument(method: str) -> None:
    """But for one that overrides another and says nothing: it means what that one says."""
    kind, name = METHODS[method]
    assert inspect.getdoc(getattr(kind, name)), f"{method} has no docstring"
    own = getattr(vars(kind)[name], "__func__", vars(kind)[name])
    if own.__doc__ is not None:
        given = set(inspect.signature(own).parameters) - {"self", "cls"}
        assert set(rows_of(own, method).get("parameters", ())) == given
