"""Tries cases one after another in a process of its own, of limited memory and time; started by pool.py."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.case import Outcome, tried
from tests.fuzz.subjects import SUBJECTS

SECONDS = 20.0
"""Of the processor's time that a case may take; the system ends the process after that."""
ROOM = 3 << 30
"""Bytes of address space that a case may ask for beyond what the process has, so that the machine lives on."""


def status(name: str) -> float:
    """A number of /proc/self/status in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_highest() -> None:
    """Let the system count this process's highest memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def measured(subject: str, number: int, seed: int, home: Path, begun: dict[str, Any]) -> Outcome:
    if subject not in begun:
        folder = home / "begun" / subject
        folder.mkdir(parents=True)
        begun[subject] = SUBJECTS[subject].begin(folder)
        size = int(status("VmSize") * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, resource.RLIM_INFINITY))
    forget_highest()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        outcome = tried(subject, SUBJECTS[subject], begun[subject], number, seed, home / "case")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return replace(outcome, megabytes=status("VmHWM"))


def work(seed: int, pipe: Connection, said: Path) -> None:
    """Answer each case, a subject and a number, with its outcome; said: takes what is written to standard error."""
    for descriptor, place in ((1, os.devnull), (2, said)):
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), descriptor)
    torch.set_num_threads(1)
    begun: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz") as home:
        os.chdir(home)
        while True:
            subject, number = pipe.recv()
            pipe.send(measured(subject, number, seed, Path(home), begun))
