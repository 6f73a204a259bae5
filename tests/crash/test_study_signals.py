"""Real comparisons and searches that get signals: their runs are saved, and the same command goes on with them."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from crossdistill.recipes.files import load_recipe
from crossdistill.runs.run import run
from crossdistill.training import Checkpoint
from tests.cli.test_main import CPU
from tests.contracts.test_runs import assert_same_run
from tests.crash.test_signals import QUIET, finished, wait_for_growth
from tests.processes import SLOW, Started, start_command
from tests.runs.small import folder_of, gestures

RUN = "baseline-seed0"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(gestures(), tmp_path_factory.mktemp("signals"))


def begin(name: str, source: Path, out: Path, *options: str) -> Started:
    """A study of one method that takes seconds, with 16 steps in an epoch."""
    fields = ["--data.source", str(source), "--data.target", '["wrist"]', "--data.auxiliary", '["eye"]']
    sizes = ["--epochs", "20", "--batch_size", "2", "--methods", "baseline", "--seeds", "1"]
    return start_command(name, "own", *fields, *sizes, *CPU, "--out", str(out), *options, environment=QUIET)


def left_over(group: int) -> list[str]:
    """The processes of a session that have not ended within seconds: a killed one goes when it is scheduled."""
    deadline = time.monotonic() + 20
    while (found := living(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def living(group: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = place.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == group and state != "Z":
            found.append(place.parent.name)
    return found


def assert_stopped(process: Started, number: signal.Signals, code: int) -> None:
    ended, said = finished(process)
    (line,) = said.splitlines()
    assert (
        ended,
        line.startswith(f"crossdistill: stopped by {number.name}; the same command goes on: crossdistill "),
    ) == (
        code,
        True,
    ), said
    assert left_over(process.pid) == [], "nothing goes on writing"


def test_a_comparison_that_is_stopped_goes_on_bit_for_bit(source: Path, tmp_path: Path) -> None:
    """By a scheduler, which signals all processes."""
    out = tmp_path / "stopped"
    process = begin("compare", source, out)
    wait_for_growth(out / RUN / "metrics.jsonl", process, 0)
    os.killpg(process.pid, signal.SIGUSR1)
    assert_stopped(process, signal.SIGUSR1, 75)
    assert Checkpoint.load(out / RUN / "checkpoint.pt").epoch > 0, "no epoch is lost"
    assert finished(begin("compare", source, out))[0] == 0
    run(load_recipe(str(out / RUN / "recipe.yaml")), tmp_path / "whole")
    assert_same_run(out / RUN, tmp_path / "whole")


def test_a_second_interrupt_does_not_wait_for_a_run_that_cannot_be_saved(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = begin("compare", source, out)
    wait_for_growth(out / RUN / "metrics.jsonl", process, 0)
    (worker,) = [other for other in living(process.pid) if b"spawn_main" in Path(f"/proc/{other}/cmdline").read_bytes()]
    os.kill(int(worker), signal.SIGSTOP)
    for number in (signal.SIGINT, signal.SIGTERM):  # a scheduler's changes nothing then
        process.send_signal(number)
        time.sleep(1)
        assert process.poll() is None, "it waits"
    process.send_signal(signal.SIGINT)
    code, said = finished(process)
    assert (code, len(said.splitlines())) == (130, 1), said
    assert left_over(process.pid) == []


def test_a_search_that_is_stopped_goes_on_with_its_trial(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = begin("tune", source, out, "--trials", "2")
    deadline = time.monotonic() + SLOW
    while not (found := list(out.glob("trials/*/seed0/metrics.jsonl"))) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert_stopped(process, signal.SIGTERM, 75)
    (trial,) = out.glob("trials/*")
    (log,) = found
    done = len(log.read_text().splitlines())
    assert Checkpoint.load(trial / "seed0" / "checkpoint.pt").epoch == done
    again = begin("tune", source, out, "--trials", "2")
    wait_for_growth(log, again, log.stat().st_size)
    assert len(log.read_text().splitlines()) > done, "its epochs are not done again"
    assert finished(again)[0] == 0
    assert not (out / "trials").exists()
    states = [json.loads(line).get("state") for line in (out / "trials.journal").read_text().splitlines()]
    assert [state for state in states if state in (1, 3)] == [3, 1, 1], (
        "one that failed, and the two that were asked for"
    )
