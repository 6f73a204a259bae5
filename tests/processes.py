"""Real processes at the price of a fork: one that has the package's imports behind it forks the others, in the place of
an interpreter that imports for longer than most of them work.

What they do is what a new interpreter's process does, imports apart, of which tests/test_newcomer.py, test_examples.py
and cli/test_commands.py start real ones.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import IO

import pytest

SLOW = 300.0  # seconds; far beyond what any of these takes, so that a hang is a failure

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.imported"])


def begin_server() -> None:
    """The process that imports and forks; where it is begun by multiprocessing itself, it does not know our path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)]))
        forkserver.ensure_running()


def fork_workers(patch: pytest.MonkeyPatch) -> None:
    """Let the processes of a comparison begin as those of this module do."""
    from crossdistill.studies import workers  # not where processes are forked from

    begin_server()
    patch.setattr(workers, "CONTEXT", _context)


class Started:
    """A process that was begun, with what `subprocess.Popen` offers of one; in a session of its own."""

    def __init__(self, process: BaseProcess, output: Connection, error: Connection) -> None:
        self._process = process
        self.stdout, self.stderr = _text(output), _text(error)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *error: object) -> None:
        """Kill what has not ended, the processes that it started too."""
        self._kill()
        self._process.join()
        for stream in (self.stdout, self.stderr):
            stream.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Negative for a signal, None while it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float = SLOW) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired(self._process.name, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def communicate(self, timeout: float = SLOW) -> tuple[str, str]:
        """What it writes to standard output and error until it ends; it is killed where that takes longer."""
        said: dict[str, str] = {}

        def read(name: str, stream: IO[str]) -> None:
            with stream:
                said[name] = stream.read()

        streams = {"output": self.stdout, "error": self.stderr}
        readers = [threading.Thread(target=read, args=each) for each in streams.items()]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        finally:
            if self.returncode is None:
                self._kill()
            for reader in readers:
                reader.join()
        return said["output"], said["error"]

    def _kill(self) -> None:
        self._process.kill()  # which may not have a session yet
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def result(self) -> tuple[int, str, str]:
        """Its exit code, standard output and standard error, once it has ended."""
        output, error = self.communicate()
        return self.wait(), output, error


def start(
    function: Callable[..., object],
    *arguments: object,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Started:
    """Begin `function(*arguments)` in another process.

    function: of a module's top, like its arguments pickled
    folder: where it works; by default where this process does
    environment: what is other than in this process
    """
    begin_server()
    pipes = [_context.Pipe(duplex=False) for _ in range(2)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", **(environment or {})}
    writers = [writer for _, writer in pipes]
    process = _context.Process(
        target=_run, name=function.__name__, args=(function, arguments, folder or Path.cwd(), variables, *writers)
    )
    process.start()
    for writer in writers:
        writer.close()
    return Started(process, *[reader for reader, _ in pipes])


def start_command(
    *arguments: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Started:
    """Begin `crossdistill ARGUMENT...`; see `command` for this process's part of it."""
    return start(command, *map(str, arguments), folder=folder, environment=environment)


def start_ranks(function: Callable[..., object], *arguments: object, ranks: int = 2) -> list[Started]:
    """Begin the function as each of so many ranks on this machine, as torchrun's environment has them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "tests", "GROUP_RANK": "0"}
    sizes = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    return [
        start(function, *arguments, environment={**group, **sizes, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(ranks)
    ]


def call(
    *arguments: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `crossdistill ARGUMENT...`."""
    return start_command(*arguments, folder=folder, environment=environment).result()


def run_script(
    script: Path | str,
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    errors: type[Warning] | None = None,
) -> CompletedProcess[str]:
    """`python SCRIPT ARGUMENT...`, or `python -c SCRIPT ARGUMENT...` where it is text, to its end.

    errors: warnings that end it
    """
    process = start(_script, script, [*map(str, arguments)], errors, folder=folder, environment=environment)
    return CompletedProcess(str(script), *process.result())


def _run(
    function: Callable[..., object],
    arguments: tuple[object, ...],
    folder: Path,
    variables: Mapping[str, str],
    output: Connection,
    error: Connection,
) -> None:
    assert "tests.imported" in sys.modules, "what is to be imported before the fork was not"
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background does not hear
    for descriptor, pipe in enumerate((output, error), start=1):
        os.dup2(pipe.fileno(), descriptor)
        pipe.close()
    sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", buffering=1, closefd=False) for descriptor in (1, 2))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    added = variables.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [place for place in added if place and place not in sys.path]
    function(*arguments)


def command(*arguments: str) -> None:
    """Be `crossdistill ARGUMENT...`."""
    sys.argv = ["crossdistill", *arguments]
    runpy.run_module("crossdistill.cli", run_name="__main__", alter_sys=True)


def _script(script: Path | str, arguments: list[str], errors: type[Warning] | None) -> None:
    if errors is not None:
        warnings.simplefilter("error", errors)
    sys.argv = [str(script) if isinstance(script, Path) else "-c", *arguments]
    if isinstance(script, Path):
        sys.path.insert(0, str(script.parent))
        runpy.run_path(str(script), run_name="__main__")
    else:
        sys.path.insert(0, "")
        exec(compile(script, "<string>", "exec"), {"__name__": "__main__"})


def _text(pipe: Connection) -> IO[str]:
    descriptor = os.dup(pipe.fileno())
    pipe.close()
    return os.fdopen(descriptor, encoding="utf-8")


def children() -> list[BaseProcess]:
    """The processes that this one has started and that live, but for joblib's, which stay for its next pool."""
    return [child for child in multiprocessing.active_children() if not child.name.startswith("Loky")]
