"""Jobs on other machines: what is done there, and how a cluster's queue is watched from here.

Results come from the jobs' folders, which all machines see, and never over the network: whatever dies, a folder that is
finished stays finished, and any other is gone on with.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from socket import gethostname
from typing import Generic, Protocol, TypeVar

from crossdistill.listening import WARNING, Listener
from crossdistill.runs.jobs import Failure, Job
from crossdistill.runs.mounts import locking_alone
from crossdistill.runs.signals import interrupts_at_once
from crossdistill.studies.workers import pickled_entries, run_all, take_entries
from crossdistill.types import one_line

POLL = 1.0
"""Seconds between two looks at what is on."""

VISIBLE = 60.0
"""Seconds after which what another machine has written must be seen here: NFS remembers for so long what was there."""

LEASE = 120.0
"""Seconds after which a disk has forgotten the locks of a machine that died: NFS keeps them for 90."""


@dataclass(frozen=True)
class Ended:
    """What a process on another machine tells of its jobs when it has ended.

    failures: by folder; problem: why there are none, of one that died; said: lines that a person should know
    """

    failures: Mapping[Path, Failure | None] = field(default_factory=dict)
    problem: str = ""
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Performance:
    """Jobs that one machine does side by side, as this process would: pickled here, called there.

    folder, paths: where this process works and what it imports from; entries: of its registries
    """

    jobs: tuple[Job, ...]
    folder: str
    paths: tuple[str, ...]
    entries: Mapping[str, bytes]

    def __call__(self) -> Ended:
        """Raises Interrupted where a signal ends it; what was on is saved then."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            problem = f"{one_line(error)} on {gethostname()}; its machines must see the folders of this one"
            return Ended(dict.fromkeys((job.folder for job in self.jobs), Failure(problem, mistake=True)))
        sys.path.extend(path for path in self.paths if path not in sys.path)
        if (unknown := take_entries(self.entries)) is not None:
            return Ended(dict.fromkeys((job.folder for job in self.jobs), unknown))
        listener = _Said()
        with interrupts_at_once():
            return Ended(dict(_outcomes(self.jobs, listener)), said=tuple(listener.lines))


def performance(jobs: Sequence[Job]) -> Performance:
    """Write the jobs' recipes into their folders, for whoever does them. Raises InputError where that cannot be."""
    for job in jobs:
        job.write()
    return Performance(tuple(jobs), str(Path.cwd()), tuple(sys.path), pickled_entries())


def _outcomes(jobs: Sequence[Job], listener: Listener) -> Iterator[tuple[Path, Failure | None]]:
    """The last outcome of each job: one whose folder is locked is tried again until a dead machine's lock is gone."""
    deadline = time.monotonic() + LEASE
    while jobs:
        locked = []
        for folder, failure in run_all(jobs, len(jobs), listener):
            if failure is not None and failure.locked and time.monotonic() < deadline:
                locked.append(folder)
            else:
                yield folder, failure
        jobs = [job for job in jobs if job.folder in locked]


class _Said(Listener):
    """Keeps what is said, and prints it, which is the machine's log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, task: str, total: int) -> None:
        print(f"{task}: begins on {gethostname()}", flush=True)

    def end(self, task: str, problem: str = "") -> None:
        print(f"{task}: {problem or 'finished'}", flush=True)

    def say(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)


class Task(Protocol):
    """What a cluster has of some jobs: a place in its queue, a process on one of its machines."""

    @property
    def log(self) -> str:
        """Where what they print goes."""

    def ended(self) -> Ended | None:
        """What came of them; None while they wait or are on."""


T = TypeVar("T", bound=Task)


class Cluster(Protocol[T]):
    """What takes jobs for other machines."""

    def submit(self, jobs: Sequence[Job]) -> Sequence[tuple[T, tuple[Job, ...]]]:
        """Give the jobs to one machine. Returns their task; of jobs that it has from earlier, their own tasks."""

    def cancel(self, tasks: Sequence[T]) -> str:
        """Stop the tasks, whose jobs are saved. Returns what became of them, in one line."""


@dataclass
class _Watched(Generic[T]):
    """A task's jobs, and how many steps of each were told."""

    task: T
    jobs: tuple[Job, ...]
    told: dict[Path, int] = field(default_factory=dict)

    def tell(self, listener: Listener) -> None:
        """Let the listener hear of the steps that the folders know of and it does not."""
        for job in self.jobs:
            told = self.told.get(job.folder, 0)
            steps = job.log(told)
            for values in steps:
                listener.step(job.name, values)
            self.told[job.folder] = told + len(steps)


def run_on(
    cluster: Cluster[T], jobs: Iterable[Job], listener: Listener, folder: Path, at_once: int, each: int = 1
) -> Generator[tuple[Path, Failure | None], None, None]:
    """Do the jobs on the cluster, as `Executor.run_all` says.

    folder: of the study, on a disk that all machines see; at_once: jobs that are in the queue or on, at most; each: of
    one task, which does them side by side
    """
    if why := locking_alone(folder):
        listener.say(f"{WARNING}{folder}: {why}; let no second command work there at the same time")
    waiting = iter(jobs)
    watched: list[_Watched[T]] = []
    try:
        while True:
            while (room := at_once - sum(len(one.jobs) for one in watched)) > 0:
                if not (batch := tuple(islice(waiting, min(each, room)))):
                    break
                watched += [_Watched(task, of_task) for task, of_task in cluster.submit(batch)]
                for job in batch:
                    listener.begin(job.name, job.steps)
            if not watched:
                return
            time.sleep(POLL)
            for one in list(watched):
                ended = one.task.ended()
                one.tell(listener)
                if ended is None:
                    continue
                watched.remove(one)
                for line in ended.said:
                    listener.say(line)
                for job in one.jobs:
                    failure = _failure(job, ended, one.task.log)
                    listener.end(job.name, problem=failure.message if failure is not None else "")
                    yield job.folder, failure
    finally:
        if watched:
            listener.say(cluster.cancel([one.task for one in watched]))


def _failure(job: Job, ended: Ended, log: str) -> Failure | None:
    """None where the folder holds the results, whatever the process came to."""
    told = ended.failures.get(job.folder)
    if _is_seen_to_be_done(job, wait=job.folder in ended.failures and told is None):
        return None
    failure = told or Failure(ended.problem or "ended without results", mistake=False)
    return replace(failure, message=f"{failure.message} (log: {log})")


def _is_seen_to_be_done(job: Job, wait: bool) -> bool:
    deadline = time.monotonic() + (VISIBLE if wait else 0.0)
    while not job.is_done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
        if job.folder.is_dir():
            list(job.folder.iterdir())  # which lets NFS look again
    return True


@contextmanager
def output_into(path: Path) -> Iterator[None]:
    """All that this process and those that it starts print goes to the end of the file while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    with path.open("ab") as file:
        for number in kept:
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)
