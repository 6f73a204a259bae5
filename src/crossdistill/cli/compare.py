"""`crossdistill compare` and `crossdistill demo`: several methods with the same seeds, and which differ."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from jsonargparse import ArgumentParser

from crossdistill.atomic import write_atomically
from crossdistill.cli.progress import ComparisonProgress, console, progress_bar
from crossdistill.cli.recipe_options import _add_recipe
from crossdistill.cli.report import write
from crossdistill.methods import METHODS
from crossdistill.recipes.library.bundled import emoji
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.paper_tables import FIGURES, TABLES, Rows
from crossdistill.runs import folder as layout
from crossdistill.runs.data import load_dataset
from crossdistill.studies.plan import configurations, plan
from crossdistill.studies.table import row_of, write_table
from crossdistill.studies.workers import Failure, Listener, run_all
from crossdistill.types import InputError


def _compare_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    compare = ArgumentParser(
        exit_on_error=False,
        description="Train methods with the same seeds and say which differ. Finished runs in OUT are kept, so the "
        "same command goes on after a kill and adds what is new. Writes OUT/results.parquet and OUT/report.html.",
    )
    compare.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file, such as OUT/tuned.yaml of `tune`")
    compare.add_argument(
        "--methods", default="", help="names separated by commas, or all; all unless a table or figure is asked for"
    )
    compare.add_argument("--table", default="", help="also what these tables of the paper compare, 1 to 6, with commas")
    compare.add_argument("--figure", default="", help="also what these figures of the paper compare, of 3 to 5")
    compare.add_argument("--seeds", type=int, default=5, help="runs of each configuration, from the recipe's seed on")
    compare.add_argument("--folds", default="", help="folds of the data to test in turn: all, or numbers with commas")
    compare.add_argument("--ablations", action="store_true", help="also AMID with one thing changed (Tables 4 and 5)")
    compare.add_argument(
        "--controls",
        action="store_true",
        help="also every distilling method with shuffled, noise and target inputs as its auxiliary ones",
    )
    compare.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH:STEP",
        help="also these values of an option or a field; or KEY=VALUE,VALUE,...; may be given several times",
    )
    compare.add_argument("--jobs", type=int, default=1, help="runs at once, each on one CPU thread")
    compare.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder for the runs and the report")
    _add_recipe(compare, "compare", arguments, without=("method", "label"))
    return compare


def parse_methods(text: str) -> list[str]:
    """Names separated by commas, or `all`. Raises InputError for an unknown or repeated one."""
    names = list(METHODS) if text.strip() == "all" else [name.strip() for name in text.strip("[] ").split(",")]
    for place, name in enumerate(names):
        if name not in METHODS:
            raise InputError(f"--methods: expected all, or some of {', '.join(METHODS)}; found {name!r}")
        if name in names[:place]:
            raise InputError(f"--methods: {name} is named twice")
    return names


def parse_printed(tables: str, figures: str) -> list[Rows]:
    """What the tables and figures of the paper compare whose numbers are given, with commas. Raises InputError."""
    found = []
    for option, text, known in (("--table", tables, TABLES), ("--figure", figures, FIGURES)):
        for word in text.strip("[] ").split(",") if text else []:
            if word.strip() not in known:
                raise InputError(f"{option}: expected some of {', '.join(known)}, found {word.strip()!r}")
            found.append(known[word.strip()])
    return found


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
    if not all(word.isdecimal() and int(word) in known for word in words) or len(set(words)) < len(words):
        raise InputError(f"--folds: expected all, or some of the data's folds, found {text!r}; the data has {has}")
    return [int(word) for word in words]


DEMO_METHODS = ("baseline", "teacher", "amid")


TABLE, TRACEBACKS = "results.parquet", "crashes.txt"


def demo(seeds: int, jobs: int, out: Path) -> int:
    """Baseline, teacher and AMID on the emoji set, each with the same seeds; finished runs of the folder are kept."""
    command = shlex.join(["crossdistill", "demo", "--seeds", str(seeds), "--out", str(out)])
    return compare(configurations(emoji(), DEMO_METHODS, False, False, ()), seeds, "", jobs, out, command)


def compare(found: Sequence[Recipe], seeds: int, folds: str, jobs: int, out: Path, command: str) -> int:
    """Run what is not finished yet, keep the table of runs up to date, then write the report, which names the command.

    folds: all, numbers separated by commas, or empty for the recipe's own split. Returns the exit code: 0, or once all
    other runs are done and written, 2 when some cannot be trained as they are (diverged, say) and 1 when some crashed.
    Raises InputError where `out` holds runs of other recipes; then nothing is begun.
    """
    if jobs < 1:
        raise InputError(f"--jobs: expected at least 1, found {jobs}")
    chosen = parse_folds(folds, known_folds(found[0]) if folds else ())
    recipes = {out / name: recipe for name, recipe in plan(found, seeds, chosen).items()}
    unfinished = {folder: recipe for folder, recipe in recipes.items() if not finished(recipe, folder)}
    if unfinished and not folds:  # their numbers were read from the data
        load_dataset(found[0].data)  # data that are not there are one line, not one for each run
    rows = {folder: row_of(folder, recipe) for folder, recipe in recipes.items() if folder not in unfinished}

    def write_rows() -> None:
        in_order = [rows[folder] for folder in recipes if folder in rows]
        if in_order:
            write_table(in_order, out / TABLE)

    write_rows()
    with progress_bar() as progress:
        shown = ComparisonProgress(progress, recipes, unfinished)

        def ended(folder: Path, failure: Failure | None) -> None:
            shown.ended(folder, failed=failure is not None)
            if failure is None:
                rows[folder] = row_of(folder, recipes[folder])
                write_rows()

        failures = run_all(unfinished, jobs, Listener(shown.started, shown.epoch, ended))
    if rows:
        write([folder for folder in recipes if folder in rows], out / "report.html", command)
        console().print(f"Table of runs: {out / TABLE}", soft_wrap=True)
        tell_of_others(out, set(recipes))
    return tell_of_failures(failures, out)


def tell_of_others(out: Path, compared: Set[Path]) -> None:
    """A folder may hold runs of earlier comparisons; saying nothing would let them be missed."""
    others = {path.parent for path in out.glob(f"*/{layout.RESULTS}")} - compared
    if others:
        line = f"{out} also holds {len(others)} finished runs that were not asked for; `crossdistill report {out}` "
        console().print(line + "has all of them", soft_wrap=True)


def tell_of_failures(failures: Mapping[Path, Failure], out: Path) -> int:
    """One line each on standard error, tracebacks of crashes in a file. Returns the exit code."""
    crashes = [f"{folder}\n{failure.details}\n" for folder, failure in failures.items() if failure.details]
    if crashes:
        write_atomically(out / TRACEBACKS, "".join(crashes))
    for folder, failure in failures.items():
        where = f" (traceback in {out / TRACEBACKS})" if failure.details else ""
        print(f"crossdistill: error: {folder}: {failure.message}{where}", file=sys.stderr)
    if not failures:
        return 0
    return 2 if all(failure.mistake for failure in failures.values()) else 1


def finished(recipe: Recipe, folder: Path) -> bool:
    """Raises InputError when the folder holds another recipe's run."""
    if not (folder / layout.RECIPE).is_file():
        return False
    layout.require_usable(recipe, folder, resume=True)
    return layout.is_finished(folder)


def known_folds(recipe: Recipe) -> list[int]:
    """The folds of the recipe's data."""
    return sorted({int(fold) for fold in load_dataset(recipe.data).folds if fold >= 0})
