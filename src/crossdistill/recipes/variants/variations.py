"""`--vary KEY=LOW:HIGH:STEP`: one recipe for each value of an option or a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from crossdistill.methods import METHODS
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.files import options_of, with_fields
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.published import variation_label
from crossdistill.types import InputError

_LARGEST_VARIATION = 1000


def variations(recipe: Recipe, methods: Sequence[str], text: str) -> list[Recipe]:
    """One recipe for each value of KEY=LOW:HIGH:STEP or KEY=VALUE,VALUE,... and each method that has KEY.

    KEY: method.option, an option of any of the methods, or a field of the recipe, dotted where it is in a section.
    """
    key, values = parse_variation(text)
    section, _, option = key.rpartition(".")
    with_option = [method for method in methods if option in options_of(METHODS[method])]
    if key in ("method", "label", "role", "varied", "seed", "name", "data.fold", "data.target", "data.evaluate_on"):
        raise InputError(f"--vary {text}: {key} is not a setting to vary; see --methods, --seeds and --folds")
    if section in METHODS:
        fits, is_option = [section], True
    else:
        is_option = not section and key not in Recipe.__dataclass_fields__
        fits = with_option if is_option else list(methods)
    if not fits:
        raise InputError(f"--vary {text}: none of {', '.join(methods)} has an option {key}")
    recipes = []
    for method in fits:
        varied = f"{method}.{option}" if is_option else key
        for value in values:
            label = variation_label(method, option, value)
            labelled = replace(recipe, method=method, label=label, role="variation", varied=varied)
            try:
                recipes.append(with_fields(labelled, {varied: value}))
            except InputError as error:
                raise InputError(f"--vary {text}: {error}") from error
    return recipes


def parse_variation(text: str) -> tuple[str, list[Any]]:
    """The key and its values, numbers without rounding noise: 3.7:4.2:0.1 is 3.7, 3.8, ... 4.2."""
    key, equals, given = text.partition("=")
    if not (key.strip() and equals and given.strip()):
        raise InputError(f"--vary: expected KEY=LOW:HIGH:STEP or KEY=VALUE,VALUE,..., found {text!r}")
    if given.count(":") != 2:
        return key.strip(), [_value(value, text) for value in given.split(",")]
    try:
        low, high, step = (Decimal(number.strip()) for number in given.split(":"))
    except InvalidOperation:
        raise InputError(f"--vary {text}: expected numbers LOW:HIGH:STEP, found {given!r}") from None
    if not (low.is_finite() and high.is_finite() and step.is_finite() and step > 0 and high >= low):
        raise InputError(f"--vary {text}: expected LOW up to HIGH in steps above 0")
    if (high - low) / step >= _LARGEST_VARIATION:
        raise InputError(f"--vary {text}: expected at most {_LARGEST_VARIATION} values")
    numbers = [low + step * place for place in range(int((high - low) / step) + 1)]
    return key.strip(), [_value(f"{number:f}", text) for number in numbers]


def _value(given: str, text: str) -> Any:
    """A value as YAML reads it: a number, true, a word."""
    try:
        value = read_yaml(given)
    except ValueError as error:
        raise InputError(f"--vary {text}: cannot read the value {given!r}") from error
    if value is None and given.strip() != "null":
        raise InputError(f"--vary {text}: expected a value between commas, found none")
    return value
