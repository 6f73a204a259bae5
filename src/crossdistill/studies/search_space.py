"""What is searched for a method, and recipes with values of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crossdistill.encoders.make import with_dropout
from crossdistill.methods import METHODS
from crossdistill.recipes.files import as_dict, leaves, options_in, with_fields
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import Choice, LogUniform, SearchSpace

SHARED: SearchSpace = {
    "optimization.learning_rate": LogUniform(3e-4, 1e-2),
    "optimization.weight_decay": LogUniform(1e-3, 0.3),
    "model.dropout": Choice((0.0, 0.1, 0.25, 0.4, 0.5)),
    "encoders.dropout": Choice((0.0, 0.1, 0.25, 0.4, 0.5)),
}
"""What every method has; `encoders.dropout` stands for the dropout of all encoders."""

Values = Mapping[str, Any]


def search_space(method: str) -> SearchSpace:
    """The shared settings for the baseline, its own options for any other method."""
    return SHARED if method == "baseline" else METHODS[method].search


def with_values(recipe: Recipe, method: str, values: Values) -> Recipe:
    """The recipe with options of the method, and dotted fields of its own, replaced."""
    options = {name: dict(given) for name, given in recipe.options.items()}
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name == "encoders.dropout":
            encoders = {key: with_dropout(encoder, value) for key, encoder in recipe.model.encoders.items()}
            recipe = replace(recipe, model=replace(recipe.model, encoders=encoders))
        elif "." in name:
            fields[name] = value
        else:
            options.setdefault(method, {})[name] = value
    return with_fields(replace(recipe, options=options), fields)


def present(recipe: Recipe, space: SearchSpace) -> dict[str, Any]:
    """The recipe's own values of what is searched; None where it does not say or they are out of range."""
    fields = dict(leaves(as_dict(recipe))) | options_in(recipe, recipe.method)
    dropouts = {float(encoder.settings.get("dropout", 0.0)) for encoder in recipe.model.encoders.values()} - {0.0}
    fields["encoders.dropout"] = min(dropouts) if dropouts else 0.0
    return {name: value if _within(kind, value := fields.get(name)) else None for name, kind in space.items()}


def _within(kind: LogUniform | Choice, value: Any) -> bool:
    if isinstance(kind, Choice):
        return value in kind.values
    return isinstance(value, int | float) and kind.low <= value <= kind.high
