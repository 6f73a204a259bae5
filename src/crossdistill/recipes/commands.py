"""What the commands do, after their options are parsed; also the functions to call from Python."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import torch
from rich.table import Table

from crossdistill.recipes import folder as layout
from crossdistill.recipes.build import load_dataset
from crossdistill.recipes.bundled import emoji
from crossdistill.recipes.compare import configurations, parse_folds, plan
from crossdistill.recipes.extract import extract as encode
from crossdistill.recipes.extraction import Extraction
from crossdistill.recipes.jobs import Failure, Listener, run_all
from crossdistill.recipes.measure import NAMES, results
from crossdistill.recipes.pictures import retrieval_examples
from crossdistill.recipes.progress import ComparisonProgress, advance, console, progress_bar, tracked
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.results import row_of, write_table
from crossdistill.recipes.run import load_trained, run, total_epochs
from crossdistill.recipes.tune import tune as find
from crossdistill.reports import headline_table, illustrated, load_runs, write_markdown, write_report
from crossdistill.types import InputError

DEMO_METHODS = ("baseline", "teacher", "amid")
TABLE, TRACEBACKS = "results.parquet", "crashes.txt"


def train(recipe: Recipe, out: Path | None, resume: bool) -> None:
    """Train with a progress bar, then print the headline."""
    folder = out or Path("runs") / f"{recipe.name}-{recipe.method}-seed{recipe.seed}"
    with progress_bar() as progress:
        task = progress.add_task(f"{recipe.method} seed {recipe.seed}", total=total_epochs(recipe), note="")
        run(recipe, folder, resume, lambda record: advance(progress, task, record))
    console().print(headline_table(load_runs([folder])))
    console().print(f"Run: {folder}", soft_wrap=True)
    if (notes := folder / layout.NOTES).is_file():
        count = len(notes.read_text(encoding="utf-8").splitlines())
        console().print(f"Files with something wrong or missing: {count} lines in {notes}", soft_wrap=True)


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
        layout.write_atomically(out / TRACEBACKS, "".join(crashes))
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
    layout.claim(recipe, folder, resume=True)
    return layout.is_finished(folder)


def known_folds(recipe: Recipe) -> list[int]:
    """The folds of the recipe's data."""
    return sorted({int(fold) for fold in load_dataset(recipe.data).folds if fold >= 0})


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


def evaluate(folder: Path) -> None:
    """Measure a finished run's saved model again, and say whether it still gives what results.json holds."""
    recipe, dataset, method = load_trained(folder)
    stored = layout.read_results(folder)
    again = results(recipe, dataset, method, stored["seconds"], torch.device("cpu"))
    table = Table(title=f"{folder}: {len(dataset.rows(recipe.data.evaluate_on))} {recipe.data.evaluate_on} samples")
    for column in ("", "top-1", "WA", "UA", "R@1", "R@5"):
        table.add_column(column, justify="left" if not column else "right")
    views = [NAMES[view] for view in method.predicts if NAMES[view] in again]
    for view in views:
        table.add_row(view, *(f"{100 * again[view][key]:.1f} %" for key in ("top1", "wa", "ua", "r1", "r5")))
    console().print(table)
    same = all(again[view]["confusion"] == stored.get(view, {}).get("confusion") for view in views)
    console().print("The same predictions as when it was trained." if same else "Not the predictions of its training.")


def report(folders: Sequence[Path], out: Path, markdown: Path | None = None) -> None:
    """An HTML page, and Markdown where a folder is given for it, from run folders or folders that hold run folders."""
    found = [run for folder in folders for run in run_folders(folder)]
    command = ["crossdistill", "report", *map(str, folders)]
    write(found, out, shlex.join([*command, "--out", str(out)]))
    if markdown is not None:
        document = write_markdown(found, markdown, shlex.join([*command, "--markdown", str(markdown)]))
        console().print(f"Markdown: {document}", soft_wrap=True)


def extract(path: Path, settings: Extraction, out: Path | None) -> None:
    """Encode a modality, with a progress bar, and say what came of it."""
    made = encode(path, settings, out, tracked)
    for note in made.notes:
        console().print(note.text, soft_wrap=True)
    others = f", {made.unreadable} files hold nothing to encode" if made.unreadable else ""
    console().print(f"{made.manifest}: {made.encoded} of {made.samples} samples encoded{others}", soft_wrap=True)


def write(folders: Sequence[Path], out: Path, command: str) -> None:
    """The page of these runs; command: the one that was given, which the page names."""
    runs = load_runs(folders)
    examples = retrieval_examples(illustrated(runs), lambda line: console().print(line, soft_wrap=True))
    write_report(folders, out, examples, command)
    console().print(headline_table(runs))
    console().print(f"Report: {out}", soft_wrap=True)


def run_folders(folder: Path) -> list[Path]:
    """The folder itself, or the finished runs directly in it, in the order in which they were begun."""
    if (folder / layout.RECIPE).is_file():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{layout.RESULTS}")]
    if not found:
        raise InputError(f"{folder}: expected a run folder or a folder that holds finished runs")
    return sorted(found, key=lambda path: (path / layout.RECIPE).stat().st_mtime_ns)
