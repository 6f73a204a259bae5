"""`crossdistill demo`: three methods on bundled data, and a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.compare import compare_and_report
from crossdistill.recipes.library.bundled import emoji
from crossdistill.studies.plan import configurations

METHODS = ("baseline", "teacher", "amid")


def parser(arguments: Sequence[str]) -> ArgumentParser:
    demo = ArgumentParser(
        prog="crossdistill demo",
        exit_on_error=False,
        allow_abbrev=False,
        description="Baseline, teacher and AMID on bundled data, with a report.",
    )
    demo.add_argument("--seeds", type=int, default=3, help="runs of each method")
    demo.add_argument("--jobs", type=int, default=2, help="runs at once, each on one CPU thread")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the runs and the report")
    return demo


def execute(options: Namespace, command: str) -> int:
    """Baseline, teacher and AMID on the emoji set, each with the same seeds; finished runs of the folder are kept."""
    recipes = configurations(emoji(), METHODS, False, False, ())
    return compare_and_report(recipes, options.out, options.seeds, [], options.jobs, command)
