"""`crossdistill train`: one recipe with one method and seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.headline import show_headline
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import add_quiet, console, epoch_bars, shown
from crossdistill.cli.recipe_options import RECIPE_HELP, add_recipe, warn_of_idle_options
from crossdistill.recipes.files import load_recipe, recipe_of
from crossdistill.reports import load_runs
from crossdistill.runs.folder import NOTES, is_finished
from crossdistill.runs.run import run


def parser(arguments: Sequence[str]) -> ArgumentParser:
    train = command_parser(
        "train",
        "Train one recipe with one method and seed.",
        usage="RECIPE [options]",
    )
    train.add_argument("recipe", help=f"{RECIPE_HELP}, such as RUN/recipe.yaml")
    train.add_argument("--out", type=Path, help="run folder; runs/NAME-METHOD-seedN unless given")
    train.add_argument("--resume", action="store_true", help="continue the run in the folder where it stopped")
    add_quiet(train)
    add_recipe(train, arguments)
    return train


def execute(options: Namespace, command: str) -> int:
    """Train and show how it goes, then print the headline."""
    base = load_recipe(options.recipe)
    recipe = recipe_of(options, base)
    warn_of_idle_options(recipe, base, [recipe.method], options.recipe if recipe.method == base.method else "")
    name = re.sub(r"[/\\]+", "_", recipe.name)  # one folder, and in runs/, whatever the recipe is called
    folder = options.out or Path("runs") / f"{name}-{recipe.method}-seed{recipe.seed}"
    was_finished = is_finished(folder)
    with shown(options.quiet, epoch_bars) as listener:
        run(recipe, folder, options.resume, listener, interruptible=True)
    show_headline(load_runs([folder]))
    console().print(f"Run: {folder}{', which had finished before' if was_finished else ''}", soft_wrap=True)
    if (notes := folder / NOTES).is_file():
        count = len(notes.read_text(encoding="utf-8").splitlines())
        console().print(f"Files with something wrong or missing: {count} lines in {notes}", soft_wrap=True)
    return 0
