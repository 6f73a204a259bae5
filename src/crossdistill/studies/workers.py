"""Many runs on several processes: what is finished is kept whatever happens to the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from crossdistill import data
from crossdistill.data import MultimodalDataset
from crossdistill.recipes.recipe import DataSettings, Recipe
from crossdistill.runs.data import build_dataset
from crossdistill.runs.run import run
from crossdistill.training import Record
from crossdistill.training.engine import own_process
from crossdistill.types import InputError


@dataclass(frozen=True)
class Failure:
    """Why a run did not finish.

    message: one line; mistake: whether it is an InputError's; details: the traceback of anything else
    """

    message: str
    mistake: bool
    details: str = ""


@dataclass(frozen=True)
class Listener:
    """What hears of the runs as they go: their start, each epoch, and their end, with what went wrong or None."""

    started: Callable[[Path], None] = lambda folder: None
    epoch: Callable[[Path, Record], None] = lambda folder, record: None
    ended: Callable[[Path, Failure | None], None] = lambda folder, failure: None


@dataclass
class Worker:
    """A process that takes one run after another, and the run that it is at.

    Each has a pipe of its own: a process that is killed while it writes to a shared queue would hold it for ever.
    """

    process: BaseProcess
    pipe: Connection
    folder: Path | None = None


def run_all(recipes: Mapping[Path, Recipe], workers: int, listener: Listener) -> dict[Path, Failure]:
    """Run every recipe into its folder, going on where a folder holds an unfinished run; folder -> what went wrong.

    A run that fails, or whose process dies, does not stop the others. Processes stay for many runs: imports are paid
    once, and a data set that the next run shares is read once. When this process dies, theirs end with it.
    """
    waiting = deque(recipes.items())
    pool: list[Worker] = []
    failures: dict[Path, Failure] = {}
    try:
        for _ in range(min(workers, len(waiting))):
            pool.append(_start())
            _next(pool[-1], waiting, listener)
        while busy := [worker for worker in pool if worker.folder is not None]:
            ready = wait([worker.pipe for worker in busy])
            for worker in (worker for worker in busy if worker.pipe in ready):
                if _hear(worker, listener, failures):
                    if waiting and not worker.process.is_alive():
                        worker.pipe.close()
                        fresh = _start()
                        worker.process, worker.pipe = fresh.process, fresh.pipe
                    _next(worker, waiting, listener)
    finally:
        for worker in pool:
            worker.process.terminate()
            worker.process.join()
            worker.pipe.close()
    return failures


def _start() -> Worker:
    context = multiprocessing.get_context("spawn")  # a forked process would share torch's thread pools
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,))
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


def _next(worker: Worker, waiting: deque[tuple[Path, Recipe]], listener: Listener) -> None:
    worker.folder = None
    if waiting:
        worker.folder, recipe = waiting.popleft()
        listener.started(worker.folder)
        try:
            worker.pipe.send((worker.folder, recipe))
        except OSError:
            return  # the process died in between, which `_hear` will find


def _hear(worker: Worker, listener: Listener, failures: dict[Path, Failure]) -> bool:
    """Take one message of a worker that has a run. Returns whether the run has ended."""
    folder = worker.folder
    assert folder is not None
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        kind, content = "end", Failure(_obituary(worker.process.exitcode), mistake=False)
    if kind == "epoch":
        listener.epoch(folder, content)
        return False
    if content is not None:
        failures[folder] = content
    listener.ended(folder, content)
    return True


def _obituary(code: int | None) -> str:
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"died with exit code {code}"
    return f"its process {how}; out of memory?" if code == -signal.SIGKILL else f"its process {how}"


def _work(pipe: Connection) -> None:
    """The worker process: runs until the pipe closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    own_process()
    build = LastDataset()
    while True:
        try:
            folder, recipe = pipe.recv()
            pipe.send(("end", _run_one(recipe, folder, pipe, build)))
        except (EOFError, BrokenPipeError):
            return


def _end_with_parent() -> None:
    """A run that went on after its parent's death would write into a folder that the next comparison is at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _run_one(recipe: Recipe, folder: Path, pipe: Connection, build: LastDataset) -> Failure | None:
    try:
        run(recipe, folder, resume=True, observe=lambda record: pipe.send(("epoch", record)), build_data=build)
    except InputError as error:
        return Failure(" ".join(str(error).split()), mistake=True)
    except BrokenPipeError:  # the parent is gone
        raise
    except Exception as error:  # the other runs must go on
        return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}", False, traceback.format_exc())
    return None


class LastDataset:
    """`build_dataset` that keeps the last one: runs that differ in the model, the method or a control share it."""

    def __init__(self) -> None:
        self._key: tuple[DataSettings, int] | None = None
        self._dataset: MultimodalDataset | None = None

    def __call__(self, settings: DataSettings, seed: int) -> MultimodalDataset:
        # only a validation split that is drawn depends on the seed
        key = replace(settings, control="none"), seed if settings.evaluate_on == "validation" else 0
        if self._dataset is None or key != self._key:
            self._dataset = None  # before the next one is read: memory for one
            self._dataset, self._key = build_dataset(*key), key
        return data.with_control(self._dataset, settings.control, settings.target, settings.auxiliary, seed)
