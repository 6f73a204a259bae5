"""Hands cases to a worker process and starts another one where a case ended it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path

from tests.fuzz.case import Outcome
from tests.fuzz.subjects import SUBJECTS
from tests.fuzz.worker import work
from tests.processes import Started, start

MOST_MEGABYTES = 1024.0
PATIENCE = 300.0
"""Seconds without an answer, after which a case hangs; of the processor's own time a worker counts fewer."""
PROJECT = Path(__file__).parents[2]


@dataclass
class Tally:
    """What came of all cases. faults: case -> what was wrong."""

    cases: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    megabytes: float = 0.0

    def add(self, subject: str, number: int, outcome: Outcome) -> None:
        self.cases[subject] += 1
        self.lines[subject] += bool(outcome.said and not outcome.fault)
        self.times[subject] += outcome.seconds  # type: ignore[assignment]
        self.seconds = max(self.seconds, outcome.seconds)
        self.megabytes = max(self.megabytes, outcome.megabytes)
        if outcome.fault:
            self.faults[f"{subject} {number}"] = outcome

    def __str__(self) -> str:
        rows = [
            f"{name}: {count} cases, {self.lines[name]} ended in a line, {self.times[name]:.1f} s"
            for name, count in self.cases.items()
        ]
        return "\n".join([*rows, f"at most {self.seconds:.1f} s of processor time, {self.megabytes:.0f} MiB in all"])


def numbered(cases: int, names: Iterable[str] = SUBJECTS) -> Iterator[tuple[str, int]]:
    """So many cases, each subject's share of them; those of the named subjects alone, in this order."""
    whole = sum(subject.share for subject in SUBJECTS.values())
    for name in names:
        for number in range(-(-cases * SUBJECTS[name].share // whole)):
            yield name, number


class Worker:
    """A process that tries cases; a new one takes its place when it has ended."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.process: Started | None = None
        self.home = Path()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        if self.process is not None:
            with self.process:
                self.pipe.close()
            shutil.rmtree(self.home, ignore_errors=True)
        self.process = None

    def tried(self, subject: str, number: int) -> Outcome:
        if self.process is None:
            self._start()
        answered = False
        try:
            self.pipe.send((subject, number))
            answered = self.pipe.poll(PATIENCE)
            outcome = self.pipe.recv() if answered else None
        except (EOFError, OSError):
            answered, outcome = True, None
        if outcome is None:
            outcome = self._ended(answered)
            self.end()
            return outcome
        if outcome.megabytes > MOST_MEGABYTES and not outcome.fault:
            outcome = Outcome("memory", outcome.said, outcome.seconds, outcome.megabytes)
        if outcome.megabytes > 0.75 * MOST_MEGABYTES:
            self.end()  # so that what one case leaves behind is not the next one's
        return outcome

    def _start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="fuzz"))
        self.pipe, theirs = Pipe()
        environment = {"TMPDIR": str(self.home)}
        self.process = start(work, self.seed, theirs, self.home / "said", folder=PROJECT, environment=environment)
        theirs.close()

    def _ended(self, by_itself: bool) -> Outcome:
        assert self.process is not None
        if not by_itself:
            return Outcome("no end", "", PATIENCE)
        code = self.process.wait()
        if code == -signal.SIGPROF:
            return Outcome("time", "", 0)
        said = (self.home / "said").read_text(errors="replace")[-3000:]
        if code > 0:
            raise RuntimeError(f"the worker itself failed ({code}):\n{said}")
        return Outcome(f"the process died by signal {-code}", said, 0)


def fuzz(cases: int, seed: int, say: bool = False, names: Iterable[str] = SUBJECTS) -> Tally:
    """Try so many cases; say: print each fault as it is found, with the command that tries it again."""
    tally = Tally()
    with Worker(seed) as worker:
        for subject, number in numbered(cases, names):
            outcome = worker.tried(subject, number)
            tally.add(subject, number, outcome)
            if outcome.fault and say:
                print(f"{outcome.fault}: {again(subject, number, seed)}\n{outcome.said}", flush=True)
    return tally


def again(subject: str, number: int | str, seed: int) -> str:
    """The command that tries this case again, by itself."""
    return f"python -m tests.fuzz {subject} {number} --seed {seed}"
