"""A study's work as jobs: each in a folder of its own, done by whichever process of whichever machine, and done again
where one has died. An executor does them; studies do not know which one."""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import make_folder
from crossdistill.listening import Listener, Values
from crossdistill.recipes.recipe import Recipe, name_of
from crossdistill.runs.build import BuildDataset, total_epochs
from crossdistill.runs.data import build_dataset
from crossdistill.runs.folder import METRICS, is_finished, require_usable, write_recipe
from crossdistill.runs.lock import LockedError
from crossdistill.runs.run import run
from crossdistill.types import DivergedError, InputError, one_line

TRACEBACKS = "crashes.txt"

_OF_THE_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG),
}
"""What the system says of a disk that is full, can only be read or fails; nothing that a traceback explains."""


@dataclass(frozen=True)
class Failure:
    """Why a job did not finish.

    message: one line; mistake: whether it is an InputError's; details: the traceback of anything else; diverged,
    locked: whether the mistake is training that diverged, or a folder that another process is writing
    """

    message: str
    mistake: bool
    details: str = ""
    diverged: bool = False
    locked: bool = False

    def of(self, place: Path) -> str:
        """The message with the folder that it is of, once where it begins with that, or with a file in it."""
        named = self.message.startswith((f"{place}:", f"{place}{os.sep}"))
        return self.message if named else f"{place}: {self.message}"


class Job(Protocol):
    """Work whose recipe and results are in a folder; pickled, it goes to any process that sees that folder."""

    @property
    def folder(self) -> Path:
        """Where it is done; no two jobs share one."""

    @property
    def name(self) -> str:
        """The task that listeners hear of."""

    @property
    def steps(self) -> int:
        """Of that task."""

    def write(self) -> None:
        """Keep in the folder what is to be done, so that anybody can do it."""

    def perform(self, listener: Listener, build_data: BuildDataset, interruptible: bool) -> None:
        """Do what is not done yet. interruptible: as of `run`."""

    def is_done(self) -> bool:
        """Whether the folder holds the results."""

    def log(self, told: int = 0) -> Sequence[Values]:
        """The steps that the folder knows of, so far, without the first `told`."""


@dataclass(frozen=True)
class RunJob:
    """A run: a recipe and its folder."""

    folder: Path
    recipe: Recipe

    @property
    def name(self) -> str:
        return name_of(self.recipe)

    @property
    def steps(self) -> int:
        return total_epochs(self.recipe)

    def write(self) -> None:
        """Raises InputError where the folder holds something else."""
        make_folder(self.folder)
        require_usable(self.recipe, self.folder, resume=True)
        write_recipe(self.recipe, self.folder)

    def perform(self, listener: Listener, build_data: BuildDataset, interruptible: bool) -> None:
        run(self.recipe, self.folder, True, listener, build_data=build_data, interruptible=interruptible)

    def is_done(self) -> bool:
        return is_finished(self.folder)

    def log(self, told: int = 0) -> list[Values]:
        """Epochs of metrics.jsonl; a line that is being written is left for the next time."""
        try:
            text = (self.folder / METRICS).read_text(encoding="utf-8")
            return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()[told:]]
        except (OSError, ValueError):
            return []


class Executor(Protocol):
    """Where the jobs of a study are done. A job whose process dies does not stop the others."""

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        """Do the jobs, which are taken from the iterable when there is room for one more; yields each job's folder when
        it has ended, with what went wrong or None.

        The listener hears of each job as a task. Closed before its end, or interrupted, the generator stops what is on,
        saved.
        """


@dataclass(frozen=True)
class InProcess:
    """An executor that does one job after another in this process; what is no InputError is raised.

    interruptible: as of `run`

    >>> from crossdistill.runs.jobs import InProcess
    >>> list(InProcess().run_all([]))
    []
    """

    interruptible: bool = False

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        for job in jobs:
            try:
                job.perform(listener, build_dataset, self.interruptible)
            except InputError as error:
                yield job.folder, mistaken(error)
            else:
                yield job.folder, None


def attempted(job: Job, listener: Listener, build_data: BuildDataset) -> Failure | None:
    """Perform the job in a process of its own, where its error must not end the others. Returns what went wrong."""
    try:
        job.perform(listener, build_data, interruptible=True)
    except InputError as error:
        return mistaken(error)
    except BrokenPipeError:  # the parent is gone
        raise
    except Exception as error:  # the other jobs must go on
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            return Failure(one_line(error), mistake=True)
        return Failure(f"{type(error).__name__}: {one_line(error)}", False, traceback.format_exc())
    return None


def mistaken(error: InputError) -> Failure:
    """The failure of a job that somebody's mistake ends."""
    return Failure(
        one_line(error), True, diverged=isinstance(error, DivergedError), locked=isinstance(error, LockedError)
    )


def write_tracebacks(failures: Mapping[Path, Failure], folder: Path) -> None:
    """crashes.txt, where any of the failures has a traceback."""
    crashes = [f"{place}\n{failure.details}\n" for place, failure in failures.items() if failure.details]
    if crashes:
        write_atomically(folder / TRACEBACKS, "".join(crashes))


def require_done(failures: Mapping[Path, Failure], folder: Path) -> None:
    """Raise InputError where a job failed that others need; tracebacks go to `folder`/crashes.txt."""
    if failures:
        write_tracebacks(failures, folder)
        place, failure = next(iter(failures.items()))
        more = f" (traceback in {folder / TRACEBACKS})" if failure.details else ""
        raise InputError(f"{failure.of(place)}{more}")
