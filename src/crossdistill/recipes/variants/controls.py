"""Every distilling method where its auxiliary inputs cannot help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from crossdistill.data.controls import Control
from crossdistill.methods import METHODS
from crossdistill.recipes.recipe import Recipe

_CONTROLS: Mapping[str, Control] = {
    "shuffled auxiliary": "shuffled",
    "noise auxiliary": "noise",
    "zeroed auxiliary": "zeroed",
    "capacity-matched": "target",
}
"""Words of a control's label -> the control of `data.control` that they stand for."""


def distils(method: str) -> bool:
    """Whether the method trains a student that ships with the help of auxiliary modalities."""
    kind = METHODS[method]
    return "target" in kind.predicts and bool({"auxiliary", "full"} & set(kind.views))


def controls(recipe: Recipe, method: str) -> list[Recipe]:
    """The method with each stand-in for its auxiliary inputs."""
    return [controlled(recipe, method, label) for label in _CONTROLS]


def controlled(recipe: Recipe, method: str, label: str) -> Recipe:
    """The method with one stand-in for its auxiliary inputs, by its words."""
    control = _CONTROLS[label]
    return replace(
        _with_target_encoders(recipe) if control == "target" else recipe,
        method=method,
        label=f"{method}, {label}",
        role="control",
        varied="",
        data=replace(recipe.data, control=control),
    )


def _with_target_encoders(recipe: Recipe) -> Recipe:
    """The recipe whose auxiliary encoders are like those of the target modalities that stand in.

    Encoders that the recipe has no epochs to pre-train, as they were ready-made features, are trained with the rest.
    """
    target, given = recipe.data.target, recipe.model.encoders
    encoders = {name: encoder for name, encoder in given.items() if name not in recipe.data.auxiliary}
    for place, name in enumerate(recipe.data.auxiliary):
        if (source := target[place % len(target)]) in given:
            encoders[name] = given[source]
    treatment = recipe.model.auxiliary_encoders if recipe.auxiliary_epochs else "trained"
    return replace(recipe, model=replace(recipe.model, encoders=encoders, auxiliary_encoders=treatment))
