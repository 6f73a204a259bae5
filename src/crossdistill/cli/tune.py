"""`crossdistill tune`: choose hyper-parameters on validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.atomic import naming
from crossdistill.cli.compare import parse_methods
from crossdistill.cli.engine_options import add_engine, chosen_executor, is_alone
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import add_quiet, console, shown, trial_bars
from crossdistill.cli.recipe_options import RECIPE_HELP, add_recipe, warn_of_idle_options
from crossdistill.recipes.files import load_recipe, recipe_of
from crossdistill.runs.jobs import InProcess
from crossdistill.studies.tune import tune


def parser(arguments: Sequence[str]) -> ArgumentParser:
    tune = command_parser(
        "tune",
        "Choose hyper-parameters on validation samples, the same number of trials for every method: first "
        "what all methods share, for the baseline, then each method's own. Writes OUT/tuned.yaml, a recipe.",
        usage="RECIPE [options]",
    )
    tune.add_argument("recipe", help=RECIPE_HELP)
    tune.add_argument("--methods", default="baseline,amid", help="names separated by commas, or all")
    tune.add_argument("--trials", type=int, default=16, help="for each method, finished ones included")
    tune.add_argument("--seeds", type=int, default=3, help="validation splits that a trial is averaged over")
    tune.add_argument("--storage", default="", help="URL of a database that machines share; a file in OUT unless given")
    tune.add_argument("--out", type=Path, default=Path("runs/tune"), help="folder for the trials and tuned.yaml")
    add_engine(tune)
    add_quiet(tune)
    add_recipe(tune, arguments)
    return tune


def execute(options: Namespace, command: str) -> int:
    """Tune and show how it goes, then say where the recipe is."""
    base, methods = load_recipe(options.recipe), parse_methods(options.methods)
    recipe = recipe_of(options, base)
    warn_of_idle_options(recipe, base, methods)
    executor = InProcess(interruptible=True) if is_alone(options) else chosen_executor(options, options.out)
    with shown(options.quiet, trial_bars) as listener, naming(options.out, unless_named=True):  # as the journal's
        tune(recipe, methods, options.trials, options.seeds, options.out, options.storage, listener, executor)
    console().print(f"Recipe: {options.out / 'tuned.yaml'}", soft_wrap=True)
    return 0
