"""Real processes, killed at any moment and inside saves: no run is lost, and each ends as one that was never killed.

`make test-crash TIMES=200` does more of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_main import CPU, lines_of
from tests.crash import driver
from tests.processes import SLOW, call, run_script, start
from tests.runs.small import folder_of, gestures

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


def drive(what: str, folder: Path, times: int = 0, seed: int = 0) -> int:
    """What the driver counted."""
    process = start(driver.main, what, folder, times, seed, environment=ENVIRONMENT)
    output, error = process.communicate(SLOW * max(1, times))
    assert process.wait() == 0, error[-4000:]
    return int(output)


def test_runs_killed_at_any_moment_and_inside_saves(tmp_path: Path) -> None:
    times, seed = int(os.environ.get("CRASH_TIMES", "20")), int(os.environ.get("CRASH_SEED", "0"))
    assert drive("kills", tmp_path, times, seed) >= times


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    assert drive("full", tmp_path) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
def test_a_rank_ends_with_its_launcher_and_the_run_goes_on(tmp_path: Path) -> None:
    """torchrun's agent is killed without a word to its rank, which would write on, into a run that is resumed."""
    source = folder_of(gestures(), tmp_path)
    options = ["train", "own", "--data.source", str(source), "--data.target", '["wrist"]', "--data.auxiliary", "[]"]
    options += ["--method", "baseline", "--epochs", "100000", "--checkpoint_every", "50", "--out", "run", *CPU]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    process = subprocess.Popen(
        [*launcher, "-m", "crossdistill.cli", *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + SLOW
    while len(lines_of(log)) < 100 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()  # ends when the orphan does, too: it has the same pipe
    process.wait()
    assert "this rank's launcher is gone, so it ends, too; continue with --resume" in said
    done = len(lines_of(log))
    assert done >= 100
    time.sleep(1)
    assert len(lines_of(log)) == done, "nobody writes on"
    code, _, error = call(*options, "--resume", "--epochs", "1", folder=tmp_path)
    assert (code, "another recipe" in error) == (2, True), "the folder is free, and as it was"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
@pytest.mark.parametrize(("ends", "code"), [("os.kill(os.getpid(), 9)", 2), ("None", 0)])
def test_a_first_rank_whose_other_rank_fails_says_so(ends: str, code: int, tmp_path: Path) -> None:
    """As Fabric starts ranks, and as one of them is killed while the first waits for something else than a gradient."""
    first_rank = f"""
import subprocess, sys, time
from crossdistill.training.engine import end_with_ranks

started = [subprocess.Popen([sys.executable, "-c", "import os, sys; {ends}"])]
end_with_ranks(started, patience=0.1)
while started:  # until Fabric's observer has nothing to look at
    time.sleep(0.01)
time.sleep(60 if {code} else 1)
"""
    done = run_script(first_rank, folder=tmp_path)
    said = "crossdistill: another rank has ended, so this one ends, too; continue with --resume\n"
    assert (done.returncode, done.stderr) == (code, said if code else "")
