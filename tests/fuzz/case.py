"""One case: a subject, its number and the seed decide what is mutated and how; and what came of it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from crossdistill.cli.main import main
from crossdistill.cli.words import LONGEST
from crossdistill.types import InputError, one_line

Attempt = Callable[[], object]
"""What is tried on a mutated input. An InputError, or exit code 2 of a command, is its one line; it raises
AssertionError where an answer is wrong."""


@dataclass(frozen=True)
class Subject:
    """What is mutated. share: of all cases, relative to the others'; begin: writes what is mutated into a folder, once
    in a process; case: writes a mutated copy into an empty folder and returns what is to be tried on it."""

    share: int
    begin: Callable[[Path], Any]
    case: Callable[[Any, Random, Path], Attempt]


@dataclass(frozen=True)
class Outcome:
    """What came of a case. fault: empty for a right answer and for one line; megabytes: the process's highest."""

    fault: str
    said: str
    seconds: float
    megabytes: float = 0.0


class CommandFailedError(InputError):
    """A command that ended with exit code 2 and one line."""


def command(*arguments: object) -> None:
    """Run a command in this process. Raises CommandFailedError with its line where it ends with exit code 2."""
    with tempfile.TemporaryFile() as file:
        with _standard_error_in(file.fileno()):
            code = main([str(argument) for argument in arguments])
        file.seek(0)
        text = file.read().decode(errors="replace")
    if code == 2:
        lines = text.splitlines()
        assert text.startswith("crossdistill: error: "), f"exit code 2 without its line: {text[-500:]}"
        assert len(lines) == 1, f"more than one line: {text[-800:]}"
        raise CommandFailedError(lines[0])
    assert code in (0, 1), f"exit code {code}"


@contextmanager
def _standard_error_in(descriptor: int) -> Iterator[None]:
    """What is written to standard error, by libraries too, goes there."""
    kept = os.dup(2)
    sys.stderr.flush()
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def chance(subject: str, number: int, seed: int) -> Random:
    return Random(f"{seed}/{subject}/{number}")


def tried(subject: str, made: Subject, begun: Any, number: int, seed: int, folder: Path) -> Outcome:
    """Make the case's input in the folder, and try it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    attempt = made.case(begun, chance(subject, number, seed), folder)
    began = time.process_time()
    fault = said = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt()
    except (InputError, OSError) as error:
        said = one_line(error) if isinstance(error, OSError) else str(error)
        fault = _wrong_line(error, said)
    except BaseException as error:  # whatever else there is, is a traceback
        fault, said = f"traceback: {type(error).__name__}", traceback.format_exc()[-3000:]
    return Outcome(fault, said, time.process_time() - began)


def _wrong_line(error: Exception, said: str) -> str:
    if "not enough memory" in said:
        return "memory"
    if not said.strip() or "\n" in said:
        return "not one line"
    if isinstance(error, CommandFailedError) and len(said) > LONGEST + 50:
        return "a line too long"
    return ""
