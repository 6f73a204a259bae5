"""The jobs of a study as tasks of Ray: any cluster that Ray runs on, and GPUs in parts."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdistill.data.folders import make_folder
from crossdistill.extras import needed_for
from crossdistill.listening import Listener
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.runs.jobs import Failure, Job
from crossdistill.studies.remote import Ended, Performance, output_into, performance, run_on
from crossdistill.types import InputError, one_line

if TYPE_CHECKING:
    import ray

SAVING = 60.0
"""Seconds that cancelled tasks have to save their runs."""


@dataclass(frozen=True)
class RaySettings:
    """Where Ray's cluster is, and what a run takes of a machine.

    Passed to `RayExecutor`, and options of the commands, --ray.address and so on.

    Args:
        address: of its head, HOST:PORT; RAY_ADDRESS, or a cluster that is on here, unless given,
            and without any of these a cluster of this machine
        cpus: of a run
        gpus: of a run; 0.25 lets four runs share a GPU
        memory_gb: of a run; 0 leaves it to Ray
        retries: on another machine, of a run whose machine or process dies

    Example:
        >>> from crossdistill import RaySettings
        >>> RaySettings(address="auto", gpus=0.25).check()
        >>> RaySettings(cpus=-1).check()
        Traceback (most recent call last):
            ...
        crossdistill.types.InputError: --ray.cpus: expected 0 or more, found -1
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 0.0
    retries: int = 3

    def check(self) -> None:
        """Raise InputError for a number that no task can have."""
        numbers = {"cpus": self.cpus, "gpus": self.gpus, "memory_gb": self.memory_gb, "retries": self.retries}
        require_at_least_zero(numbers, "--ray.")


@dataclass(frozen=True)
class RayExecutor:
    """An executor whose jobs are tasks of Ray; one whose machine dies goes on, on another, from its checkpoint.

    For comparisons that outgrow a machine, where there is no Slurm or GPUs are to be shared. Tasks end with the process
    that gave them to Ray.

    Args:
        folder: for logs, where all machines see it, as runs and their data must be
        settings: what each task asks Ray for
        jobs: that Ray has at once, at most

    Raises:
        InputError: Ray is not installed or not to be reached.

    >>> from pathlib import Path
    >>> from crossdistill import RayExecutor, RaySettings
    >>> RayExecutor(Path("runs/jobs"), RaySettings(address="auto", gpus=0.25), jobs=0)
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: --jobs: expected above 0, found 0
    """

    folder: Path | str
    settings: RaySettings = field(default_factory=RaySettings)
    jobs: int = 16

    def __post_init__(self) -> None:
        self.settings.check()
        require_above_zero({"jobs": self.jobs}, "--")
        with needed_for("--engine ray"):
            import ray  # noqa: F401

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        """Do all jobs as tasks of the cluster, and give each one's folder and why it failed, or None, as they end.

        Args:
            jobs: what to do, each in a folder of its own
            listener: hears of them
        """
        import ray

        folder, ours = Path(self.folder).resolve(), not ray.is_initialized()
        make_folder(folder)
        try:
            if ours:
                _connect(self.settings.address)
            with closing(run_on(_Tasks(folder, self.settings), jobs, listener, folder, self.jobs)) as outcomes:
                yield from outcomes
        finally:
            if ours:
                ray.shutdown()


def _connect(address: str) -> None:
    """Raises InputError where there is no cluster of Ray."""
    import ray

    _require_reachable(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise InputError(f"--engine ray: no cluster at {address or 'this machine'}: {one_line(error)[:300]}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray's own would end this process before anything is cancelled


def _require_reachable(address: str) -> None:
    """Raise InputError where nothing listens at HOST:PORT: Ray would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        raise InputError(f"--engine ray: no cluster at {address}: {one_line(error)}") from error


def perform(performance: Performance, log: str) -> Ended:
    """What a task of Ray calls; all that is printed goes to the log."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # by which Ray cancels; a background job's is ignored
    with output_into(Path(log)):
        return performance()


@dataclass(frozen=True)
class _RayTask:
    """One job; reference: of what it returns."""

    reference: ray.ObjectRef[Ended]
    log: str

    def ended(self) -> Ended | None:
        import ray

        ready, _ = ray.wait([self.reference], timeout=0)
        if not ready:
            return None
        try:
            ended: Ended = ray.get(self.reference)
            return ended
        except Exception as error:  # Ray's, of a process or machine that died once too often
            return Ended(problem=f"Ray's task ended by {type(error).__name__}: {one_line(error)[:200]}")


class _Tasks:
    """What Ray has of this process."""

    def __init__(self, folder: Path, settings: RaySettings) -> None:
        import ray

        options: dict[str, Any] = {"num_cpus": settings.cpus, "num_gpus": settings.gpus}
        if settings.memory_gb:
            options["memory"] = settings.memory_gb * 1e9
        self._perform = ray.remote(perform).options(max_retries=settings.retries, **options)
        self._folder = folder

    def submit(self, jobs: Sequence[Job]) -> list[tuple[_RayTask, tuple[Job, ...]]]:
        log = str(self._folder / f"{'-'.join(jobs[0].folder.resolve().parts[-2:])}.log")
        return [(_RayTask(self._perform.remote(performance(jobs), log), log), tuple(jobs))]

    def cancel(self, tasks: Sequence[_RayTask]) -> str:
        import ray

        references = [task.reference for task in tasks]
        for reference in references:
            ray.cancel(reference)  # a KeyboardInterrupt there, by which runs are saved
        ray.wait(references, num_returns=len(references), timeout=SAVING)
        return f"Cancelled {len(tasks)} tasks of Ray; those that were on have saved their runs"
