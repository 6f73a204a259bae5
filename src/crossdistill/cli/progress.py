"""What a command shows while it works: bars in a terminal, a line for each finished run elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from crossdistill.cli.words import is_first_rank, printable
from crossdistill.runs.measure import logged_scores
from crossdistill.studies.plan import RUNS
from crossdistill.types import Listener, Values

NOTHING: Values = MappingProxyType({})


class _Console(Console):
    """A console that shows what a text of others' holds, and obeys none of it."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the command's to answer, whose exit code of 1 means something else

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def console() -> Console:
    """Where output goes, brackets as they are; ranks other than the first are silent."""
    return _Console(highlight=False, markup=False, quiet=not is_first_rank())


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console(),
    )


def accuracies(values: Values) -> str:
    """The student's and the teacher's headline measure in an epoch's record; empty where it measured neither."""
    found = logged_scores(values)
    return ", ".join(
        f"{view} {found[view][0].shown(found[view][1])}" for view in ("student", "teacher") if view in found
    )


class Lines(Listener):
    """Prints what a person should know, and shows no bar."""

    def say(self, line: str) -> None:
        console().print(line, soft_wrap=True)


class Bars(Listener):
    """A bar for each task, which stays when the task is over."""

    def __init__(self, progress: Progress, unit: str = "") -> None:
        self.progress, self.unit = progress, unit
        self.bars: dict[str, TaskID] = {}

    def begin(self, task: str, total: int) -> None:
        self.bars[task] = self.progress.add_task(printable(task), total=total, unit=self.unit, note="")

    def step(self, task: str, values: Values = NOTHING) -> None:
        self.progress.update(self.bars[task], advance=1, note=self.note(task, values))

    def say(self, line: str) -> None:
        self.progress.console.print(line, soft_wrap=True)

    def note(self, task: str, values: Values) -> str:
        return accuracies(values)


@contextmanager
def bars(unit: str = "") -> Iterator[Bars]:
    """A listener that shows a bar for each task while the block runs."""
    with progress_bar() as progress:
        yield Bars(progress, unit)


class TrialBars(Bars):
    """A bar for each method's trials, with the accuracy of the last and of the best."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress, "trials")
        self.best: dict[str, float] = {}

    def note(self, task: str, values: Values) -> str:
        if "accuracy" not in values:
            return f"trial {values['trial']} diverged"
        accuracy = float(values["accuracy"])
        self.best[task] = max(accuracy, self.best.get(task, accuracy))
        return f"trial {values['trial']} {100 * accuracy:.1f} %, best {100 * self.best[task]:.1f} %"


@dataclass
class RunBar:
    """A run that is on: how many of its epochs were heard of, and what the last one measured."""

    bar: TaskID
    total: int
    epochs: int = 0
    note: str = ""


class RunBars(Listener):
    """One bar for all runs of a comparison and one for each that is on; without a terminal, a line a run."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.terminal = progress, progress.console.is_terminal
        self.runs: dict[str, RunBar] = {}
        self.whole, self.done, self.count = TaskID(0), 0, 0

    def begin(self, task: str, total: int) -> None:
        unit = "runs" if task == RUNS else "epochs"
        bar = self.progress.add_task(printable(task), total=total, unit=unit, note="", visible=self.terminal)
        if task == RUNS:
            self.whole, self.count = bar, total
        else:
            self.runs[task] = RunBar(bar, total)

    def step(self, task: str, values: Values = NOTHING) -> None:
        if task == RUNS:
            self.done += 1
        else:
            run = self.runs[task]
            run.epochs, run.note = run.epochs + 1, accuracies(values) or run.note
            self.progress.update(run.bar, completed=run.epochs, note=run.note)
        under_way = sum(run.epochs / run.total for run in self.runs.values())
        self.progress.update(self.whole, completed=self.done + under_way)

    def end(self, task: str, problem: str = "") -> None:
        if task == RUNS:
            return
        run = self.runs.pop(task)
        self.progress.remove_task(run.bar)
        if problem or not self.terminal:
            outcome = "failed" if problem else run.note or "finished"
            done = self.done + (not problem)  # this run is a step of the whole next
            self.progress.console.print(f"{done}/{self.count} {task}: {outcome}", soft_wrap=True)

    def say(self, line: str) -> None:
        self.progress.console.print(line, soft_wrap=True)
