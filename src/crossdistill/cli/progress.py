"""What a command shows while it works: bars in a terminal, a line for each epoch, trial or run elsewhere, and where it
is to be quiet, warnings alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from crossdistill.cli.words import is_first_rank, printable, printable_line, warn
from crossdistill.listening import WARNING, Listener, Values
from crossdistill.runs.measure import logged_scores
from crossdistill.studies.plan import RUNS
from crossdistill.tasks import in_percent

NOTHING: Values = MappingProxyType({})
_LOSS = "training/loss/"


class _Console(Console):
    """A console that shows what a text of others' holds, and obeys none of it."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the command's to answer, whose exit code of 1 means something else

    def print(self, *objects: Any, **options: Any) -> None:
        """What is not to be wrapped is one line each."""
        if options.get("soft_wrap"):
            objects = tuple(printable_line(each) if isinstance(each, str) else each for each in objects)
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def console() -> Console:
    """Where output goes, brackets as they are; ranks other than the first are silent."""
    return _Console(highlight=False, markup=False, emoji=False, quiet=not is_first_rank())


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


def add_quiet(parser: ArgumentParser) -> None:
    """The option of the commands that train."""
    parser.add_argument("--quiet", action="store_true", help="print warnings, errors and what came of it, no more")


class Quiet(Listener):
    """Prints warnings, on standard error, and nothing else."""

    def say(self, line: str) -> None:
        if WARNING in line:
            warn(line.replace(WARNING, "", 1))


@contextmanager
def shown(quiet: bool, by: Callable[[Progress], Listener]) -> Iterator[Listener]:
    """What listens to a command's work while the block runs: bars or lines, by what makes them, or warnings alone."""
    if quiet:
        yield Quiet()
        return
    with progress_bar() as progress:
        yield by(progress)


class Bars(Listener):
    """A bar for each task, which stays when the task is over."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bars: dict[str, TaskID] = {}

    def begin(self, task: str, total: int) -> None:
        self.bars[task] = self.progress.add_task(printable_line(task), total=total, unit="", note="")

    def step(self, task: str, values: Values = NOTHING) -> None:
        self.progress.update(self.bars[task], advance=1)

    def say(self, line: str) -> None:
        self.progress.console.print(line, soft_wrap=True)


@contextmanager
def bars() -> Iterator[Bars]:
    """A listener that shows a bar for each task while the block runs."""
    with progress_bar() as progress:
        yield Bars(progress)


class StepBars(Bars):
    """A bar for each task with a note of its last step, but for one that fails before its first; without a terminal, a
    line a step.

    unit: what a step is; note: task and a step's values -> what it showed, a line of its own without a terminal
    """

    def __init__(self, progress: Progress, unit: str, note: Callable[[str, Values], str]) -> None:
        super().__init__(progress)
        self._unit, self._note, self._terminal = unit, note, progress.console.is_terminal
        self._stepped: set[str] = set()

    def begin(self, task: str, total: int) -> None:
        name, visible = printable_line(task), self._terminal
        self.bars[task] = self.progress.add_task(name, total=total, unit=self._unit, note="", visible=visible)
        if not self._terminal:
            self.say(f"{task}: {total} {self._unit}")

    def end(self, task: str, problem: str = "") -> None:
        if problem and task not in self._stepped:
            self.progress.remove_task(self.bars.pop(task))

    def step(self, task: str, values: Values = NOTHING) -> None:
        self._stepped.add(task)
        note = self._note(task, values)
        self.progress.update(self.bars[task], advance=1, note=note)
        if not self._terminal:
            self.say(f"{task}: {note}")


def epoch_bars(progress: Progress) -> StepBars:
    """The epochs of a run: which one is done, and what it measured, or how large its first loss was."""
    return StepBars(progress, "epochs", _epoch_note)


def _epoch_note(task: str, values: Values) -> str:
    losses = [f"{key.removeprefix(_LOSS)} {float(values[key]):.4g}" for key in values if key.startswith(_LOSS)]
    return f"{values['stage']} epoch {int(values['epoch']) + 1}, {accuracies(values) or ''.join(losses[:1])}"


def trial_bars(progress: Progress) -> StepBars:
    """Each method's trials, with the accuracy of the last and of the best."""
    return StepBars(progress, "trials", _trial_note)


def _trial_note(task: str, values: Values) -> str:
    if "accuracy" not in values:
        return f"trial {values['trial']} diverged"
    accuracy, best = (in_percent(float(values[name])) for name in ("accuracy", "best"))
    return f"trial {values['trial']} {accuracy} %, best {best} %"


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
        bar = self.progress.add_task(printable_line(task), total=total, unit=unit, note="", visible=self.terminal)
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
