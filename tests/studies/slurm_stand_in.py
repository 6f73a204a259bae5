"""Slurm's commands for one machine without Slurm: each job a session of its own, its state in files.

`python slurm_stand_in.py FOLDER COMMAND ...` is that command; `install` writes them all into a folder for the PATH.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")


def install(folder: Path) -> Path:
    """Write the commands; their jobs are kept in the folder as well."""
    folder.mkdir()
    for name in COMMANDS:
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {folder} {name} "$@"\n')
        script.chmod(0o755)
    return folder


def sbatch(folder: Path, script: str) -> None:
    number = str(1 + len(list(folder.glob("*.state"))))
    (folder / f"{number}.state").write_text("PENDING")
    (folder / f"{number}.sh").write_text(Path(script).read_text())
    holder = [sys.executable, "-I", "-S", __file__, str(folder), "hold", number]
    subprocess.Popen(holder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"Submitted batch job {number}")


def hold(folder: Path, number: str) -> None:
    """The job, again and again while somebody puts it back into the queue."""
    state, again = folder / f"{number}.state", folder / f"{number}.requeue"
    environment = {**os.environ, "SLURM_JOB_ID": number, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    while True:
        script = f"trap : USR1 TERM; . {folder / number}.sh"  # the shell is none of what Slurm sends a signal to
        process = subprocess.Popen(["bash", "-c", script], env=environment, start_new_session=True)
        (folder / f"{number}.pid").write_text(str(process.pid))
        state.write_text("RUNNING")
        code = process.wait()
        if not again.exists():
            break
        again.rename(folder / f"{number}.requeued")
    if state.read_text() == "RUNNING":
        state.write_text("COMPLETED" if code == 0 else "FAILED")


def srun(folder: Path, *words: str) -> None:
    rest, number = list(words), os.environ["SLURM_JOB_ID"]
    while rest[0].startswith("--"):
        option = rest.pop(0)
        if option in ("--output", "--error"):
            path = rest.pop(0).replace("%j", number).replace("%t", "0")
            stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(stream, 1 if option == "--output" else 2)
    os.execvp(rest[0], rest)


def sacct(folder: Path, *words: str) -> None:
    print("JobID|State|NodeList")
    for path in folder.glob("*.state"):
        if path.stem in words:
            print(f"{path.stem}|{path.read_text()}|here")


def scancel(folder: Path, number: str) -> None:
    (folder / f"{number}.state").write_text("CANCELLED")
    send(folder, number, signal.SIGTERM)


def scontrol(folder: Path, verb: str, number: str) -> None:
    assert verb == "requeue"
    (folder / f"{number}.requeue").touch()


def send(folder: Path, number: str, what: signal.Signals) -> None:
    """As Slurm does it, to all processes of the job."""
    while not (folder / f"{number}.pid").exists():
        time.sleep(0.05)
    os.killpg(int((folder / f"{number}.pid").read_text()), what)


if __name__ == "__main__":
    globals()[sys.argv[2]](Path(sys.argv[1]), *sys.argv[3:])
