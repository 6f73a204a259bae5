"""Every public function and class has an example in its docstring, and the example gives what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest
import torch

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
