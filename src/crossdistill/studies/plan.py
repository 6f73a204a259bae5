"""What a comparison runs: from its options to labelled recipes, one for each configuration, seed and fold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from crossdistill.recipes.check import LONGEST_NAME, check
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.recipes.variants.ablations import ablations_of
from crossdistill.recipes.variants.controls import controls, distils
from crossdistill.recipes.variants.paper_tables import Rows
from crossdistill.recipes.variants.variations import variations
from crossdistill.types import InputError

RUNS = "runs"
"""The task of which each run of a plan that has finished is a step."""


def configurations(
    recipe: Recipe,
    methods: Sequence[str],
    with_ablations: bool = False,
    with_controls: bool = False,
    vary: Sequence[str] = (),
    printed: Sequence[Rows] = (),
) -> list[Recipe]:
    """The labelled recipes to compare: methods, ablations, controls, variations, and what else the paper's tables and
    figures `printed` are made of.

    Raises InputError where a variation cannot be understood or fits none of the methods, or a number is one that no
    run can have.
    """
    recipes = [as_method(recipe, method) for method in methods]
    if with_ablations:
        recipes += ablations_of(recipe, methods)
    if with_controls:
        recipes += [control for method in methods if distils(method) for control in controls(recipe, method)]
    for text in vary:
        recipes += variations(recipe, methods, text)
    for rows in printed:
        labels = {planned.label or planned.method for planned in recipes}
        recipes += [row for label, row in rows(recipe).items() if label not in labels]
    require_runnable(recipes)
    return recipes


def require_runnable(recipes: Sequence[Recipe]) -> None:
    """Raise InputError where a recipe has a number that no run can have, or asks for several processes."""
    for recipe in recipes:
        check(recipe)
        if recipe.machine.devices * recipe.machine.nodes > 1:
            raise InputError("machine.devices, machine.nodes: a comparison trains each run in one process; use --jobs")


def plan(recipes: Sequence[Recipe], seeds: int, folds: Sequence[int]) -> dict[str, Recipe]:
    """Folder name -> recipe, seed by seed, so that a comparison that is cut off is a smaller comparison.

    folds: to be tested in turn; empty for the recipe's own split. One CPU thread for each run unless the recipe says
    otherwise: so results do not depend on how many run at once. Raises InputError when two configurations have one
    label, or labels that make one folder.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, found {seeds}")
    _require_folders([recipe.label or recipe.method for recipe in recipes])
    runs: dict[str, Recipe] = {}
    for seed in range(recipes[0].seed, recipes[0].seed + seeds):
        for fold in folds or (None,):
            for recipe in recipes:
                machine = replace(recipe.machine, threads=recipe.machine.threads or 1)
                data = recipe.data if fold is None else replace(recipe.data, fold=fold)
                name = slug(recipe.label or recipe.method) + ("" if fold is None else f"-fold{fold}") + f"-seed{seed}"
                runs[name] = replace(recipe, seed=seed, data=data, machine=machine)
    return runs


def _require_folders(labels: Sequence[str]) -> None:
    """Raise InputError unless each label names a folder, and another one than all others."""
    first: dict[str, str] = {}
    for label in labels:
        name = slug(label).lower()  # some file systems take no notice of capitals
        if not name:
            raise InputError(f"label {label!r}: expected one with a Latin letter or a digit, which names the folder")
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"configuration {label[:30]!r}...: expected at most {LONGEST_NAME} letters, found {len(name)}, for its "
                "folder is called by them; a shorter label or value"
            )
        if name in first:
            raise InputError(
                f"configurations {first[name]!r} and {label!r} would share their folders; leave one out or rename it"
            )
        first[name] = label


def slug(label: str) -> str:
    """A label as a folder's name."""
    return re.sub(r"[^A-Za-z0-9.=+_-]+", "_", label).strip("_.")
