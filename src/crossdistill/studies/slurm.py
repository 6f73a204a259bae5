"""The jobs of a study as jobs of Slurm, by submitit."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import make_folder
from crossdistill.extras import needed_for
from crossdistill.listening import Listener
from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.runs.jobs import Failure, Job
from crossdistill.studies.remote import Ended, Performance, performance, run_on
from crossdistill.training.pauses import Interrupted
from crossdistill.types import InputError, one_line

if TYPE_CHECKING:
    import submitit
    from submitit.helpers import DelayedSubmission

SIGNAL = "USR1"
"""The one by which Slurm says that a job's time is up, or its place is needed: training answers it by saving."""

RECORD = "submitted.json"

STILL_ON = {"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "PREEMPTED", "REQUEUED", "COMPLETING"}
"""What Slurm says of a job that will run, or is running."""

CHECK = 60.0
"""Seconds after which Slurm is asked what has become of a job that has not told."""


@dataclass(frozen=True)
class SlurmSettings:
    """What a job of Slurm asks for.

    Passed to `SlurmExecutor`, and options of the commands, --slurm.partition and so on.

    Args:
        partition: Slurm's own unless given
        account: to which it is charged
        qos: quality of service
        constraint: features that a node must have
        minutes: of a job; at its end runs are saved, and the job goes back into the queue
        requeues: how often a job whose time is up goes back
        gpus: of a job
        cpus: of a job; 0 takes one for each of its runs
        memory_gb: of a job; 0 leaves it to Slurm
        runs_per_job: runs that a job does side by side: they share its GPU, CPUs and memory
        setup: shell commands before it, such as 'module load cuda'

    Example:
        >>> from crossdistill import SlurmSettings
        >>> SlurmSettings(partition="gpu", minutes=600, gpus=1, runs_per_job=4).check()
        >>> SlurmSettings(minutes=0).check()
        Traceback (most recent call last):
            ...
        crossdistill.types.InputError: --slurm.minutes: expected above 0, found 0
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    minutes: int = 240
    requeues: int = 10
    gpus: int = 0
    cpus: int = 0
    memory_gb: float = 0.0
    runs_per_job: int = 1
    setup: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise InputError for a number that no job can have."""
        require_above_zero({"minutes": self.minutes, "runs_per_job": self.runs_per_job}, "--slurm.")
        others = {"requeues": self.requeues, "gpus": self.gpus, "cpus": self.cpus, "memory_gb": self.memory_gb}
        require_at_least_zero(others, "--slurm.")


@dataclass(frozen=True)
class SlurmExecutor:
    """An executor whose jobs wait in Slurm's queue and are done by any of its machines.

    For comparisons that outgrow a machine, on a cluster that runs Slurm. Runs and their data must lie where all
    machines see them. Jobs of an executor that was killed stay in the queue, and the next one that is asked for
    the same runs waits for them.

    Args:
        folder: for submitit's files and the logs, where all machines see it
        settings: what each job asks Slurm for
        jobs: in the queue or on at once, at most
        cluster: local does without Slurm, in processes of this machine, for trying it out

    Raises:
        InputError: submitit or Slurm is not there.

    >>> from pathlib import Path
    >>> from crossdistill import SlurmExecutor, SlurmSettings
    >>> executor = SlurmExecutor(Path("runs/jobs"), SlurmSettings(partition="gpu", gpus=1), jobs=100)
    >>> executor.settings.minutes  # crossdistill.compare(recipes, "runs/study", executor=executor) uses it
    240
    """

    folder: Path | str
    settings: SlurmSettings = field(default_factory=SlurmSettings)
    jobs: int = 16
    cluster: Literal["slurm", "local"] = "slurm"

    def __post_init__(self) -> None:
        self.settings.check()
        require_above_zero({"jobs": self.jobs}, "--")
        with needed_for("--engine slurm"):
            import submitit  # noqa: F401

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        """Do all jobs as jobs of the queue, and give each one's folder and why it failed, or None, as they end.

        Args:
            jobs: what to do, each in a folder of its own
            listener: hears of them
        """
        folder = Path(self.folder).resolve()
        make_folder(folder)
        queue = SlurmQueue(folder, self.settings, self.cluster)
        return run_on(queue, jobs, listener, folder, self.jobs, self.settings.runs_per_job)


@dataclass(frozen=True)
class _SlurmPerformance:
    """What a job of Slurm calls: jobs that are stopped by a signal are saved, and then it is submitit's to answer."""

    performance: Performance

    def __call__(self) -> Ended:
        try:
            return self.performance()
        except Interrupted as stopped:
            theirs = signal.getsignal(stopped.number)
            if stopped.number == getattr(signal, f"SIG{SIGNAL}") and callable(theirs):
                theirs(stopped.number, None)  # puts the job back into the queue and ends this process
            sys.exit(stopped.exit_code)  # without a result: Slurm says what has become of the job

    def checkpoint(self) -> DelayedSubmission:
        """By which submitit knows that the same may be called again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class _SlurmTask:
    """A job of Slurm; checked: when Slurm was asked last what has become of it."""

    job: submitit.Job[Ended]
    checked: float = field(default_factory=time.monotonic)

    @property
    def log(self) -> str:
        return str(self.job.paths.stderr)

    def ended(self) -> Ended | None:
        from submitit.core.utils import UncompletedJobError

        is_due = time.monotonic() - self.checked > CHECK
        if is_due:
            self.checked = time.monotonic()
        if not self.job.done(force_check=is_due):
            return None
        try:
            ended: Ended = self.job.result()
            return ended
        except UncompletedJobError:
            return Ended(problem=f"Slurm's job {self.job.job_id} ended as {self.job.state}")
        except Exception as error:  # whatever a damaged file unpickles to
            return Ended(problem=f"what Slurm's job {self.job.job_id} told cannot be read ({type(error).__name__})")


class SlurmQueue:
    """Slurm's queue, and a record of what was submitted from a folder, for whoever comes after this process."""

    def __init__(self, folder: Path, settings: SlurmSettings, cluster: str) -> None:
        from submitit.core.job_environment import JobEnvironment

        os.environ["SUBMITIT_PREEMPT_SIGNAL"] = JobEnvironment.USR_SIG = SIGNAL  # there, and here
        self._submitit = _submitit_executor(folder, settings, cluster)
        self._record = folder / RECORD
        self._on = self._left_over(folder) if cluster == "slurm" else {}
        self._left = {place: job_id for job_id, places in self._on.items() for place in places}
        self._folder = folder

    def submit(self, jobs: Sequence[Job]) -> list[tuple[_SlurmTask, tuple[Job, ...]]]:
        import submitit

        tasks: list[tuple[_SlurmTask, tuple[Job, ...]]] = []
        new: dict[str, Job] = {}
        for job in jobs:
            place = str(job.folder.resolve())
            if place in self._left:
                tasks.append((_SlurmTask(submitit.SlurmJob(self._folder, self._left.pop(place))), (job,)))
            else:
                new[place] = job
        if new:
            task = self._submitted(tuple(new.values()))
            self._on[task.job.job_id] = list(new)
            write_atomically(self._record, json.dumps(self._on))
            tasks.append((task, tuple(new.values())))
        return tasks

    def _submitted(self, jobs: Sequence[Job]) -> _SlurmTask:
        from submitit.core.utils import FailedSubmissionError, UncompletedJobError

        try:
            return _SlurmTask(self._submitit.submit(_SlurmPerformance(performance(jobs))))
        except (OSError, UncompletedJobError, FailedSubmissionError) as error:
            raise InputError(f"--engine slurm: sbatch takes no job: {one_line(error)[:400]}") from error

    def cancel(self, tasks: Sequence[_SlurmTask]) -> str:
        for task in tasks:
            task.job.cancel(check=False)
            self._on.pop(task.job.job_id, None)
        write_atomically(self._record, json.dumps(self._on))
        return f"Cancelled {len(tasks)} jobs of Slurm; each saves the runs that it is at"

    def _left_over(self, folder: Path) -> dict[str, list[str]]:
        """Of a process that was killed: id -> folders of the jobs that still wait or are on."""
        import submitit

        try:
            recorded: dict[str, list[str]] = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        states = {job_id: submitit.SlurmJob[Ended](folder, job_id).state for job_id in recorded}
        return {job_id: places for job_id, places in recorded.items() if states[job_id] in STILL_ON}


def _submitit_executor(folder: Path, settings: SlurmSettings, cluster: str) -> submitit.AutoExecutor:
    """Raises InputError where there is no Slurm."""
    import submitit

    try:
        executor = submitit.AutoExecutor(folder, cluster, slurm_max_num_timeout=settings.requeues)
    except RuntimeError as error:
        raise InputError(f"--engine slurm: {one_line(error)}") from error
    cpus = settings.cpus or settings.runs_per_job
    executor.update_parameters(
        name="crossdistill",
        timeout_min=settings.minutes,
        gpus_per_node=settings.gpus or None,
        cpus_per_task=cpus,
        mem_gb=settings.memory_gb or None,
        slurm_partition=settings.partition or None,
        slurm_account=settings.account or None,
        slurm_qos=settings.qos or None,
        slurm_constraint=settings.constraint or None,
        slurm_setup=list(settings.setup) or None,
        slurm_srun_args=[f"--cpus-per-task={cpus}"],  # which since Slurm 22.05 does not come from sbatch
    )
    return executor
