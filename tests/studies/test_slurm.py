"""Studies by Slurm, through submitit: its local executor, and Slurm's commands as stand-ins on this machine."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.jobs import RunJob
from crossdistill.runs.run import run
from crossdistill.studies import remote
from crossdistill.studies.compare import compare
from crossdistill.studies.slurm import RECORD, SlurmExecutor, SlurmQueue, SlurmSettings
from crossdistill.training import Checkpoint, Machine, Optimization
from crossdistill.types import InputError
from tests.contracts.test_runs import assert_same_run
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe
from tests.studies import slurm_stand_in

submitit = pytest.importorskip("submitit")

SLOW = 600
"""Seconds that a busy machine may take."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLL", 0.1)
    monkeypatch.setattr("crossdistill.studies.slurm.CHECK", 0.5)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    source = folder_of(gestures(), tmp_path_factory.mktemp("data"))
    return recipe(source, method="baseline", epochs=2, machine=Machine(accelerator="cpu", threads=1))


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Slurm's commands on the PATH, and no job left when the test is over."""
    folder = slurm_stand_in.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    submitit.SlurmJob.watcher.clear()  # the numbers of another test's jobs
    yield folder
    for path in folder.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(int(path.read_text()), signal.SIGKILL)


@pytest.fixture
def long_run(baseline: Recipe, tmp_path: Path) -> RunJob:
    """Long enough to be stopped inside."""
    return RunJob(tmp_path / "runs" / "run", replace(baseline, epochs=40, batch_size=2))


def executor(folder: Path, **settings: object) -> SlurmExecutor:
    return SlurmExecutor(folder / "jobs", SlurmSettings(**settings), jobs=4)  # type: ignore[arg-type]


def wait_for(path: Path, lines: int = 1) -> None:
    deadline = time.monotonic() + SLOW
    while not path.is_file() or len(path.read_bytes().splitlines()) < lines:
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_a_job_has_two_runs_side_by_side_and_one_that_fails_names_folder_and_log(
    baseline: Recipe, commands: Path, tmp_path: Path
) -> None:
    """One is the same as in this process; the other is the user's to mend."""
    diverging = replace(baseline, label="diverging", optimization=Optimization("sgd", learning_rate=1e30))
    heard = Heard()
    used = executor(tmp_path, runs_per_job=2, partition="short", gpus=1, setup=("export FROM_SETUP=1",))
    compared = compare([baseline, diverging], tmp_path / "out", seeds=1, listener=heard, executor=used)
    assert compared.folders == (tmp_path / "out" / "baseline-seed0",)
    (failure,) = compared.failures.values()
    assert list(compared.failures) == [tmp_path / "out" / "diverging-seed0"]
    assert failure.mistake
    assert "learning_rate" in failure.message
    assert failure.message.endswith(f"(log: {tmp_path / 'jobs' / '1_0_log.err'})")
    assert "\n" not in failure.message
    assert heard.totals == {"runs": 2, "baseline seed 0": 2, "diverging seed 0": 2}
    assert heard.events.count(("step", "baseline seed 0")) == 2, "its epochs, from its folder"
    assert (tmp_path / "jobs" / "1_0_log.out").read_text().count("baseline seed 0: finished") == 1
    script = (commands / "1.sh").read_text()
    for asked in ("partition=short", "gpus-per-node=1", "cpus-per-task=2", "time=240", "signal=USR1@90"):
        assert f"#SBATCH --{asked}\n" in script
    assert "export FROM_SETUP=1" in script
    run(baseline, tmp_path / "alone")
    assert_same_run(compared.folders[0], tmp_path / "alone")


@pytest.mark.long
def test_a_job_whose_time_is_up_goes_back_into_the_queue_and_on_with_its_run(
    long_run: RunJob, commands: Path, tmp_path: Path
) -> None:
    def time_is_up(task: str, count: int) -> None:
        if count == 2:
            slurm_stand_in.send(commands, "1", signal.SIGUSR1)

    assert list(executor(tmp_path).run_all([long_run], Heard(time_is_up))) == [(long_run.folder, None)]
    assert (commands / "1.requeued").exists()
    assert not (commands / "2.state").exists(), "the same job"
    run(long_run.recipe, tmp_path / "alone")
    assert_same_run(long_run.folder, tmp_path / "alone")


@pytest.mark.long
def test_jobs_of_a_command_that_stops_are_cancelled_and_saved_and_the_same_command_goes_on(
    long_run: RunJob, commands: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(task: str, count: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(executor(tmp_path).run_all([long_run], stopping := Heard(stop)))
    assert stopping.lines == ["Cancelled 1 jobs of Slurm; each saves the runs that it is at"]
    assert json.loads((tmp_path / "jobs" / RECORD).read_text()) == {}
    wait_for(long_run.folder / "checkpoint.pt")
    assert list(executor(tmp_path).run_all([long_run])) == [(long_run.folder, None)]
    run(long_run.recipe, tmp_path / "alone")
    assert_same_run(long_run.folder, tmp_path / "alone")


@pytest.mark.long
def test_jobs_of_a_command_that_was_killed_are_waited_for_and_not_begun_again(
    long_run: RunJob, commands: Path, tmp_path: Path
) -> None:
    used = executor(tmp_path)
    used.folder.mkdir()
    SlurmQueue(used.folder, used.settings, "slurm").submit([long_run])  # and nothing more is heard of who did that
    wait_for(long_run.folder / "metrics.jsonl")
    assert list(used.run_all([long_run])) == [(long_run.folder, None)]
    assert not (commands / "2.state").exists()


@pytest.mark.long
def test_a_machine_that_dies_takes_one_run_with_it_and_the_next_command_goes_on(
    long_run: RunJob, baseline: Recipe, commands: Path, tmp_path: Path
) -> None:
    def die(task: str, count: int) -> None:
        if (task, count) == (long_run.name, 3):
            slurm_stand_in.send(commands, "1", signal.SIGKILL)

    other = RunJob(tmp_path / "runs" / "other", replace(baseline, seed=7))
    outcomes = dict(executor(tmp_path).run_all([long_run, other], Heard(die)))
    failure = outcomes[long_run.folder]
    assert failure is not None
    log = tmp_path / "jobs" / "1_0_log.err"
    assert failure.message == f"Slurm's job 1 ended as FAILED (log: {log})"
    assert outcomes[other.folder] is None
    assert Checkpoint.load(long_run.folder / "checkpoint.pt").epoch > 0
    assert dict(executor(tmp_path).run_all([long_run, other])) == {long_run.folder: None, other.folder: None}
    run(long_run.recipe, tmp_path / "alone")
    assert_same_run(long_run.folder, tmp_path / "alone")


@pytest.mark.long
def test_submitit_s_own_local_executor_does_the_same(baseline: Recipe, tmp_path: Path) -> None:
    used = SlurmExecutor(tmp_path / "jobs", SlurmSettings(minutes=30), jobs=2, cluster="local")
    compared = compare([baseline], tmp_path / "out", seeds=2, executor=used)
    assert [folder.name for folder in compared.folders] == ["baseline-seed0", "baseline-seed1"]
    run(baseline, tmp_path / "alone")
    assert_same_run(compared.folders[0], tmp_path / "alone")


def test_without_slurm_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^--engine slurm: .*srun") as caught:
        executor(tmp_path).run_all([])
    assert "\n" not in str(caught.value)


def test_what_sbatch_says_is_one_line(baseline: Recipe, commands: Path, tmp_path: Path) -> None:
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition: nowhere' >&2\nexit 1\n")
    job = RunJob(tmp_path / "runs" / "run", baseline)
    with pytest.raises(
        InputError, match=r"^--engine slurm: sbatch takes no job: .*invalid partition: nowhere"
    ) as caught:
        list(executor(tmp_path).run_all([job]))
    assert "\n" not in str(caught.value)
    assert [path.name for path in job.folder.iterdir()] == ["recipe.yaml"], "what anybody may do"
