"""`crossdistill train`: one recipe with one method and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from crossdistill.cli.progress import advance, console, progress_bar
from crossdistill.cli.recipe_options import _add_recipe
from crossdistill.recipes.recipe import Recipe
from crossdistill.reports import headline_table, load_runs
from crossdistill.runs import folder as layout
from crossdistill.runs.build import total_epochs
from crossdistill.runs.run import run


def _train_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    train = ArgumentParser(exit_on_error=False, description="Train one recipe with one method and seed.")
    train.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file, such as RUN/recipe.yaml")
    train.add_argument("--out", type=Path, help="run folder; runs/NAME-METHOD-seedN unless given")
    train.add_argument("--resume", action="store_true", help="continue the run in the folder where it stopped")
    _add_recipe(train, "train", arguments)
    return train


def train(recipe: Recipe, out: Path | None, resume: bool) -> None:
    """Train with a progress bar, then print the headline."""
    folder = out or Path("runs") / f"{recipe.name}-{recipe.method}-seed{recipe.seed}"
    with progress_bar() as progress:
        task = progress.add_task(f"{recipe.method} seed {recipe.seed}", total=total_epochs(recipe), note="")
        run(recipe, folder, resume, lambda record: advance(progress, task, record))
    console().print(headline_table(load_runs([folder])))
    console().print(f"Run: {folder}", soft_wrap=True)
    if (notes := folder / layout.NOTES).is_file():
        count = len(notes.read_text(encoding="utf-8").splitlines())
        console().print(f"Files with something wrong or missing: {count} lines in {notes}", soft_wrap=True)
