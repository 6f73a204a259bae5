"""Recipes in YAML, their text damaged or their values changed; models are built of those that are accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import yaml

from crossdistill.data import MultimodalDataset
from crossdistill.methods import METHODS
from crossdistill.recipes.check import check
from crossdistill.recipes.files import as_dict, load_recipe, to_yaml
from crossdistill.recipes.library.catalogue import RECIPES as LIBRARY
from crossdistill.runs.build import build
from tests.fuzz.case import Attempt, Subject
from tests.fuzz.octets import damaged
from tests.fuzz.values import changed
from tests.runs.small import gestures, recipe

LARGEST = 4096
"""Sizes beyond it are read and checked, not built: what a model of a billion features needs, it needs."""

LINES = (
    *(
        "x: &a [*a]",
        "a: " + "[" * 900,
        "<<: *nothing",
        "? [1, 2]\n: 3",
        "!!binary |\n  AAAA",
        "a: !!python/name:os.system",
    ),
    *("epochs: 3\nepochs: 4", "\tx: 1", "---\na: 1", "epochs: 0x10", "epochs: 1_000", "seed: 12:30:45", "epochs: .inf"),
    *("name: 2001-01-01", "name: !!set {a, b}", "name: ~", "%YAML 9.9\n---"),
)


Begun = tuple[list[dict[str, Any]], MultimodalDataset]


def begin(folder: Path) -> Begun:
    """Recipes as plain values, the first one of the data set."""
    return [as_dict(recipe("manifest")), *(as_dict(LIBRARY[name]()) for name in sorted(LIBRARY))], gestures()


def tried(path: Path, dataset: MultimodalDataset) -> None:
    made = load_recipe(str(path))
    check(made)
    again = path.with_name("again.yaml")
    again.write_text(to_yaml(made), encoding="utf-8")
    assert to_yaml(load_recipe(str(again))) == to_yaml(made), "a recipe reads back as another"
    sizes = [made.model.width, *(n for encoder in made.model.encoders.values() for n in encoder.settings.values())]
    sizes += [n for options in made.options.values() for n in options.values()]
    if all(size < LARGEST for size in sizes if isinstance(size, int | float)):
        build(replace(made, tensorboard=False), dataset)


def case(begun: Begun, random: Random, folder: Path) -> Attempt:
    recipes, dataset = begun
    made = recipes[0] if random.random() < 0.6 else random.choice(recipes)
    path = folder / "recipe.yaml"
    content = {**made, "method": random.choice(sorted(METHODS))} if random.random() < 0.3 else made
    how = random.random()
    if how < 0.6:
        content = changed(content, random)
    text = yaml.dump(content, Dumper=yaml.SafeDumper, allow_unicode=random.random() < 0.5)
    if 0.6 < how < 0.8:
        lines = text.splitlines()
        lines.insert(random.randrange(len(lines)), random.choice(LINES))
        text = "\n".join(lines)
    octets = text.encode(random.choice((*["utf-8"] * 20, "utf-16", "latin-1")), errors="replace")
    path.write_bytes(damaged(octets, random) if how > 0.8 else octets)
    return lambda: tried(path, dataset)


RECIPES = Subject(12, begin, case)
