"""One process writes a run at a time, and a lock outlives nobody."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossdistill.runs import lock
from crossdistill.runs.lock import locked
from crossdistill.runs.run import run
from crossdistill.types import InputError
from tests.contracts.test_runs import assert_same_run
from tests.listening import Heard
from tests.processes import Started, start
from tests.runs.small import gestures, recipe


def hold(folder: Path, fork: bool) -> None:
    with locked(folder):
        if fork and os.fork() == 0:
            time.sleep(600)
        print("held", flush=True)
        time.sleep(600)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WAIT", 0.2)


@pytest.fixture(params=["alone", "fork"])
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Started]:
    """Another process that holds the lock of tmp_path/run, alone or with a forked child like a loader's worker."""
    with start(hold, tmp_path / "run", request.param == "fork") as process:
        assert process.stdout.readline() == "held\n"
        yield process


def test_the_second_process_gets_one_line_and_a_killed_one_frees_the_folder(
    holder: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = tmp_path / "run", recipe(method="baseline", epochs=1)
    with pytest.raises(InputError, match=f"run: process {holder.pid} on .* is writing this run; wait until") as caught:
        run(made, folder, dataset=gestures())
    assert "\n" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == [".lock"], "nothing was written"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    monkeypatch.setattr(lock, "WAIT", 5.0)
    run(made, folder, dataset=gestures())
    assert not (folder / ".lock").exists()


def test_a_finished_folder_that_another_process_is_at_is_left_alone(holder: Started, tmp_path: Path) -> None:
    folder, made = tmp_path / "other", recipe(method="baseline", epochs=1)
    run(made, folder, dataset=gestures())
    for path in folder.iterdir():
        path.rename(tmp_path / "run" / path.name)
    (tmp_path / "run/checkpoint.previous.pt").write_bytes(b"its own to remove")
    run(made, tmp_path / "run", resume=True, dataset=gestures())
    assert {".lock", "checkpoint.previous.pt"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_second_run_in_the_same_process_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    made, folder = recipe(method="baseline", epochs=3), tmp_path / "run"
    problems: list[str] = []

    def another() -> None:
        try:
            run(made, folder, resume=True, dataset=gestures())
        except InputError as error:
            problems.append(str(error))

    def meanwhile(task: str, count: int) -> None:
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()

    run(made, folder, listener=Heard(meanwhile), dataset=gestures())
    assert len(problems) == 3
    assert all("is writing this run" in line for line in problems)
    run(made, tmp_path / "alone", dataset=gestures())
    assert_same_run(folder, tmp_path / "alone")


def test_the_one_that_waited_for_a_run_to_end_takes_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking into the folder and locking it, another process may have done the whole run."""
    made, folder = recipe(method="baseline", epochs=1), tmp_path / "run"
    real, done = lock.locked, []

    def late(*arguments: object, **named: object) -> object:
        if not done:
            done.append(1)
            run(made, folder, dataset=gestures())
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("crossdistill.runs.run.locked", late)
    results = run(made, folder, resume=True, dataset=gestures())
    assert results["student"]["measured"] == 16
    done.clear()
    with pytest.raises(InputError, match="already holds a run"):
        run(made, folder, dataset=gestures())


def test_a_disk_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def unsupported(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    said: list[str] = []
    with locked(tmp_path / "run", say=said.append):
        pass
    assert said == [
        f"WARNING: {tmp_path / 'run'}: this disk has no locks, so nothing keeps a second process from writing there"
    ]
