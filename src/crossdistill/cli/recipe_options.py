"""A recipe's fields as options of a command."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from jsonargparse import ArgumentParser

from crossdistill.methods import METHODS
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.files import add_recipe_arguments, load_recipe, set_recipe_defaults
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.sections import require_sections

FLAGS = ("--resume", "--ablations", "--controls", "--quiet", "--help", "-h")
"""Options that take no value."""

RECIPE_HELP = f"a bundled recipe ({', '.join(RECIPES)}) or a YAML file"


def with_recipe_in_place(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--recipe NAME` of a comparison as the NAME alone, its other way to be written."""
    return [word.removeprefix("--recipe=") for word in arguments if word != "--recipe"]


def add_recipe(parser: ArgumentParser, arguments: Sequence[str], without: Collection[str] = ()) -> None:
    """A recipe's fields as options of the command; their defaults are those of the recipe that is named."""
    add_recipe_arguments(parser, without)
    _require_sections(arguments)
    recipe = recipe_among(arguments)
    if recipe:
        set_recipe_defaults(parser, load_recipe(recipe), without)


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
