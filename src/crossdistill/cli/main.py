"""The command line: crossdistill demo | prepare | extract | train | compare | tune | evaluate | report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from jsonargparse import Namespace

from crossdistill.cli.parsers import parser_for
from crossdistill.cli.prepare import _prepare
from crossdistill.cli.recipe_options import with_recipe_in_place
from crossdistill.types import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake becomes one line on standard error and exit code 2."""
    arguments = with_recipe_in_place(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = parser_for(arguments)
        return _run(parser.instantiate(parser.parse_args(arguments)), shlex.join(["crossdistill", *arguments]))
    except (InputError, argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        line = " ".join(str(error).replace("<class '", "").replace("'>", "").split())
        print(f"crossdistill: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = "a training run continues with --resume, a comparison when the same command is given again"
        print(f"crossdistill: interrupted; {again}", file=sys.stderr)
        return 130


def _run(parsed: Namespace, command: str) -> int:
    from crossdistill.cli.compare import compare, demo, parse_methods, parse_printed
    from crossdistill.cli.evaluate import evaluate
    from crossdistill.cli.extract import extract
    from crossdistill.cli.report import report
    from crossdistill.cli.train import train
    from crossdistill.cli.tune import tune
    from crossdistill.features.settings import extraction_of
    from crossdistill.recipes.files import load_recipe, recipe_of
    from crossdistill.studies.plan import configurations
    from crossdistill.training.engine import own_process

    own_process()

    options = parsed[parsed.subcommand]
    if parsed.subcommand == "train":
        train(recipe_of(options, load_recipe(options.recipe)), options.out, options.resume)
    elif parsed.subcommand == "compare":
        printed = parse_printed(options.table, options.figure)
        return compare(
            configurations(
                recipe_of(options, load_recipe(options.recipe)),
                parse_methods(options.methods or "all") if options.methods or not printed else [],
                options.ablations,
                options.controls,
                options.vary,
                printed,
            ),
            options.seeds,
            options.folds,
            options.jobs,
            options.out,
            command,
        )
    elif parsed.subcommand == "tune":
        tune(
            recipe_of(options, load_recipe(options.recipe)),
            parse_methods(options.methods),
            options.trials,
            options.seeds,
            options.out,
            options.storage,
        )
    elif parsed.subcommand == "evaluate":
        evaluate(options.run)
    elif parsed.subcommand == "report":
        report(options.runs, options.out, options.markdown)
    elif parsed.subcommand == "extract":
        extract(options.manifest, extraction_of(options), options.out)
    elif parsed.subcommand == "prepare":
        _prepare(options)
    else:
        return demo(options.seeds, options.jobs, options.out)
    return 0
