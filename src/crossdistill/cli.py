"""The command line: crossdistill demo | prepare | extract | train | compare | tune | evaluate | report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from jsonargparse import Namespace

from crossdistill.parsers import parser_for, with_recipe_in_place
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
    from crossdistill.recipes import commands  # after parsing, so that --help need not import torch's neighbours
    from crossdistill.recipes.compare import configurations, parse_methods, parse_printed
    from crossdistill.recipes.extraction import extraction_of
    from crossdistill.recipes.files import recipe_of
    from crossdistill.recipes.run import quiet_libraries

    quiet_libraries()

    options = parsed[parsed.subcommand]
    if parsed.subcommand == "train":
        commands.train(recipe_of(options), options.out, options.resume)
    elif parsed.subcommand == "compare":
        printed = parse_printed(options.table, options.figure)
        return commands.compare(
            configurations(
                recipe_of(options),
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
        commands.tune(
            recipe_of(options),
            parse_methods(options.methods),
            options.trials,
            options.seeds,
            options.out,
            options.storage,
        )
    elif parsed.subcommand == "evaluate":
        commands.evaluate(options.run)
    elif parsed.subcommand == "report":
        commands.report(options.runs, options.out, options.markdown)
    elif parsed.subcommand == "extract":
        commands.extract(options.manifest, extraction_of(options), options.out)
    elif parsed.subcommand == "prepare":
        _prepare(options)
    else:
        return commands.demo(options.seeds, options.jobs, options.out)
    return 0


def _prepare(options: Namespace) -> None:
    from crossdistill.recipes import prepare_commands
    from crossdistill.recipes.prepare import CacheSettings

    chosen = options[options.subcommand]
    if options.subcommand == "manifest":
        settings = CacheSettings(chosen.cache, chosen.short_side, chosen.rate, chosen.workers)
        prepare_commands.prepare_manifest(chosen.file, settings, chosen.allow_outside, chosen.strict)
    elif options.subcommand == "ucf51":
        prepare_commands.prepare_ucf51(chosen.videos, chosen.splits, chosen.split, chosen.out)
    elif options.subcommand == "activitynet":
        prepare_commands.prepare_activitynet(
            chosen.videos, chosen.annotations, chosen.trimmed, chosen.keep_silent, chosen.out
        )
    elif options.subcommand == "iemocap":
        prepare_commands.prepare_iemocap(chosen.root, chosen.out)
    else:
        prepare_commands.prepare_release(options.subcommand, chosen.source, chosen.out)


if __name__ == "__main__":
    sys.exit(main())
