"""Whether a recipe's numbers make sense together, before anything is read or built."""

from __future__ import annotations

from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from crossdistill.methods import METHODS, load_plugins, unknown_method
from crossdistill.methods.base import Method
from crossdistill.plain import as_python, from_plain, of_type, to_plain
from crossdistill.recipes.cross_fitted import CROSS_FITTED, OUTPUTS, is_cross_fitted
from crossdistill.recipes.files import options_of
from crossdistill.recipes.recipe import Recipe
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.types import InputError

LONGEST_NAME = 200
"""Bytes of a recipe's name and of a configuration's folder: with a fold, a seed and an ending, a file's name has at
most 255."""


def check(recipe: Recipe) -> None:
    """Raise InputError for a number that no run can have, an unknown method, or one that the modalities do not suit."""
    load_plugins()
    from_plain(Recipe, to_plain(recipe))  # from Python, fields may be of any type
    if recipe.method not in METHODS:
        raise unknown_method(recipe.method)
    _require_method(recipe.method)
    _require_options(recipe)
    if recipe.data.task not in METHODS[recipe.method].tasks:
        able = ", ".join(name for name, kind in METHODS.items() if recipe.data.task in kind.tasks)
        raise InputError(f"method: {recipe.method} has no meaning for {recipe.data.task}; these have one: {able}")
    _require_names(recipe)
    if recipe.seed >= 1 << 63:
        raise InputError(f"seed: expected less than 2^63, found {recipe.seed}")
    if not recipe.data.target:
        raise InputError("data.target: expected at least one modality, found none")
    if twice := set(recipe.data.target) & set(recipe.data.auxiliary):
        raise InputError(f"data.auxiliary: {', '.join(sorted(twice))}: is a target modality already")
    numbers: dict[str, float] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "checkpoint_every": recipe.checkpoint_every,
    }
    if recipe.evaluate_every != "auto":
        numbers["evaluate_every"] = recipe.evaluate_every
    require_above_zero(numbers)
    require_probability({"unlabelled_share": recipe.unlabelled_share})
    require_at_least_zero({"seed": recipe.seed, "auxiliary_epochs": recipe.auxiliary_epochs})
    require_at_least_zero({"checkpoint_minutes": recipe.checkpoint_minutes})
    for section in (recipe.data, recipe.model, recipe.optimization, recipe.machine):
        section.check()
    if not recipe.data.auxiliary and set(METHODS[recipe.method].views) - {"target"}:
        raise InputError(f"data.auxiliary: {recipe.method} learns from auxiliary modalities, found none; see baseline")
    if is_cross_fitted(recipe):
        _require_cross_fitted(recipe)
    if recipe.model.teacher in ("given", CROSS_FITTED):
        _require_outputs_enough(recipe)
    if recipe.model.teacher == "given":
        _require_given(recipe)


def _require_names(recipe: Recipe) -> None:
    """Raise InputError unless files can hold the recipe's name and label, and be called by the name."""
    for field, words in (("name", recipe.name), ("label", recipe.label)):
        if any("\ud800" <= character <= "\udfff" for character in words):
            raise InputError(f"{field}: expected text that a file can hold, found half a surrogate pair in {words!r}")
    count = len(recipe.name.encode())
    if count > LONGEST_NAME:
        raise InputError(f"name: expected at most {LONGEST_NAME} bytes, found {count}")
    if "\0" in recipe.name:
        raise InputError(f"name: expected text that a file can be called by, found {recipe.name!r}")


def _require_outputs_enough(recipe: Recipe) -> None:
    """Raise InputError unless the method can learn from a teacher of which there are the outputs alone."""
    if not METHODS[recipe.method].learns_outputs:
        able = ", ".join(name for name, kind in METHODS.items() if kind.learns_outputs)
        place = f"model.teacher: {recipe.model.teacher}"
        raise InputError(f"{place}: {recipe.method} reads more of a teacher than its outputs; these do not: {able}")


def _require_cross_fitted(recipe: Recipe) -> None:
    """Raise InputError where nobody could be taught so."""
    place = f"model.teacher: {CROSS_FITTED}"
    if recipe.data.task != "classification":
        raise InputError(f"{place}: has a meaning for classes alone, found data.task {recipe.data.task}")
    if recipe.machine.devices * recipe.machine.nodes > 1:
        raise InputError(f"{place}: trains its teachers in one process; set machine.devices and machine.nodes to 1")
    if OUTPUTS in (*recipe.data.target, *recipe.data.auxiliary):
        raise InputError(f"{place}: {OUTPUTS} is what its outputs are called; give the modality another name")


def _require_given(recipe: Recipe) -> None:
    """Raise InputError unless there is one modality that can be a teacher's outputs."""
    place = "model.teacher: given"
    if recipe.data.task == "regression":
        raise InputError(f"{place}: has a meaning for logits alone, found data.task regression")
    if len(recipe.data.auxiliary) != 1:
        found = ", ".join(recipe.data.auxiliary) or "none"
        raise InputError(f"{place}: expected the outputs as the one auxiliary modality, found {found}")
    if recipe.data.auxiliary[0] in recipe.model.encoders:
        raise InputError(f"model.encoders.{recipe.data.auxiliary[0]}: a given teacher's outputs have no encoder")


def _require_method(name: str) -> None:
    """Raise InputError unless the entry is a method that can be made of a model alone."""
    kind = METHODS[name]
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"METHODS[{name!r}]: expected a subclass of crossdistill.Method, found {kind!r}")
    if missing := [key for key in ("views", "predicts") if not hasattr(kind, key)]:
        raise InputError(f"METHODS[{name!r}]: {kind.__name__} does not say its {missing[0]}")
    if needed := [key for key, default in options_of(kind).items() if default is Parameter.empty]:
        raise InputError(f"METHODS[{name!r}]: {kind.__name__}: option {needed[0]} needs a default")


def _require_options(recipe: Recipe) -> None:
    """Raise InputError, naming it, for an option that the method does not have or whose value is of another type."""
    kind = METHODS[recipe.method]
    known = options_of(kind)
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in signature(kind).parameters.values())
    try:
        hints = get_type_hints(kind.__init__)
    except Exception:  # names of somebody's module that stand there for type checkers alone
        hints = {}
    for name, value in recipe.options.get(recipe.method, {}).items():
        place = f"{recipe.method}.{name}"
        if name not in known and not takes_any:
            raise InputError(f"{place}: not an option; there are {', '.join(known) or 'none'}")
        if _is_plain(hints.get(name)):
            of_type(hints[name], as_python(value), place)


def _is_plain(hint: Any) -> bool:
    """Whether it is made of numbers, texts and the like, which can be told apart."""
    if get_origin(hint) in (Union, UnionType):
        return all(map(_is_plain, get_args(hint)))
    return get_origin(hint) is Literal or hint in (bool, int, float, str, NoneType)
