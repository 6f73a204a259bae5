"""What the commands do, after their options are parsed; also the functions to call from Python."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from crossdistill import data
from crossdistill.recipes import folder as layout
from crossdistill.recipes.bundled import emoji
from crossdistill.recipes.measure import NAMES, results
from crossdistill.recipes.pictures import retrieval_examples
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.run import load_trained, run, total_epochs
from crossdistill.reports import headline_table, illustrated, load_runs, write_markdown, write_report
from crossdistill.training import Record
from crossdistill.types import InputError

DEMO_METHODS = ("baseline", "teacher", "amid")


def train(recipe: Recipe, out: Path | None, resume: bool) -> None:
    """Train with a progress bar, then print the headline."""
    folder = out or Path("runs") / f"{recipe.name}-{recipe.method}-seed{recipe.seed}"
    with progress_bar() as progress:
        task = progress.add_task(f"{recipe.method} seed {recipe.seed}", total=total_epochs(recipe), note="")
        run(recipe, folder, resume, lambda record: advance(progress, task, record))
    console().print(headline_table(load_runs([folder])))
    console().print(f"Run: {folder}", soft_wrap=True)


def demo(seeds: int, out: Path) -> None:
    """Baseline, teacher and AMID on the emoji set, each with the same seeds; finished runs of the folder are kept."""
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, found {seeds}")
    recipes = [replace(emoji(), method=method, seed=seed) for seed in range(seeds) for method in DEMO_METHODS]
    folders = []
    with progress_bar() as progress:
        task = progress.add_task("demo", total=sum(total_epochs(recipe) for recipe in recipes), note="")
        for recipe in recipes:
            progress.update(task, description=f"{recipe.method} seed {recipe.seed}")
            folder = out / f"{recipe.method}-seed{recipe.seed}"
            if layout.is_finished(folder):
                progress.advance(task, total_epochs(recipe))
            run(recipe, folder, resume=True, observe=lambda record: advance(progress, task, record))
            folders.append(folder)
    write(folders, out / "report.html", shlex.join(["crossdistill", "demo", "--seeds", str(seeds), "--out", str(out)]))


def evaluate(folder: Path) -> None:
    """Measure a finished run's saved model again, and say whether it still gives what results.json holds."""
    recipe, dataset, method = load_trained(folder)
    stored = layout.read_results(folder)
    again = results(recipe, dataset, method, stored["seconds"], torch.device("cpu"))
    table = Table(title=f"{folder}: {len(dataset.rows(recipe.data.evaluate_on))} {recipe.data.evaluate_on} samples")
    for column in ("", "top-1", "WA", "UA", "R@1", "R@5"):
        table.add_column(column, justify="left" if not column else "right")
    views = [NAMES[view] for view in method.predicts]
    for view in views:
        table.add_row(view, *(f"{100 * again[view][key]:.1f} %" for key in ("top1", "wa", "ua", "r1", "r5")))
    console().print(table)
    same = all(again[view]["confusion"] == stored[view]["confusion"] for view in views)
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


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
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
