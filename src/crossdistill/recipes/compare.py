"""What a comparison runs: from its options to labelled recipes, one for each configuration, seed and fold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from crossdistill.data.controls import Control
from crossdistill.methods import METHODS
from crossdistill.recipes.ablations import ablations
from crossdistill.recipes.files import options_of, with_fields
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError

CONTROLS: Mapping[str, Control] = {
    "shuffled auxiliary": "shuffled",
    "noise auxiliary": "noise",
    "capacity-matched": "target",
}
"""How labels call the controls of `data.control`."""


def parse_methods(text: str) -> list[str]:
    """Names separated by commas, or `all`. Raises InputError for an unknown or repeated one."""
    names = list(METHODS) if text.strip() == "all" else [name.strip() for name in text.strip("[] ").split(",")]
    for place, name in enumerate(names):
        if name not in METHODS:
            raise InputError(f"--methods: expected all, or some of {', '.join(METHODS)}; found {name!r}")
        if name in names[:place]:
            raise InputError(f"--methods: {name} is named twice")
    return names


def configurations(
    recipe: Recipe, methods: Sequence[str], with_ablations: bool, with_controls: bool, vary: Sequence[str]
) -> list[Recipe]:
    """The labelled recipes to compare, in the order of the report: methods, ablations, controls, variations.

    Raises InputError where a variation cannot be understood or fits none of the methods.
    """
    found = [replace(recipe, method=method, label="") for method in methods]
    if with_ablations:
        found += [replace(chosen, label=label) for label, chosen in ablations(recipe).items()]
    if with_controls:
        found += [control for method in methods if distils(method) for control in controls(recipe, method)]
    for text in vary:
        found += variations(recipe, methods, text)
    return found


def distils(method: str) -> bool:
    """Whether it trains a student that ships with the help of auxiliary modalities."""
    kind = METHODS[method]
    return "target" in kind.predicts and bool({"auxiliary", "full"} & set(kind.views))


def controls(recipe: Recipe, method: str) -> list[Recipe]:
    return [
        replace(recipe, method=method, label=f"{method}, {label}", data=replace(recipe.data, control=control))
        for label, control in CONTROLS.items()
    ]


def variations(recipe: Recipe, methods: Sequence[str], text: str) -> list[Recipe]:
    """One recipe for each value of KEY=LOW:HIGH:STEP or KEY=VALUE,VALUE,... and each method that has KEY.

    KEY: method.option, an option of any of the methods, or a dotted field of the recipe.
    """
    key, values = parse_variation(text)
    section, _, option = key.rpartition(".")
    if section in METHODS:
        fits = [section]
    elif not section:
        fits = [method for method in methods if option in options_of(METHODS[method])]
    else:
        fits = list(methods)
    if not fits:
        raise InputError(f"--vary {text}: none of {', '.join(methods)} has an option {key}")
    return [
        with_fields(
            replace(recipe, method=method, label=f"{method} {option}={value}"),
            {key if section else f"{method}.{option}": value},
        )
        for method in fits
        for value in values
    ]


def parse_variation(text: str) -> tuple[str, list[Any]]:
    """The key and its values, numbers without rounding noise: 3.7:4.2:0.1 is 3.7, 3.8, ... 4.2."""
    key, equals, given = text.partition("=")
    if not (key.strip() and equals and given.strip()):
        raise InputError(f"--vary: expected KEY=LOW:HIGH:STEP or KEY=VALUE,VALUE,..., found {text!r}")
    if given.count(":") != 2:
        return key.strip(), [yaml.safe_load(value) for value in given.split(",")]
    try:
        low, high, step = (Decimal(number.strip()) for number in given.split(":"))
    except InvalidOperation:
        raise InputError(f"--vary {text}: expected numbers LOW:HIGH:STEP, found {given!r}") from None
    if step <= 0 or high < low:
        raise InputError(f"--vary {text}: expected LOW up to HIGH in steps above 0")
    numbers = [low + step * place for place in range(int((high - low) / step) + 1)]
    return key.strip(), [yaml.safe_load(str(number)) for number in numbers]


def plan(found: Sequence[Recipe], seeds: int, folds: Sequence[int]) -> dict[str, Recipe]:
    """Folder name -> recipe, seed by seed, so that a comparison that is cut off is a smaller comparison.

    folds: to be tested in turn; empty for the recipe's own split. One CPU thread for each run unless the recipe says
    otherwise: so results do not depend on how many run at once.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, found {seeds}")
    runs: dict[str, Recipe] = {}
    for seed in range(found[0].seed, found[0].seed + seeds):
        for fold in folds or (None,):
            for recipe in found:
                machine = replace(recipe.machine, threads=recipe.machine.threads or 1)
                data = recipe.data if fold is None else replace(recipe.data, fold=fold)
                name = slug(recipe.label or recipe.method) + ("" if fold is None else f"-fold{fold}") + f"-seed{seed}"
                if name in runs:
                    raise InputError(f"two configurations would share the folder {name}; leave one of them out")
                runs[name] = replace(recipe, seed=seed, data=data, machine=machine)
    return runs


def slug(label: str) -> str:
    """A label as a folder's name."""
    return re.sub(r"[^A-Za-z0-9.=+_-]+", "_", label).strip("_.")
