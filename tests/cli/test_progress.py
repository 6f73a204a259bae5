"""What a comparison and a search show: a line for each run where there is no terminal, bars where there is one."""

from __future__ import annotations

import io

from rich.console import Console
from rich.progress import Progress

from crossdistill.cli import progress
from crossdistill.studies.compare import RUNS
from crossdistill.types import Listener


def shown(terminal: bool) -> tuple[Progress, io.StringIO]:
    text = io.StringIO()
    bars = progress.progress_bar()
    bars.live.console = Console(file=text, force_terminal=terminal, width=120, highlight=False, markup=False)
    return bars, text


def three_runs(listener: Listener) -> None:
    """One was kept, one ends well, one fails."""
    listener.begin(RUNS, 3)
    listener.say("3 runs, 1 of them finished already")
    listener.step(RUNS)
    listener.begin("amid seed 0", 2)
    listener.begin("kd seed 0", 4)
    listener.step("amid seed 0", {"stage": "auxiliary", "epoch": 0})
    listener.step("kd seed 0", {"evaluation/student/top1": 0.25})
    listener.step("amid seed 0", {"evaluation/student/top1": 0.5, "evaluation/teacher/top1": 0.875})
    listener.end("amid seed 0")
    listener.step(RUNS)
    listener.end("kd seed 0", problem="its training diverged")
    listener.end(RUNS)


def test_without_a_terminal_each_run_that_ends_is_a_line() -> None:
    bars, text = shown(terminal=False)
    three_runs(progress.RunBars(bars))
    assert text.getvalue().splitlines() == [
        "3 runs, 1 of them finished already",
        "2/3 amid seed 0: student 50.0 %, teacher 87.5 %",
        "2/3 kd seed 0: failed",
    ]


def test_in_a_terminal_the_bar_of_the_whole_counts_runs_and_their_parts() -> None:
    bars, text = shown(terminal=True)
    listener = progress.RunBars(bars)
    completed: list[float] = []
    step = listener.step

    def stepping(*arguments: object) -> None:
        step(*arguments)  # type: ignore[arg-type]
        completed.append(bars.tasks[0].completed)

    listener.step = stepping  # type: ignore[method-assign]
    three_runs(listener)
    assert completed == [1, 1.5, 1.75, 2.25, 2.25]
    assert [task.description for task in bars.tasks] == [RUNS], "bars of runs that are over are gone"
    assert "kd seed 0: failed" in text.getvalue()
    assert "amid seed 0: student" not in text.getvalue(), "its bar said so"


def test_a_search_shows_the_last_trial_and_the_best() -> None:
    bars, _ = shown(terminal=False)
    listener = progress.TrialBars(bars)
    listener.begin("kd", 3)
    notes = []
    for values in ({"trial": 0, "accuracy": 0.5}, {"trial": 1, "accuracy": 0.25}, {"trial": 2}):
        listener.step("kd", values)
        notes.append(bars.tasks[0].fields["note"])
    assert notes == ["trial 0 50.0 %, best 50.0 %", "trial 1 25.0 %, best 50.0 %", "trial 2 diverged"]
    assert bars.tasks[0].completed == 3
