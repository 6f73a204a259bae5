"""Where a study's jobs are done, as options of a command: on this machine, by Slurm, by Ray."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.runs.jobs import Executor
from crossdistill.studies.ray_cluster import RayExecutor, RaySettings
from crossdistill.studies.slurm import SlurmExecutor, SlurmSettings
from crossdistill.studies.workers import LocalExecutor
from crossdistill.types import InputError

ENGINES = ("local", "slurm", "ray")

JOBS = 16
"""At once on a cluster, unless given."""

LOGS = "jobs"
"""The folder of a study that holds what its cluster's jobs print."""


def add_engine(parser: ArgumentParser) -> None:
    """The options of the commands whose work is done in jobs."""
    parser.add_argument("--jobs", type=int, help=f"at once, each on one CPU thread; 1, or {JOBS} on a cluster")
    parser.add_argument("--engine", default="local", help=f"who does them: {', '.join(ENGINES)} (docs/studies.md)")
    parser.add_class_arguments(SlurmSettings, "slurm")
    parser.add_class_arguments(RaySettings, "ray")


def jobs_of(options: Namespace) -> int:
    """How many are done at once."""
    jobs: int = options.jobs if options.jobs is not None else 1 if options.engine == "local" else JOBS
    return jobs


def is_alone(options: Namespace) -> bool:
    """Whether one job after another is done on this machine."""
    return options.engine == "local" and jobs_of(options) == 1


def chosen_executor(options: Namespace, folder: Path) -> Executor:
    """The executor that the options name; folder: of the study, for a cluster's logs. Raises InputError."""
    jobs = jobs_of(options)
    if options.engine == "local":
        return LocalExecutor(jobs)
    if options.engine == "slurm":
        return SlurmExecutor(folder / LOGS, options.slurm, jobs)
    if options.engine == "ray":
        return RayExecutor(folder / LOGS, options.ray, jobs)
    raise InputError(f"--engine: expected one of {', '.join(ENGINES)}, found {options.engine!r}")
