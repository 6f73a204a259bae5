"""What the commands do, after their options are parsed; also the functions to call from Python."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.data.labels import SPLITS
from crossdistill.recipes import folder as layout
from crossdistill.recipes.build import load_dataset
from crossdistill.recipes.bundled import emoji
from crossdistill.recipes.compare import configurations, plan
from crossdistill.recipes.jobs import Listener, run_all
from crossdistill.recipes.measure import NAMES, results
from crossdistill.recipes.pictures import retrieval_examples
from crossdistill.recipes.prepare import CacheSettings, Count, cache_size, check_manifest, fill_cache
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.results import write_table
from crossdistill.recipes.run import load_trained, run, total_epochs
from crossdistill.recipes.tune import tune as find
from crossdistill.reports import headline_table, illustrated, load_runs, write_markdown, write_report
from crossdistill.training import Record
from crossdistill.types import InputError

T = TypeVar("T")

MOST_CLASSES = 60
"""That a table of classes lists."""

DEMO_METHODS = ("baseline", "teacher", "amid")


def train(recipe: Recipe, out: Path | None, resume: bool) -> None:
    """Train with a progress bar, then print the headline."""
    folder = out or Path("runs") / f"{recipe.name}-{recipe.method}-seed{recipe.seed}"
    with progress_bar() as progress:
        task = progress.add_task(f"{recipe.method} seed {recipe.seed}", total=total_epochs(recipe), note="")
        run(recipe, folder, resume, lambda record: advance(progress, task, record))
    console().print(headline_table(load_runs([folder])))
    console().print(f"Run: {folder}", soft_wrap=True)


def demo(seeds: int, jobs: int, out: Path) -> None:
    """Baseline, teacher and AMID on the emoji set, each with the same seeds; finished runs of the folder are kept."""
    command = shlex.join(["crossdistill", "demo", "--seeds", str(seeds), "--out", str(out)])
    compare(configurations(emoji(), DEMO_METHODS, False, False, ()), seeds, False, jobs, out, command)


def compare(found: Sequence[Recipe], seeds: int, folds: bool, jobs: int, out: Path, command: str) -> None:
    """Run what is not finished yet, with a bar for the whole and one for each run; then the table and the report, which
    names the command.

    Raises InputError at the end, after all else is done and written, when some of the runs failed.
    """
    if jobs < 1:
        raise InputError(f"--jobs: expected at least 1, found {jobs}")
    recipes = {out / name: recipe for name, recipe in plan(found, seeds, folds_of(found) if folds else ()).items()}
    unfinished = {folder: recipe for folder, recipe in recipes.items() if not finished(recipe, folder)}
    with progress_bar() as progress:
        bars = Bars(progress, recipes, unfinished, out)
        failures = run_all(unfinished, jobs, Listener(bars.started, bars.epoch, bars.ended))
    write_table(recipes.items(), out / "results.parquet")
    done = [folder for folder in recipes if layout.is_finished(folder)]
    if done:
        write(done, out / "report.html", command)
        console().print(f"Table of runs: {out / 'results.parquet'}", soft_wrap=True)
    if failures:
        first, problem = next(iter(failures.items()))
        others = f"; {len(failures) - 1} others failed too" if len(failures) > 1 else ""
        raise InputError(f"{first}: {problem}{others}. The same command tries them again")


def finished(recipe: Recipe, folder: Path) -> bool:
    """Raises InputError when the folder holds another recipe's run."""
    if not (folder / layout.RECIPE).is_file():
        return False
    layout.claim(recipe, folder, resume=True)
    return layout.is_finished(folder)


def folds_of(found: Sequence[Recipe]) -> list[int]:
    """The folds of the recipes' data, which they share."""
    dataset = load_dataset(found[0].data)
    folds = sorted({int(fold) for fold in dataset.folds if fold >= 0})
    if not folds:
        raise InputError(f"--folds: {dataset.name} has no folds")
    return folds


class Bars:
    """The progress of a comparison: one bar for all epochs of all runs, and one for each run that is on."""

    def __init__(
        self, progress: Progress, recipes: Mapping[Path, Recipe], unfinished: Mapping[Path, Recipe], out: Path
    ) -> None:
        self.progress, self.recipes, self.out = progress, recipes, out
        self.tasks: dict[Path, TaskID] = {}
        epochs = {folder: total_epochs(recipe) for folder, recipe in recipes.items()}
        kept = sum(epochs.values()) - sum(epochs[folder] for folder in unfinished)
        self.whole = progress.add_task(f"{len(recipes)} runs", total=sum(epochs.values()), completed=kept, note="")
        self.epochs, self.left = epochs, len(unfinished)

    def started(self, folder: Path) -> None:
        recipe = self.recipes[folder]
        name = f"{recipe.label or recipe.method} seed {recipe.seed}"
        self.tasks[folder] = self.progress.add_task(name, total=self.epochs[folder], note="")

    def epoch(self, folder: Path, record: Record) -> None:
        advance(self.progress, self.tasks[folder], record)
        self.progress.advance(self.whole)

    def ended(self, folder: Path, problem: str | None) -> None:
        task = self.tasks.pop(folder)
        self.left -= 1
        if problem:
            console().print(f"{folder}: {problem}", soft_wrap=True)
        else:  # the epochs that it had done before this comparison was started again
            done = next(found.completed for found in self.progress.tasks if found.id == task)
            self.progress.advance(self.whole, self.epochs[folder] - done)
        self.progress.remove_task(task)
        self.progress.update(self.whole, note=f"{self.left} to go")
        write_table(self.recipes.items(), self.out / "results.parquet")


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
    command = ["crossdistill", "report", *map(str, folders), "--out", str(out)]
    write(found, out, shlex.join(command + (["--markdown", str(markdown)] if markdown else [])), markdown)


def prepare(name: str, source: Path, out: Path | None) -> None:
    """Convert a data set's release and say what came of it."""
    folder = data.PREPARERS[name](source, out or Path("data") / name)
    dataset = data.read_manifest(folder)
    counts = ", ".join(f"{len(dataset.rows(split))} {split}" for split in ("train", "validation", "test"))
    console().print(f"{folder}: {counts}; {len(dataset.classes)} classes; {', '.join(dataset.columns)}", soft_wrap=True)


def prepare_manifest(path: Path, settings: CacheSettings, allow_outside: bool, strict: bool) -> None:
    """Check a manifest and what it names, say what is in it, and decode its media once where a cache is asked for.

    Raises InputError, after all that, where a file cannot be read, or ends early and strict is set.
    """
    if settings.workers < 1 or settings.rate < 1 or settings.short_side < 0:
        raise InputError("--workers and --rate: expected at least 1; --short-side: expected 0 or more")
    checked = check_manifest(path, settings, allow_outside, tracked)
    for table in (modality_table(checked.counts), class_table(checked.dataset)):
        console().print(table)
    for line in (*checked.broken, *checked.damaged):
        console().print(line, soft_wrap=True, markup=False)
    if settings.form != "none":
        size = cache_size(checked, settings) / 2**20
        console().print(
            f"Cache: {len(checked.readable)} files, about {size:,.1f} MiB, in {path_of(path) / 'cache'}", soft_wrap=True
        )
        made = fill_cache(checked, path, settings, tracked)
        console().print(f"Decoded: {made}; already there: {len(checked.readable) - made}.")
    wrong = [*checked.broken, *(checked.damaged if strict else ())]
    if wrong:
        others = f" (and {len(wrong) - 1} more, listed above)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{others}")


def path_of(manifest: Path) -> Path:
    return manifest if manifest.is_dir() else manifest.parent


def modality_table(counts: Sequence[Count]) -> Table:
    table = Table()
    for column in ("modality", "split", "samples", "missing", "unreadable", "duration", "mean"):
        table.add_column(column, justify="left" if column in ("modality", "split") else "right")
    for count in counts:
        readable = count.samples - count.missing - count.unreadable
        timed = count.seconds > 0
        table.add_row(
            count.modality,
            count.split,
            *(f"{number:,}" for number in (count.samples, count.missing, count.unreadable)),
            str(timedelta(seconds=round(count.seconds))) if timed else "",
            f"{count.seconds / readable:.2f} s" if timed else "",
        )
    return table


def class_table(dataset: MultimodalDataset) -> Table:
    """How many samples each class has in each split; of many classes, the smallest and the largest."""
    splits = [split for split in SPLITS if len(dataset.rows(split))]
    counts = np.stack([np.bincount(dataset.labels[dataset.rows(s)], minlength=len(dataset.classes)) for s in splits])
    order = np.argsort(-counts[0], kind="stable")
    shown = order if len(order) <= MOST_CLASSES else [*order[: MOST_CLASSES // 2], *order[-MOST_CLASSES // 2 :]]
    left_out = len(order) - len(shown)
    table = Table(caption=f"{left_out} classes in between are not shown" if left_out else None)
    table.add_column(f"class ({len(dataset.classes)})")
    for split in splits:
        table.add_column(split, justify="right")
    for number in shown:
        table.add_row(dataset.classes[number], *(f"{count:,}" for count in counts[:, number]))
    return table


def tracked(results: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The results, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console()) as progress:
        yield from progress.track(results, total=total, description=what)


def write(folders: Sequence[Path], out: Path, command: str, markdown: Path | None = None) -> None:
    """The page (and Markdown) of these runs; command: the one that was given, which the report names."""
    runs = load_runs(folders)
    write_report(folders, out, retrieval_examples(illustrated(runs)), command)
    console().print(headline_table(runs))
    console().print(f"Report: {out}", soft_wrap=True)
    if markdown is not None:
        console().print(f"Markdown: {write_markdown(folders, markdown, command)}", soft_wrap=True)


def run_folders(folder: Path) -> list[Path]:
    """The folder itself, or the finished runs directly in it, in the order in which they were begun."""
    if (folder / layout.RECIPE).is_file():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{layout.RESULTS}")]
    if not found:
        raise InputError(f"{folder}: expected a run folder or a folder that holds finished runs")
    return sorted(found, key=lambda path: (path / layout.RECIPE).stat().st_mtime_ns)


def console() -> Console:
    """Where output goes; ranks other than the first are silent."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or "0"
    return Console(highlight=False, quiet=rank != "0")


def progress_bar(unit: str = "epochs") -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console(),
    )


def advance(progress: Progress, task: TaskID, record: Record) -> None:
    accuracies = [
        f"{view} {100 * float(record[key]):.1f} %"
        for view in ("student", "teacher")
        if (key := f"{view}/top1") in record
    ]
    progress.update(task, advance=1, note=", ".join(accuracies))
