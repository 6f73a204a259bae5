"""Real processes that get a scheduler's signals, or the keyboard's: they save inside an epoch and go on from there."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossdistill.recipes.files import load_recipe
from crossdistill.runs.run import run
from crossdistill.training import Checkpoint
from tests.cli.test_main import CPU
from tests.contracts.test_runs import assert_same_run
from tests.processes import SLOW, Started, command, start_command, start_ranks
from tests.runs.small import folder_of, gestures

EPOCHS, STEPS = 8, 16
NEVER = str(10 * EPOCHS)
QUIET = {"PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(gestures(), tmp_path_factory.mktemp("signals"))


WORKER = ("--machine.workers", "1")


def command_for(source: Path, run: Path, *options: str) -> list[str]:
    """A run of some seconds, with 16 steps in an epoch, that saves nothing by itself before its end."""
    fields = ["--data.source", str(source), "--data.target", '["wrist"]', "--data.auxiliary", '["eye"]']
    fields += ["--model.dropout", "0.3"]  # so that each rank's random state counts
    sizes = ["--method", "amid", "--epochs", str(EPOCHS), "--batch_size", "2", "--checkpoint_every", NEVER]
    return ["train", "own", *fields, *sizes, *CPU, "--out", str(run), *options]


def train(source: Path, run: Path, *options: str) -> Started:
    return start_command(*command_for(source, run, *options), environment=QUIET)


def finished(process: Started) -> tuple[int, str]:
    """Its exit code and what it said on standard error."""
    code, _, said = process.result()
    return code, said


def wait_for_growth(path: Path, process: Started, size: int) -> None:
    """Until the file is larger than that, or the process has ended."""
    deadline = time.monotonic() + SLOW
    while size_of(path) <= size and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The run that nothing happens to, by this process and by two ranks."""
    folder = tmp_path_factory.mktemp("whole")
    for rank in start_ranks(command, *command_for(source, folder / "2", "--machine.devices", "2")):  # as torchrun does
        code, said = finished(rank)
        assert code == 0, said
    made = load_recipe(str(folder / "2" / "recipe.yaml"))
    run(replace(made, machine=replace(made.machine, devices=1)), folder / "1")
    return {ranks: folder / str(ranks) for ranks in (1, 2)}


def stopped(source: Path, run: Path, number: signal.Signals, *options: str, group: bool = False) -> tuple[int, str]:
    """Begin or resume the run, send the signal after an epoch of it, and return the exit code and the last line.

    group: send it to all processes, those of the loader too, as terminals and schedulers do.
    """
    size = size_of(run / "metrics.jsonl")
    process = train(source, run, "--resume", *options)
    wait_for_growth(run / "metrics.jsonl", process, size)
    os.killpg(process.pid, number) if group else process.send_signal(number)
    code, said = finished(process)
    assert said.count("crossdistill:") == 1, said
    return code, said.splitlines()[-1]


def test_signals_save_and_the_run_goes_on_bit_for_bit(source: Path, whole: dict[int, Path], tmp_path: Path) -> None:
    """Of a scheduler, and of the keyboard, in one run."""
    run, steps = tmp_path / "run", []
    for number, code in ((signal.SIGTERM, 75), (signal.SIGINT, 130)):
        line = f"crossdistill: stopped by {number.name}; the same command with --resume goes on"
        assert stopped(source, run, number, *WORKER, group=True) == (code, line)
        steps.append(Checkpoint.load(run / "checkpoint.pt").place[2])
    assert all(0 < step <= STEPS for step in steps), steps
    assert finished(train(source, run, "--resume", *WORKER))[0] == 0
    assert_same_run(run, whole[1])


def test_a_signal_to_one_of_two_ranks_stops_both(source: Path, whole: dict[int, Path], tmp_path: Path) -> None:
    """They save at the same step, each with its own random state, for dropout."""
    run, two = tmp_path / "run", ("--machine.devices", "2")
    code, line = stopped(source, run, signal.SIGUSR1, *two)
    assert code == 75
    assert line.endswith("--resume goes on")
    first, second = Checkpoint.load(run / "checkpoint.pt").inside["randoms"]
    assert not torch.equal(first["cpu"], second["cpu"])
    assert finished(train(source, run, "--resume", *two))[0] == 0
    assert_same_run(run, whole[2])
