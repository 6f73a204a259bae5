"""`crossdistill compare`: several methods with the same seeds, and which differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.engine_options import add_engine, chosen_executor
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import RunBars, add_quiet, console, shown
from crossdistill.cli.recipe_options import RECIPE_HELP, add_recipe, warn_of_idle_options
from crossdistill.cli.report import write
from crossdistill.cli.words import complain
from crossdistill.methods import METHODS, unknown_method
from crossdistill.recipes.files import load_recipe, recipe_of
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.paper_tables import FIGURES, TABLES, Rows
from crossdistill.runs.jobs import TRACEBACKS, Executor, Failure
from crossdistill.studies.compare import TABLE, compare, known_folds
from crossdistill.studies.plan import configurations
from crossdistill.types import InputError

ABLATIONS = "also AMID (Tables 4 and 5) and AMID-U with one thing changed, those of them that are compared; else AMID"
"""Help of --ablations."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    compare = command_parser(
        "compare",
        "Train methods with the same seeds and say which differ. Finished runs in OUT are kept, so the "
        "same command goes on after a kill and adds what is new. Writes OUT/results.parquet and OUT/report.html.",
        usage="RECIPE [options]",
    )
    compare.add_argument("recipe", help=f"{RECIPE_HELP}, such as OUT/tuned.yaml of `tune`")
    compare.add_argument(
        "--methods", default="", help="names separated by commas, or all; all unless a table or figure is asked for"
    )
    compare.add_argument("--table", default="", help="also what these tables of the paper compare, 1 to 6, with commas")
    compare.add_argument("--figure", default="", help="also what these figures of the paper compare, of 3 to 5")
    compare.add_argument("--seeds", type=int, default=5, help="runs of each configuration, from the recipe's seed on")
    compare.add_argument("--folds", default="", help="folds of the data to test in turn: all, or numbers with commas")
    compare.add_argument("--ablations", action="store_true", help=ABLATIONS)
    compare.add_argument(
        "--controls",
        action="store_true",
        help="also every distilling method with shuffled, noise, zeroed and target inputs as its auxiliary ones",
    )
    compare.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH:STEP",
        help="also these values of an option or a field; or KEY=VALUE,VALUE,...; may be given several times",
    )
    compare.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder for the runs and the report")
    add_engine(compare)
    add_quiet(compare)
    add_recipe(compare, arguments, without=("method", "label", "role", "varied"))
    return compare


def execute(options: Namespace, command: str) -> int:
    printed = parse_printed(options.table, options.figure)
    methods = parse_methods(options.methods or "all") if options.methods or not printed else []
    base = load_recipe(options.recipe)
    recipe = recipe_of(options, base)
    recipes = configurations(
        recipe,
        methods,
        with_ablations=options.ablations,
        with_controls=options.controls,
        vary=options.vary,
        printed=printed,
    )
    warn_of_idle_options(recipe, base, list(dict.fromkeys(each.method for each in recipes)))
    folds = parse_folds(options.folds, known_folds(recipes[0]) if options.folds else ())
    executor = chosen_executor(options, options.out)
    return compare_and_report(recipes, options.out, options.seeds, folds, executor, command, options.quiet)


def parse_methods(text: str) -> list[str]:
    """Names separated by commas, or `all`. Raises InputError for an unknown or repeated one."""
    names = list(METHODS) if text.strip() == "all" else [name.strip() for name in text.strip("[] ").split(",")]
    for place, name in enumerate(names):
        if name not in METHODS:
            raise unknown_method(name, "--methods", "all, or some of")
        if name in names[:place]:
            raise InputError(f"--methods: {name} is named twice")
    return names


def parse_printed(tables: str, figures: str) -> list[Rows]:
    """What the tables and figures of the paper compare whose numbers are given, with commas. Raises InputError."""
    printed = []
    for option, text, known in (("--table", tables, TABLES), ("--figure", figures, FIGURES)):
        for word in text.strip("[] ").split(",") if text else []:
            if word.strip() not in known:
                raise InputError(f"{option}: expected some of {', '.join(known)}, found {word.strip()!r}")
            printed.append(known[word.strip()])
    return printed


def parse_folds(text: str, known: Sequence[int]) -> list[int]:
    """Which of a data set's folds are tested in turn: all, or numbers separated by commas; none for an empty text.

    Raises InputError for other words, a repeated fold and one that the data does not have.
    """
    if not text:
        return []
    has = ", ".join(map(str, known)) or "no folds"
    words = [word.strip() for word in text.strip("[] ").split(",")]
    if words == ["all"] and known:
        return list(known)
    named = {str(fold): fold for fold in known}
    if not all(word in named for word in words) or len(set(words)) < len(words):
        raise InputError(f"--folds: expected all, or some of the data's folds, found {text!r}; the data has {has}")
    return [named[word] for word in words]


def compare_and_report(
    recipes: Sequence[Recipe],
    out: Path,
    seeds: int,
    folds: Sequence[int],
    executor: Executor,
    command: str,
    quiet: bool,
) -> int:
    """Compare and show how it goes, then write the report, which names the command. Returns the exit code: 0, or once
    all other runs are done and written, 2 when some cannot be trained as they are (diverged, say) and 1 when some
    crashed."""
    with shown(quiet, RunBars) as listener:
        compared = compare(recipes, out, seeds=seeds, folds=folds, listener=listener, executor=executor)
    if compared.folders:
        write(compared.folders, out / "report.html", command, quiet)
    if compared.folders and not quiet:
        console().print(f"Table of runs: {out / TABLE}", soft_wrap=True)
    if compared.folders and compared.others and not quiet:  # saying nothing would let them be missed
        line = f"{out} also holds {len(compared.others)} finished runs that were not asked for; `crossdistill report "
        console().print(f"{line}{out}` has all of them", soft_wrap=True)
    return tell_of_failures(compared.failures)


def tell_of_failures(failures: Mapping[Path, Failure]) -> int:
    """One line each on standard error; failures: run's folder -> why it did not finish. Returns the exit code."""
    for folder, failure in failures.items():
        where = f" (traceback in {folder.parent / TRACEBACKS})" if failure.details else ""
        complain(f"{failure.of(folder)}{where}")
    if not failures:
        return 0
    return 2 if all(failure.mistake for failure in failures.values()) else 1
