"""`crossdistill tune`: choose hyper-parameters on validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from crossdistill.cli.progress import console, progress_bar
from crossdistill.cli.recipe_options import _add_recipe
from crossdistill.recipes.recipe import Recipe
from crossdistill.studies.tune import tune as find


def _tune_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    tune = ArgumentParser(
        exit_on_error=False,
        description="Choose hyper-parameters on validation samples, the same number of trials for every method: first "
        "what all methods share, for the baseline, then each method's own. Writes OUT/tuned.yaml, a recipe.",
    )
    tune.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file")
    tune.add_argument("--methods", default="baseline,amid", help="names separated by commas, or all")
    tune.add_argument("--trials", type=int, default=16, help="for each method, finished ones included")
    tune.add_argument("--seeds", type=int, default=3, help="validation splits that a trial is averaged over")
    tune.add_argument("--storage", default="", help="URL of a database that machines share; a file in OUT unless given")
    tune.add_argument("--out", type=Path, default=Path("runs/tune"), help="folder for the trials and tuned.yaml")
    _add_recipe(tune, "tune", arguments)
    return tune


def tune(recipe: Recipe, methods: Sequence[str], trials: int, seeds: int, folder: Path, storage: str) -> None:
    """Tune with a progress bar, then say where the recipe is."""
    best: dict[str, float] = {}
    with progress_bar("trials") as progress:
        task = progress.add_task("tune", total=trials * len(methods), note="")

        def tell(method: str, trial: int, accuracy: float) -> None:
            best[method] = max(accuracy, best.get(method, 0.0))
            note = f"{100 * accuracy:.1f} %, best {100 * best[method]:.1f} %"
            progress.update(task, description=f"{method} trial {trial}", advance=1, note=note)

        find(recipe, methods, trials, seeds, folder, storage, tell)
    console().print(f"Recipe: {folder / 'tuned.yaml'}", soft_wrap=True)
