"""The command line: crossdistill demo | prepare | train | evaluate | report."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill import __version__
from crossdistill.types import InputError

EPILOG = (
    "`crossdistill COMMAND --help` lists a command's options; `crossdistill train RECIPE --help` with their values."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake becomes one line on standard error and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = parser_for(arguments)
        return _run(parser.instantiate(parser.parse_args(arguments)))
    except (InputError, argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        line = " ".join(str(error).replace("<class '", "").replace("'>", "").split())
        print(f"crossdistill: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crossdistill: interrupted; a training run continues with --resume", file=sys.stderr)
        return 130


def _run(parsed: Namespace) -> int:
    from crossdistill.recipes import commands  # after parsing, so that --help need not import torch's neighbours
    from crossdistill.recipes.files import recipe_of

    _quiet_libraries()

    options = parsed[parsed.subcommand]
    if parsed.subcommand == "train":
        commands.train(recipe_of(options), options.out, options.resume)
    elif parsed.subcommand == "evaluate":
        commands.evaluate(options.run)
    elif parsed.subcommand == "report":
        commands.report(options.runs, options.out, options.markdown)
    elif parsed.subcommand == "prepare":
        commands.prepare(options.name, options.source, options.out)
    else:
        commands.demo(options.seeds, options.out)
    return 0


def parser_for(arguments: Sequence[str]) -> ArgumentParser:
    """The parser of these arguments; the defaults of `train RECIPE` are that recipe's values."""
    from crossdistill.data import PREPARERS
    from crossdistill.recipes.bundled import RECIPES

    parser = ArgumentParser(
        prog="crossdistill", description="Cross-modal knowledge distillation.", epilog=EPILOG, exit_on_error=False
    )
    parser.add_argument("--version", action="version", version=f"crossdistill {__version__}")
    commands = parser.add_subcommands(title="commands", metavar="COMMAND", required=True)

    demo = ArgumentParser(exit_on_error=False, description="Baseline, teacher and AMID on bundled data, with a report.")
    demo.add_argument("--seeds", type=int, default=3, help="runs of each method")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the runs and the report")
    commands.add_subcommand("demo", demo, help="train three methods on bundled data and write a report")

    prepare = ArgumentParser(exit_on_error=False, description="Turn a data set's release into a manifest and arrays.")
    prepare.add_argument("name", choices=sorted(PREPARERS), help="the data set")
    prepare.add_argument("--source", type=Path, required=True, help="folder or file of the release")
    prepare.add_argument("--out", type=Path, help="folder to write; data/NAME unless given")
    commands.add_subcommand("prepare", prepare, help="turn a data set's release into a manifest and arrays")

    names = ", ".join(RECIPES)
    commands.add_subcommand("train", _train_parser(arguments, names), help="train one recipe with one method and seed")

    evaluate = ArgumentParser(exit_on_error=False, description="Measure a finished run's model again, from its files.")
    evaluate.add_argument("run", type=Path, help="run folder")
    commands.add_subcommand("evaluate", evaluate, help="measure a finished run's model again")

    report = ArgumentParser(exit_on_error=False, description="One self-contained HTML page from run folders.")
    report.add_argument("runs", type=Path, nargs="+", help="run folders, or folders that hold some")
    report.add_argument("--out", type=Path, default=Path("report.html"), help="file to write")
    report.add_argument("--markdown", type=Path, help="folder for the same as NAME.md, NAME the recipe's, with figures")
    commands.add_subcommand("report", report, help="write an HTML page from runs")
    return parser


def _train_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    from crossdistill.recipes.files import add_recipe_arguments, load_recipe, set_recipe_defaults

    train = ArgumentParser(exit_on_error=False, description="Train one recipe with one method and seed.")
    train.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file, such as RUN/recipe.yaml")
    train.add_argument("--out", type=Path, help="run folder; runs/NAME-METHOD-seedN unless given")
    train.add_argument("--resume", action="store_true", help="continue the run in the folder where it stopped")
    add_recipe_arguments(train)
    recipe = _recipe_among(arguments[1:]) if arguments[:1] == ["train"] else ""
    if recipe:
        set_recipe_defaults(train, load_recipe(recipe))
    return train


def _recipe_among(arguments: Sequence[str]) -> str:
    """The positional argument, wherever it stands; empty where there is none."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if not word.startswith("-"):
            return word
        alone = "=" in word or word in ("--resume", "--help", "-h")
        position += 1 if alone else 2
    return ""


def _quiet_libraries() -> None:
    """Launch notices of the engine are not this program's output. After its import, which sets its level."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    warnings.filterwarnings("ignore", message=".*all_gather is deprecated.*")


if __name__ == "__main__":
    sys.exit(main())
