"""A listener that remembers what it hears."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from crossdistill.listening import Listener, Values


class Heard(Listener):
    """Remembers all that it hears, in order; at_step: done at each step, with how many of its task have been heard."""

    def __init__(self, at_step: Callable[[str, int], None] = lambda task, count: None) -> None:
        self.events: list[tuple[str, str]] = []
        self.steps: list[tuple[str, Values]] = []
        self.totals: dict[str, int] = {}
        self.problems: dict[str, str] = {}
        self.lines: list[str] = []
        self._at_step = at_step

    def begin(self, task: str, total: int) -> None:
        self.events.append(("begin", task))
        self.totals[task] = total

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        self.events.append(("step", task))
        self.steps.append((task, values))
        self._at_step(task, self.events.count(("step", task)))

    def end(self, task: str, problem: str = "") -> None:
        self.events.append(("end", task))
        self.problems[task] = problem

    def say(self, line: str) -> None:
        self.lines.append(line)
