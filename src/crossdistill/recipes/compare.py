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
from crossdistill.recipes.build import check
from crossdistill.recipes.files import options_of, with_fields
from crossdistill.recipes.paper import FIGURES, TABLES, Rows
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError

CONTROLS: Mapping[str, Control] = {
    "shuffled auxiliary": "shuffled",
    "noise auxiliary": "noise",
    "capacity-matched": "target",
}
"""How labels call the controls of `data.control`."""


LARGEST_VARIATION = 1000


def parse_methods(text: str) -> list[str]:
    """Names separated by commas, or `all`. Raises InputError for an unknown or repeated one."""
    names = list(METHODS) if text.strip() == "all" else [name.strip() for name in text.strip("[] ").split(",")]
    for place, name in enumerate(names):
        if name not in METHODS:
            raise InputError(f"--methods: expected all, or some of {', '.join(METHODS)}; found {name!r}")
        if name in names[:place]:
            raise InputError(f"--methods: {name} is named twice")
    return names


def parse_printed(tables: str, figures: str) -> list[Rows]:
    """What the tables and figures of the paper compare whose numbers are given, with commas. Raises InputError."""
    found = []
    for option, text, known in (("--table", tables, TABLES), ("--figure", figures, FIGURES)):
        for word in text.strip("[] ").split(",") if text else []:
            if word.strip() not in known:
                raise InputError(f"{option}: expected some of {', '.join(known)}, found {word.strip()!r}")
            found.append(known[word.strip()])
    return found


def configurations(
    recipe: Recipe,
    methods: Sequence[str],
    with_ablations: bool,
    with_controls: bool,
    vary: Sequence[str],
    printed: Sequence[Rows] = (),
) -> list[Recipe]:
    """The labelled recipes to compare: methods, ablations, controls, variations, and what else the paper's tables and
    figures `printed` are made of.

    Raises InputError where a variation cannot be understood or fits none of the methods, or a number is one that no
    run can have.
    """
    found = [replace(recipe, method=method, label="") for method in methods]
    if with_ablations:
        found += [replace(chosen, label=label) for label, chosen in ablations(recipe).items()]
    if with_controls:
        found += [control for method in methods if distils(method) for control in controls(recipe, method)]
    for text in vary:
        found += variations(recipe, methods, text)
    for rows in printed:
        labels = {made.label or made.method for made in found}
        found += [row for label, row in rows(recipe).items() if label not in labels]
    for made in found:
        check(made)
    if recipe.machine.devices * recipe.machine.nodes > 1:
        raise InputError("machine.devices, machine.nodes: a comparison trains each run in one process; use --jobs")
    return found


def distils(method: str) -> bool:
    """Whether it trains a student that ships with the help of auxiliary modalities."""
    kind = METHODS[method]
    return "target" in kind.predicts and bool({"auxiliary", "full"} & set(kind.views))


def controls(recipe: Recipe, method: str) -> list[Recipe]:
    """The method with each stand-in for its auxiliary inputs."""
    return [
        replace(
            matched(recipe) if control == "target" else recipe,
            method=method,
            label=f"{method}, {label}",
            data=replace(recipe.data, control=control),
        )
        for label, control in CONTROLS.items()
    ]


def matched(recipe: Recipe) -> Recipe:
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


def variations(recipe: Recipe, methods: Sequence[str], text: str) -> list[Recipe]:
    """One recipe for each value of KEY=LOW:HIGH:STEP or KEY=VALUE,VALUE,... and each method that has KEY.

    KEY: method.option, an option of any of the methods, or a field of the recipe, dotted where it is in a section.
    """
    key, values = parse_variation(text)
    section, _, option = key.rpartition(".")
    with_option = [method for method in methods if option in options_of(METHODS[method])]
    if key in ("method", "label", "seed", "name", "data.fold"):
        raise InputError(f"--vary {text}: {key} is not a setting to vary; see --methods, --seeds and --folds")
    if section in METHODS:
        fits, is_option = [section], True
    else:
        is_option = not section and key not in Recipe.__dataclass_fields__
        fits = with_option if is_option else list(methods)
    if not fits:
        raise InputError(f"--vary {text}: none of {', '.join(methods)} has an option {key}")
    made = []
    for method in fits:
        for value in values:
            labelled = replace(recipe, method=method, label=f"{method} {option}={value}")
            try:
                made.append(with_fields(labelled, {f"{method}.{option}" if is_option else key: value}))
            except InputError as error:
                raise InputError(f"--vary {text}: {error}") from error
    return made


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
    if (high - low) / step >= LARGEST_VARIATION:
        raise InputError(f"--vary {text}: expected at most {LARGEST_VARIATION} values")
    numbers = [low + step * place for place in range(int((high - low) / step) + 1)]
    return key.strip(), [_value(f"{number:f}", text) for number in numbers]


def _value(given: str, text: str) -> Any:
    """A value as YAML reads it: a number, true, a word."""
    try:
        value = yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise InputError(f"--vary {text}: cannot read the value {given!r}") from error
    if value is None and given.strip() != "null":
        raise InputError(f"--vary {text}: expected a value between commas, found none")
    return value


def parse_folds(text: str, known: Sequence[int]) -> list[int]:
    """Which of a data set's folds are tested in turn: all, or numbers separated by commas; none for an empty text.

    Raises InputError for other words, a repeated fold and one that the data does not have.
    """
    if not text:
        return []
    has = ", ".join(map(str, known)) or "no folds"
    words = [word.strip() for word in text.strip("[] ").split(",")]
    if words == ["all"] and known:
        return list(known)
    if not all(word.isdecimal() and int(word) in known for word in words) or len(set(words)) < len(words):
        raise InputError(f"--folds: expected all, or some of the data's folds, found {text!r}; the data has {has}")
    return [int(word) for word in words]


def plan(found: Sequence[Recipe], seeds: int, folds: Sequence[int]) -> dict[str, Recipe]:
    """Folder name -> recipe, seed by seed, so that a comparison that is cut off is a smaller comparison.

    folds: to be tested in turn; empty for the recipe's own split. One CPU thread for each run unless the recipe says
    otherwise: so results do not depend on how many run at once. Raises InputError when two configurations have one
    label, or labels that make one folder.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, found {seeds}")
    _require_distinct([recipe.label or recipe.method for recipe in found])
    runs: dict[str, Recipe] = {}
    for seed in range(found[0].seed, found[0].seed + seeds):
        for fold in folds or (None,):
            for recipe in found:
                machine = replace(recipe.machine, threads=recipe.machine.threads or 1)
                data = recipe.data if fold is None else replace(recipe.data, fold=fold)
                name = slug(recipe.label or recipe.method) + ("" if fold is None else f"-fold{fold}") + f"-seed{seed}"
                runs[name] = replace(recipe, seed=seed, data=data, machine=machine)
    return runs


def _require_distinct(labels: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for label in labels:
        name = slug(label).lower()  # some file systems take no notice of capitals
        if not name:
            raise InputError(f"label {label!r}: expected one with a Latin letter or a digit, which names the folder")
        if name in first:
            raise InputError(
                f"configurations {first[name]!r} and {label!r} would share their folders; leave one out or rename it"
            )
        first[name] = label


def slug(label: str) -> str:
    """A label as a folder's name."""
    return re.sub(r"[^A-Za-z0-9.=+_-]+", "_", label).strip("_.")
