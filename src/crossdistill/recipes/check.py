"""Whether a recipe's numbers make sense together, before anything is read or built."""

from __future__ import annotations

from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError


def check(recipe: Recipe) -> None:
    """Raise InputError for a number that no run can have, or a modality that is both target and auxiliary."""
    optimization, encoders = recipe.optimization, recipe.model.encoders
    above_zero: dict[str, float] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "evaluate_every": recipe.evaluate_every,
        "checkpoint_every": recipe.checkpoint_every,
        "model.width": recipe.model.width,
        "machine.devices": recipe.machine.devices,
        "machine.nodes": recipe.machine.nodes,
        "optimization.learning_rate": optimization.learning_rate,
        "optimization.discriminator_learning_rate": optimization.discriminator_learning_rate,
        "optimization.clip_norm": optimization.clip_norm,
    }
    for name, encoder in encoders.items():
        sizes = {"width": encoder.width, "layers": encoder.layers, "hidden": encoder.hidden, "steps": encoder.steps}
        sizes |= {"channels": encoder.channels, "blocks": min(encoder.blocks, default=0)}
        above_zero |= {f"model.encoders.{name}.{key}": size for key, size in sizes.items()}
        if len(encoder.blocks) != 4:
            raise InputError(f"model.encoders.{name}.blocks: expected 4 numbers, found {len(encoder.blocks)}")
    for key, value in above_zero.items():
        if not value > 0:
            raise InputError(f"{key}: expected above 0, found {value}")
    at_least_zero: dict[str, float] = {
        "seed": recipe.seed,
        "data.windows": recipe.data.windows,
        "auxiliary_epochs": recipe.auxiliary_epochs,
        "machine.workers": recipe.machine.workers,
        "machine.threads": recipe.machine.threads,
        "optimization.weight_decay": optimization.weight_decay,
        "optimization.momentum": optimization.momentum,
        "optimization.ramp_epochs": optimization.ramp_epochs,
    }
    for key, value in at_least_zero.items():
        if value < 0:
            raise InputError(f"{key}: expected 0 or more, found {value}")
    dropouts = {"model.dropout": recipe.model.dropout}
    dropouts |= {f"model.encoders.{name}.dropout": encoder.dropout for name, encoder in encoders.items()}
    for key, value in dropouts.items():
        if not 0 <= value < 1:
            raise InputError(f"{key}: expected a probability below 1, found {value}")
