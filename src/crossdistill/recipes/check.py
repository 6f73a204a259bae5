"""Whether a recipe's numbers make sense together, before anything is read or built."""

from __future__ import annotations

from crossdistill.methods import METHODS, load_plugins
from crossdistill.recipes.recipe import Recipe
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.types import InputError


def check(recipe: Recipe) -> None:
    """Raise InputError for a number that no run can have, an unknown method, or one that the modalities do not suit."""
    load_plugins()
    if recipe.method not in METHODS:
        raise InputError(f"method: expected one of {', '.join(METHODS)}, found {recipe.method!r}")
    numbers: dict[str, float] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "evaluate_every": recipe.evaluate_every,
        "checkpoint_every": recipe.checkpoint_every,
    }
    require_above_zero(numbers)
    require_probability({"unlabelled_share": recipe.unlabelled_share})
    require_at_least_zero({"seed": recipe.seed, "auxiliary_epochs": recipe.auxiliary_epochs})
    for section in (recipe.data, recipe.model, recipe.optimization, recipe.machine):
        section.check()
    if not recipe.data.auxiliary and set(METHODS[recipe.method].views) - {"target"}:
        raise InputError(f"data.auxiliary: {recipe.method} learns from auxiliary modalities, found none; see baseline")
