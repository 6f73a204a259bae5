"""A recipe's fields as options of a command."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from jsonargparse import ArgumentParser

from crossdistill.cli.words import is_first_rank, warn
from crossdistill.methods import METHODS
from crossdistill.plain import to_plain
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.cross_fitted import is_cross_fitted
from crossdistill.recipes.files import add_recipe_arguments, load_recipe, options_in, options_of, set_recipe_defaults
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


def warn_of_idle_options(recipe: Recipe, base: Recipe, methods: Collection[str], source: str = "") -> None:
    """Say in one line which options of other methods than these were given, as amid's are where amid_u is trained.

    base: the recipe without what the command line has. source: of the base where it is its own method that is trained:
    of a file that gives that method none of its options those of others are told, too. Any other file may be for
    several methods, as a bundled recipe and what `tune` writes are.
    """
    read = {*methods, *(["teacher"] if is_cross_fitted(recipe) else [])}
    given = dict.fromkeys(_changed(recipe, base, read))
    defaults = options_of(METHODS[base.method])
    if source and source not in RECIPES and defaults and options_in(base, base.method) == defaults:
        given |= dict.fromkeys(_changed(base, Recipe(), read))
    if given and is_first_rank():
        is_one = len(methods) == 1
        warn(f"{', '.join(given)}: without effect, for the method{' is' if is_one else 's are'} {', '.join(methods)}")


def _changed(recipe: Recipe, base: Recipe, read: Collection[str]) -> Iterator[str]:
    """The options of methods that are not read whose values are others than in the base, in dotted names."""
    for method in (name for name in recipe.options if name not in read):
        before = options_in(base, method)
        for name, value in recipe.options[method].items():
            if to_plain(value) != to_plain(before.get(name)):
                yield f"{method}.{name}"


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
