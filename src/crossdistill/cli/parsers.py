"""The commands' options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from crossdistill.cli.compare import _compare_parser
from crossdistill.cli.extract import _extract_parser
from crossdistill.cli.prepare import _add_preparers
from crossdistill.cli.train import _train_parser
from crossdistill.cli.tune import _tune_parser
from crossdistill.version import __version__

EPILOG = (
    "`crossdistill COMMAND --help` lists a command's options; `crossdistill train RECIPE --help` with their values."
)


def parser_for(arguments: Sequence[str]) -> ArgumentParser:
    """The parser of these arguments; the defaults of `train RECIPE` are that recipe's values."""
    from crossdistill.recipes.library.catalogue import RECIPES

    parser = ArgumentParser(
        prog="crossdistill",
        description="Cross-modal knowledge distillation.",
        epilog=EPILOG,
        exit_on_error=False,
        allow_abbrev=False,  # --method would be taken for --methods
    )
    parser.add_argument("--version", action="version", version=f"crossdistill {__version__}")
    commands = parser.add_subcommands(title="commands", metavar="COMMAND", required=True)

    demo = ArgumentParser(exit_on_error=False, description="Baseline, teacher and AMID on bundled data, with a report.")
    demo.add_argument("--seeds", type=int, default=3, help="runs of each method")
    demo.add_argument("--jobs", type=int, default=2, help="runs at once, each on one CPU thread")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the runs and the report")
    commands.add_subcommand("demo", demo, help="train three methods on bundled data and write a report")

    prepare = ArgumentParser(
        exit_on_error=False,
        description="Turn a data set's release into a manifest and arrays, or check a manifest of your own.",
    )
    commands.add_subcommand("prepare", prepare, help="make a manifest of a release, or check one of your own")
    _add_preparers(prepare)

    commands.add_subcommand("extract", _extract_parser(arguments), help="encode a modality once, by published weights")

    names = ", ".join(RECIPES)
    commands.add_subcommand("train", _train_parser(arguments, names), help="train one recipe with one method and seed")

    commands.add_subcommand("compare", _compare_parser(arguments, names), help="compare methods, with error bars")
    commands.add_subcommand("tune", _tune_parser(arguments, names), help="choose hyper-parameters on validation data")

    evaluate = ArgumentParser(exit_on_error=False, description="Measure a finished run's model again, from its files.")
    evaluate.add_argument("run", type=Path, help="run folder")
    commands.add_subcommand("evaluate", evaluate, help="measure a finished run's model again")

    report = ArgumentParser(exit_on_error=False, description="One self-contained HTML page from run folders.")
    report.add_argument("runs", type=Path, nargs="+", help="run folders, or folders that hold some")
    report.add_argument("--out", type=Path, default=Path("report.html"), help="file to write")
    report.add_argument("--markdown", type=Path, help="folder for the same as NAME.md, NAME the recipe's, with figures")
    commands.add_subcommand("report", report, help="write an HTML page from runs")
    return parser
