"""What a comparison and a search show: a line for each run where there is no terminal, bars where there is one."""

from __future__ import annotations

import importlib
import io

import pytest
from rich.console import Console
from rich.progress import Progress

from crossdistill.cli import progress
from crossdistill.cli.main import main
from crossdistill.listening import WARNING, Listener, Values, reported
from crossdistill.studies.compare import RUNS
from crossdistill.types import InputError


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
    listener = progress.trial_bars(bars)
    listener.begin("kd", 3)
    notes = []
    found: list[Values] = [{"trial": 0, "accuracy": 0.5, "best": 0.75}, {"trial": 1, "accuracy": 1.0, "best": 1.0}]
    for values in (*found, {"trial": 2}):
        listener.step("kd", values)
        notes.append(bars.tasks[0].fields["note"])
    assert notes == ["trial 0 50.0 %, best 75.0 %", "trial 1 100.0 %, best 100.0 %", "trial 2 diverged"]
    assert bars.tasks[0].completed == 3


EPOCHS: list[Values] = [
    {"stage": "auxiliary", "epoch": 0, "training/loss/classification": 1.25, "training/loss/jsd": 0.5, "seconds": 2.0},
    {"stage": "amid", "epoch": 0, "training/loss/jsd": 0.5, "evaluation/student/top1": 0.5, "evaluation/gap": 0.25},
    {"stage": "amid", "epoch": 1, "evaluation/student/top1": 0.625, "evaluation/teacher/top1": 0.75},
]


@pytest.mark.parametrize("terminal", [False, True])
def test_an_epoch_is_a_line_where_there_is_no_terminal(terminal: bool) -> None:
    bars, text = shown(terminal)
    listener = progress.epoch_bars(bars)
    listener.begin("amid seed 0", 3)
    for values in EPOCHS:
        listener.step("amid seed 0", values)
    lines = [
        "amid seed 0: 3 epochs",
        "amid seed 0: auxiliary epoch 1, classification 1.25",
        "amid seed 0: amid epoch 1, student 50.0 %",
        "amid seed 0: amid epoch 2, student 62.5 %, teacher 75.0 %",
    ]
    assert text.getvalue().splitlines() == ([] if terminal else lines)
    assert bars.tasks[0].completed == 3
    assert bars.tasks[0].fields["note"] == "amid epoch 2, student 62.5 %, teacher 75.0 %"
    assert bars.tasks[0].visible == terminal


def test_of_a_task_that_fails_before_its_first_step_no_bar_is_left() -> None:
    bars, _ = shown(terminal=True)
    listener = progress.epoch_bars(bars)
    with pytest.raises(InputError), reported(listener, "amid seed 0", 3):
        raise InputError("no such data")
    assert not bars.tasks
    listener.begin("amid seed 1", 3)
    listener.step("amid seed 1", EPOCHS[0])
    listener.end("amid seed 1", "diverged")
    assert [task.description for task in bars.tasks] == ["amid seed 1"]


def test_quiet_is_warnings_alone_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(True, progress.RunBars) as listener:
        three_runs(listener)
        listener.say(f"{WARNING}amid seed 0: nothing \x1b[2J")
    out, error = capsys.readouterr()
    assert out == ""
    assert error == "crossdistill: warning: amid seed 0: nothing \\x1b[2J\n"


QUIET = {
    "train": ["train", "emoji", "--method", "baseline", "--epochs", "1"],
    "demo": ["demo", "watch", "--seeds", "1"],
    "compare": ["compare", "emoji", "--methods", "baseline", "--epochs", "1"],
    "tune": ["tune", "emoji", "--methods", "baseline", "--trials", "1", "--seeds", "1", "--epochs", "1"],
    "benchmark": ["benchmark", "--sets", "emoji", "--budgets", "all", "--fields", "{epochs: 1}"],
}


@pytest.mark.parametrize("name", QUIET)
def test_every_command_that_trains_can_be_quiet(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it would train is not; what it listens with is looked at."""
    heard: list[Listener] = []

    def caught(*arguments: object, **named: object) -> object:
        heard.extend(each for each in (*arguments, *named.values()) if isinstance(each, Listener))
        raise InputError("enough")

    work = {"train": "run", "demo": "compare"}.get(name, name)
    module = importlib.import_module(f"crossdistill.cli.{'compare' if name == 'demo' else name}")
    monkeypatch.setattr(module, work, caught)
    assert main([*QUIET[name], "--quiet"]) == 2
    assert [type(each) for each in heard] == [progress.Quiet]
    assert "enough" in capsys.readouterr().err
