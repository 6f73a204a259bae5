"""Listeners that stand before another one and change what it hears."""

from __future__ import annotations

import re
from types import MappingProxyType

from crossdistill.listening import WARNING, Listener, Values


class PassedOn(Listener):
    """Passes on all that it hears."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def begin(self, task: str, total: int) -> None:
        self._listener.begin(task, total)

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        self._listener.step(task, values)

    def end(self, task: str, problem: str = "") -> None:
        self._listener.end(task, problem)

    def say(self, line: str) -> None:
        self._listener.say(line)


class Within(PassedOn):
    """Passes lines on with the name of what they are said within."""

    def __init__(self, listener: Listener, name: str) -> None:
        super().__init__(listener)
        self._name = name

    def say(self, line: str) -> None:
        prefix = WARNING if line.startswith(WARNING) else ""
        super().say(f"{prefix}{self._name}: {line.removeprefix(prefix)}")


class Said(PassedOn):
    """Passes on what is said, and no tasks: of runs that are steps of another one."""

    def begin(self, task: str, total: int) -> None:
        """Not passed on."""

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        """Not passed on."""

    def end(self, task: str, problem: str = "") -> None:
        """Not passed on."""


_RUN = re.compile(r"^.*? seed [0-9]+: ")
"""How a line begins that names its run."""
_MEASURED = re.compile(r"epoch [0-9]+|[0-9]+(\.[0-9]+)? %|[0-9]+\.[0-9]+")
"""What a warning says of a measurement, which each run has its own of."""


class SaidOnce(PassedOn):
    """Passes on once what runs say alike, whatever their configurations, seeds and folds: a warning whatever was
    measured and when, and of other lines those that name no run, which are of the data."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._said: set[str] = set()

    def say(self, line: str) -> None:
        is_warning = line.startswith(WARNING)
        if not is_warning and _RUN.match(line):
            return super().say(line)
        said = _MEASURED.sub("0", _RUN.sub(WARNING, line)) if is_warning else line
        if said not in self._said:
            self._said.add(said)
            super().say(line)
