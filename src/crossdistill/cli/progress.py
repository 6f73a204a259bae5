"""What a command shows while it works: bars in a terminal, a line for each finished run elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.build import total_epochs
from crossdistill.training import Record

T = TypeVar("T")


def console() -> Console:
    """Where output goes, brackets as they are; ranks other than the first are silent."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or "0"
    return Console(highlight=False, markup=False, quiet=rank != "0")


def progress_bar(unit: str = "epochs") -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console(),
    )


def advance(progress: Progress, task: TaskID, record: Record) -> None:
    progress.update(task, advance=1, note=accuracies(record))


def accuracies(record: Record) -> str:
    found = {view: record[f"{view}/top1"] for view in ("student", "teacher") if f"{view}/top1" in record}
    return ", ".join(f"{view} {100 * float(value):.1f} %" for view, value in found.items())


def name_of(recipe: Recipe) -> str:
    """How the output calls a run of a comparison."""
    fold = f" fold {recipe.data.fold}" if recipe.data.fold >= 0 else ""
    return f"{recipe.label or recipe.method}{fold} seed {recipe.seed}"


@dataclass
class Shown:
    """A run that is on: how many of its epochs were heard of, and what the last one measured."""

    task: TaskID
    epochs: int = 0
    note: str = ""


class ComparisonProgress:
    """One bar for all epochs of all runs and one for each run that is on; without a terminal, a line a run."""

    def __init__(self, progress: Progress, recipes: Mapping[Path, Recipe], unfinished: Mapping[Path, Recipe]) -> None:
        self.progress, self.recipes, self.count = progress, recipes, len(recipes)
        self.terminal = progress.console.is_terminal
        self.totals = {folder: total_epochs(recipe) for folder, recipe in recipes.items()}
        self.done = self.count - len(unfinished)
        kept = sum(total for folder, total in self.totals.items() if folder not in unfinished)
        self.whole = progress.add_task(
            self._title(), total=sum(self.totals.values()), completed=kept, note="", visible=self.terminal
        )
        self.shown: dict[Path, Shown] = {}
        if not self.terminal:
            progress.console.print(f"{self.count} runs, {self.done} of them finished already", soft_wrap=True)

    def started(self, folder: Path) -> None:
        title, total = name_of(self.recipes[folder]), self.totals[folder]
        self.shown[folder] = Shown(self.progress.add_task(title, total=total, note="", visible=self.terminal))

    def epoch(self, folder: Path, record: Record) -> None:
        shown = self.shown[folder]
        shown.epochs, shown.note = shown.epochs + 1, accuracies(record) or shown.note
        self.progress.update(shown.task, completed=shown.epochs, note=shown.note)
        self.progress.advance(self.whole)

    def ended(self, folder: Path, failed: bool) -> None:
        shown = self.shown.pop(folder)
        self.progress.remove_task(shown.task)
        self.done += not failed
        # the epochs of a run that failed will not come, those of one that was resumed were done before
        self.progress.advance(self.whole, self.totals[folder] - shown.epochs)
        self.progress.update(self.whole, description=self._title())
        if failed or not self.terminal:
            outcome = "failed" if failed else shown.note or "finished"
            line = f"{self.done}/{self.count} {name_of(self.recipes[folder])}: {outcome}"
            self.progress.console.print(line, soft_wrap=True)

    def _title(self) -> str:
        return f"{self.done}/{self.count} runs"


def tracked(results: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The results, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console()) as progress:
        yield from progress.track(results, total=total, description=what)
