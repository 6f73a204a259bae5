"""`crossdistill demo`: what the library is for, on bundled data, and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.compare import compare_and_report
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import add_quiet
from crossdistill.recipes.library.bundled import emoji, watch
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.controls import controlled
from crossdistill.studies.compare import known_folds
from crossdistill.studies.plan import configurations
from crossdistill.studies.workers import LocalExecutor
from crossdistill.types import InputError

SEEDS = {"watch": 1, "emoji": 3}
"""Demonstration -> seeds of each configuration, unless --seeds says otherwise."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    demo = command_parser(
        "demo",
        "Methods on bundled data, with a report. watch: an exercise is recognised by a wristwatch's "
        "gyroscope. Of ten people each is tested in turn, another one labelled, and all others recorded, with the "
        "accelerometer too. emoji: all labels.",
    )
    demo.add_argument("which", nargs="?", default="watch", help="watch or emoji")
    seeds = "of each configuration, on watch for each person tested: 1 on watch and 3 on emoji, unless given"
    demo.add_argument("--seeds", type=int, help=seeds)
    demo.add_argument("--jobs", type=int, default=2, help="runs at once, each on one CPU thread")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the runs and the report")
    add_quiet(demo)
    return demo


def execute(options: Namespace, command: str) -> int:
    """Train the demonstration's configurations, each with the same seeds; finished runs of the folder are kept."""
    if options.which not in SEEDS:
        raise InputError(f"demo: expected one of {', '.join(SEEDS)}, found {options.which!r}")
    recipes, folds = (label_one(), known_folds(watch())) if options.which == "watch" else (all_labelled(), [])
    seeds = SEEDS[options.which] if options.seeds is None else options.seeds
    executor = LocalExecutor(options.jobs)
    return compare_and_report(recipes, options.out, seeds, folds, executor, command, options.quiet)


def label_one() -> list[Recipe]:
    """One person labelled, eight recorded: the student alone, what unlabelled recordings bring without and with the
    accelerometer, the teacher, and AMID-U with an accelerometer that belongs to other recordings."""
    recipe = watch(epochs=8)
    recipe = replace(recipe, data=replace(recipe.data, labelled_groups=1))
    methods = configurations(recipe, ("baseline", "self_training", "teacher", "amid", "amid_u"))
    return [*methods, controlled(recipe, "amid_u", "shuffled auxiliary")]


def all_labelled() -> list[Recipe]:
    """Student, teacher and AMID where every training sample has a label."""
    return configurations(emoji(), ("baseline", "teacher", "amid"))
