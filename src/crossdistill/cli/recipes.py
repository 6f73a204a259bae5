"""`crossdistill recipes`: which recipes have a name, what they learn from what, and whether their data are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich import box
from rich.padding import Padding
from rich.table import Table

from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import console
from crossdistill.datasets import BUNDLED
from crossdistill.recipes.library.catalogue import PREPARE, RECIPES, TUNED
from crossdistill.recipes.recipe import Recipe

_WIDE = 76
"""Columns of a terminal in which four columns of a table are read easily; narrower ones get lines."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    return command_parser(
        "recipes",
        "List the recipes that have a name: what is predicted, from which modalities, trained with which, "
        "where the data come from, and for which methods settings were chosen on validation samples.",
    )


def execute(options: Namespace, command: str) -> int:
    """A table where there is room for one, a few lines a recipe elsewhere."""
    show = console()
    made = [recipe() for recipe in RECIPES.values()]
    if show.width >= _WIDE:
        show.print(_table(made))
    for recipe in made if show.width < _WIDE else ():
        show.print(recipe.name)
        show.print(_indented(f"{modalities(recipe)}\n{recipe.data.task}; {data(recipe)}"))
    show.print("\nSettings that were chosen on validation samples:")
    for name, methods in TUNED.items():
        show.print(_indented(f"{name}: {', '.join(methods)}"))
    show.print(
        "All others take their papers' settings, or plain ones. `crossdistill train RECIPE --help` lists them, "
        "`crossdistill prepare NAME --help` says what a release is made of."
    )
    return 0


def _indented(text: str) -> Padding:
    return Padding(text, (0, 0, 0, 2))


def _table(made: Sequence[Recipe]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    for column in ("recipe", "task", "target ← auxiliary", "data"):
        table.add_column(column, overflow="fold")
    for recipe in made:
        table.add_row(recipe.name, recipe.data.task, modalities(recipe), data(recipe))
    return table


def modalities(recipe: Recipe) -> str:
    """What the student sees, and what helps it in training."""
    if recipe.name == "own":
        return "yours ← yours"
    return f"{', '.join(recipe.data.target)} ← {', '.join(recipe.data.auxiliary)}"


def data(recipe: Recipe) -> str:
    """Whether the data are bundled, where they are, or what makes them."""
    if recipe.data.source in BUNDLED:
        return "bundled"
    if Path(recipe.data.source).exists():
        return f"in {recipe.data.source}"
    prepare = re.sub(" --[a-z]+ [A-Z]+", "", PREPARE.get(recipe.name, ""))  # the places of files are the user's
    return f"prepare {prepare}" if prepare else "a manifest of yours"
