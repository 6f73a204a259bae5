"""A recipe's fields as options of a command."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from jsonargparse import ArgumentParser

from crossdistill.methods import METHODS
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.files import add_recipe_arguments, load_recipe, set_recipe_defaults
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.sections import require_sections

FLAGS = ("--resume", "--ablations", "--controls", "--quiet", "--help", "-h")
"""Options that take no value."""

RECIPE_HELP = f"a bundled recipe ({', '.join(RECIPES)}) or a YAML file"


def with_recipe_in_place(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--recipe NAME` of a comparison as the NAME alone, its other way to be written."""
    return [word.removeprefix("--recipe=") for word in arguments if word != "--recipe"]


def add_recipe(parser: ArgumentParser, arguments: Sequence[str], without: Collection[str] = ()) -> None:
    """A recipe's fields as options of the command; their defaults are those of the recipe that is named."""
    name = recipe_among(arguments)
    _require_sections(arguments)
    recipe = load_recipe(name) if name else Recipe()
    methods = _methods_among(arguments, recipe)
    add_recipe_arguments(parser, without, methods)
    if name:
        set_recipe_defaults(parser, recipe, without, methods)


def _methods_among(arguments: Sequence[str], recipe: Recipe) -> set[str] | None:
    """The methods whose options are to be read: the one to be trained, and those that have some; None for all, where
    help is asked for."""
    if {"--help", "-h"} & {*arguments}:
        return None
    options = [word.removeprefix("--") for word in arguments if word.startswith("--")]
    sections = {re.split("[.=]", option, maxsplit=1)[0] for option in options}
    values = {word.removeprefix("--method=") for word in arguments}
    return {recipe.method, *sections, *values}


def recipe_among(arguments: Sequence[str]) -> str:
    """The positional argument, wherever it stands; empty where there is none."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if not word.startswith("-"):
            return word
        alone = "=" in word or word in FLAGS
        position += 1 if alone else 2
    return ""


def _require_sections(arguments: Sequence[str]) -> None:
    """Raise InputError where an option has a section's name, as in `--data '{"fold": 1}'`, and its value is none."""
    for position, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option.startswith("--"):
            try:
                content: Any = read_yaml(value if equals else (*arguments, "")[position + 1])
            except ValueError:  # the parser will say so
                continue
            for part in reversed(option.removeprefix("--").split(".")):
                content = {part: content}
            require_sections(content, METHODS)
