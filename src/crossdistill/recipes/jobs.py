"""Many runs on several processes: what is finished is kept whatever happens to the rest."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.run import quiet_libraries, run
from crossdistill.training import Record
from crossdistill.types import InputError


@dataclass(frozen=True)
class Listener:
    """What hears of the runs as they go: their start, each epoch, and their end with None or what went wrong."""

    started: Callable[[Path], None]
    epoch: Callable[[Path, Record], None]
    ended: Callable[[Path, str | None], None]


@dataclass
class Worker:
    """A process that takes one run after another, and the run that it is at."""

    process: BaseProcess
    pipe: Connection
    folder: Path | None = None


def run_all(recipes: Mapping[Path, Recipe], workers: int, listener: Listener) -> dict[Path, str]:
    """Run every recipe into its folder, going on where a folder holds an unfinished run; folder -> what went wrong.

    A run that fails, or whose process dies, does not stop the others. Processes stay for many runs, so that the
    imports are paid once. When this process dies, theirs end at their next epoch.
    """
    waiting = deque(recipes.items())
    pool = [_start() for _ in range(min(workers, len(waiting)))]
    failures: dict[Path, str] = {}
    try:
        for worker in pool:
            _next(worker, waiting, listener)
        while any(worker.folder for worker in pool):
            ready = wait([worker.pipe for worker in pool if worker.folder])
            for place, worker in enumerate(pool):
                if worker.pipe in ready:
                    ended, problem = _hear(worker, listener)
                    if ended and worker.folder:
                        failures |= {worker.folder: problem} if problem else {}
                        listener.ended(worker.folder, problem)
                        if not worker.process.is_alive():
                            pool[place] = worker = _start()
                        _next(worker, waiting, listener)
    finally:
        for worker in pool:
            worker.pipe.close()
            worker.process.terminate()
            worker.process.join()
    return failures


def _start() -> Worker:
    context = multiprocessing.get_context("spawn")  # a forked process would share torch's thread pools
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,))
    process.start()
    theirs.close()
    return Worker(process, ours)


def _next(worker: Worker, waiting: deque[tuple[Path, Recipe]], listener: Listener) -> None:
    worker.folder = None
    if waiting:
        worker.folder, recipe = waiting.popleft()
        listener.started(worker.folder)
        worker.pipe.send((worker.folder, recipe))


def _hear(worker: Worker, listener: Listener) -> tuple[bool, str | None]:
    """Take one message. Returns whether the run has ended, and what went wrong."""
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return True, f"its process died (exit code {worker.process.exitcode})"
    if kind == "epoch" and worker.folder:
        listener.epoch(worker.folder, content)
    return kind == "end", content if kind == "end" else None


def _work(pipe: Connection) -> None:
    """The worker process: runs until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of Ctrl-C and ends the workers
    quiet_libraries()
    while True:
        try:
            folder, recipe = pipe.recv()
        except EOFError:
            return
        pipe.send(("end", _run_one(recipe, folder, pipe)))


def _run_one(recipe: Recipe, folder: Path, pipe: Connection) -> str | None:
    def observe(record: Record) -> None:
        pipe.send(("epoch", record))

    try:
        run(recipe, folder, resume=True, observe=observe)
    except InputError as error:
        return str(error)
    except BrokenPipeError:
        raise SystemExit(1) from None  # the parent is gone
    except Exception as error:  # the other runs must go on, and its message must be heard
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None
