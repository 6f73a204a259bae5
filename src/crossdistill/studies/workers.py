"""Many runs on several processes: what is finished is kept whatever happens to the rest."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.encoders.kinds import ENCODERS
from crossdistill.listening import WARNING, Listener, Values
from crossdistill.methods import METHODS
from crossdistill.processes import end_with_parent
from crossdistill.recipes.recipe import DataSettings
from crossdistill.runs.data import build_dataset, is_drawn
from crossdistill.runs.jobs import Failure, Job, attempted
from crossdistill.training.engine import deterministic_kernels, own_process, silence_libraries
from crossdistill.training.pauses import Interrupted
from crossdistill.types import InputError, one_line

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

CONTEXT: SpawnContext | ForkServerContext = multiprocessing.get_context("spawn")
"""How each process begins: one that is forked would share this one's thread pools."""
_REGISTRIES: dict[str, dict[str, Any]] = {"method": METHODS, "encoder": ENCODERS}
"""What a user's script may add to, by what an entry is called: each worker gets this process's entries."""


@dataclass
class Worker:
    """A process that takes one job after another, and the one that it is at.

    Each has a pipe of its own: a process that is killed while it writes to a shared queue would hold it for ever.
    started: whether it was heard of, so that it could import what it needs
    """

    process: BaseProcess
    pipe: Connection
    task: Job | None = None
    started: bool = False


@dataclass(frozen=True)
class LocalExecutor:
    """An executor that does `jobs` at once on this machine, each in a process of its own, which does one after another.

    What `compare(..., jobs=)` uses; for `tune`, whose runs are otherwise done in the caller's process.

    Args:
        jobs: at once

    Raises:
        InputError: less than one.

    >>> from crossdistill import LocalExecutor
    >>> list(LocalExecutor(jobs=2).run_all([]))
    []
    """

    jobs: int = 1

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError(f"--jobs: expected at least 1, found {self.jobs}")

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        """Do all jobs in processes of this machine, and give each one's folder and why it failed, or None, as they end.

        Args:
            jobs: what to do, each in a folder of its own
            listener: hears of them
        """
        return run_all(jobs, self.jobs, listener)


def run_all(
    jobs: Iterable[Job], workers: int, listener: Listener = Listener()
) -> Generator[tuple[Path, Failure | None], None, None]:
    """Do every job in its folder, going on where a folder holds an unfinished run; yields each folder when its job has
    ended, with what went wrong or None. Jobs are taken from the iterable when a process is free.

    A run that fails, or whose process dies, does not stop the others. Processes stay for many runs: imports are paid
    once, and a data set that the next run shares is read once. When this process dies, theirs end with it; when it is
    interrupted here, or this generator is closed, each run saves a checkpoint first, after the step that it is at; a
    second KeyboardInterrupt meanwhile does not wait. A script
    that calls this needs `if __name__ == "__main__":` around what it does: each process imports it first.
    listener: hears of each job as a task; of a run, of its epochs.
    Raises InputError where METHODS holds a class that other processes cannot import, and for such a script.
    """
    require_guarded()
    waiting = iter(jobs)
    entries = pickled_entries()
    pool: list[Worker] = []
    try:
        for job in islice(waiting, workers):
            pool.append(_start(entries))
            _give(pool[-1], job, listener)
        while busy := [worker for worker in pool if worker.task is not None]:
            ready = wait([worker.pipe for worker in busy], timeout=1.0)  # an interrupt without a signal wakes nobody
            for worker in (worker for worker in busy if worker.pipe in ready):
                outcome = _hear(worker, listener)
                if outcome is None:
                    continue
                yield outcome
                worker.task = None
                for job in islice(waiting, 1):
                    if not worker.process.is_alive():
                        worker.pipe.close()
                        fresh = _start(entries)
                        worker.process, worker.pipe, worker.started = fresh.process, fresh.pipe, False
                    _give(worker, job, listener)
    finally:
        _end(pool)


def _end(pool: Sequence[Worker]) -> None:
    """Let each process save the run that it is at, and end."""
    try:
        for worker in pool:
            with suppress(OSError):
                worker.pipe.send(None)  # for one whose run ends by itself in spite of the signal
            worker.process.terminate()
        for worker in pool:
            worker.process.join()
    finally:  # a second interrupt ends the waiting
        for worker in pool:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def pickled_entries() -> dict[str, bytes]:
    """Each registry's entries by reference, module and name. Raises InputError for one that has no such name."""
    entries: dict[str, bytes] = {}
    for kind, registry in _REGISTRIES.items():
        for name, entry in registry.items():
            try:
                pickle.dumps(entry)
            except (pickle.PicklingError, AttributeError, TypeError):
                raise InputError(
                    f"{kind} {name!r}: the processes of a comparison cannot import {entry!r}; define it at the top of "
                    "a module, not in a function"
                ) from None
        entries[kind] = pickle.dumps(registry)
    return entries


_UNGUARDED = 78
"""The exit code of a process that would begin processes while it imports the script that began it: sysexits' EX_CONFIG,
a word that its configuration is wrong."""
_GUARD = 'a script that starts processes needs `if __name__ == "__main__":` around what it does'


_OURS = "crossdistill-worker"
"""How the processes are called that are started here."""


def require_guarded() -> None:
    """End this process, without a traceback, where it is one of ours and still imports the user's script: the script
    starts processes whenever it is imported. Who waits for it says what is wrong, once. In a process of somebody
    else's that does so, raise InputError."""
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        if process.name == _OURS:
            raise SystemExit(_UNGUARDED)
        raise InputError(f"processes cannot begin where a script is imported: {_GUARD}")


def _start(entries: Mapping[str, bytes]) -> Worker:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_work, args=(theirs, entries), name=_OURS)
    with _ignoring_interrupts():  # a child inherits that: Ctrl-C reaches this process alone, which ends the children
        process.start()
    theirs.close()
    return Worker(process, ours)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _give(worker: Worker, job: Job, listener: Listener) -> None:
    worker.task = job
    listener.begin(job.name, job.steps)
    try:
        worker.pipe.send(job)
    except OSError:
        return  # the process died in between, which `_hear` will find


def _hear(worker: Worker, listener: Listener) -> tuple[Path, Failure | None] | None:
    """Take one message of a worker that has a job. Returns the job's folder and what went wrong once it has ended."""
    assert worker.task is not None
    name = worker.task.name
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        if worker.process.exitcode == _UNGUARDED and not worker.started:
            raise InputError(f"no process could begin: {_GUARD}, for each imports it first") from None
        kind, content = "end", Failure(_exit_reason(worker.process.exitcode, worker.started), mistake=False)
    worker.started = True
    if kind == "step":
        listener.step(name, content)
    elif kind == "say":
        listener.say(content.replace(WARNING, f"{WARNING}{name}: ", 1))
    elif kind == "end":
        listener.end(name, problem=content.message if content is not None else "")
        return worker.task.folder, content
    return None


def _exit_reason(code: int | None, started: bool) -> str:
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"died with exit code {code}"
    if code == 1 and not started:
        return f"its process {how} before it could begin (what it printed says why); {_GUARD}"
    return f"its process {how}; out of memory?" if code == -signal.SIGKILL else f"its process {how}"


class _ToParent(Listener):
    """Sends what a run tells to the process that began it, which knows its task and how long that is."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        self._pipe.send(("step", dict(values)))

    def say(self, line: str) -> None:
        self._pipe.send(("say", line))


def _work(pipe: Connection, entries: Mapping[str, bytes]) -> None:
    """The worker process: runs until the pipe closes."""
    end_with_parent()  # a run that went on would write into a folder that the next comparison is at
    own_process()
    silence_libraries()
    build = DatasetCache()
    unknown = take_entries(entries)
    try:
        with deterministic_kernels():
            pipe.send(("started", None))
            while (job := pipe.recv()) is not None:
                pipe.send(("end", unknown or _saved_or_done(job, _ToParent(pipe), build)))
    except (EOFError, BrokenPipeError):
        return


def take_entries(entries: Mapping[str, bytes]) -> Failure | None:
    """Fill this process's registries. Returns what cannot be imported here: a class of a notebook, say."""
    for kind, pickled in entries.items():
        try:
            _REGISTRIES[kind].update(pickle.loads(pickled))
        except (AttributeError, ImportError) as error:
            reason = one_line(error)
            return Failure(f"{kind}s that were added cannot be imported here ({reason}); define them in a file", True)
    return None


def _saved_or_done(job: Job, listener: Listener, build: DatasetCache) -> Failure | None:
    try:
        return attempted(job, listener, build)
    except Interrupted as stopped:
        return Failure(f"{stopped}, and saved", mistake=False)


class DatasetCache:
    """`build_dataset` that keeps the last one: runs that differ in the model, the method or a control share it."""

    def __init__(self) -> None:
        self._key: tuple[DataSettings, int] | None = None
        self._dataset: MultimodalDataset | None = None

    def __call__(self, settings: DataSettings, seed: int) -> MultimodalDataset:
        key = replace(settings, control="none"), seed if is_drawn(settings) else 0
        if self._dataset is None or key != self._key:
            self._dataset = None  # before the next one is read: memory for one
            self._dataset, self._key = build_dataset(*key), key
        return data.with_control(self._dataset, settings.control, settings.target, settings.auxiliary, seed)
