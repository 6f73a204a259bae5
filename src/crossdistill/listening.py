"""Who hears how work goes, and what Python warns of where nobody does."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TypeVar

from crossdistill.types import one_line

T = TypeVar("T")

Values = Mapping[str, float | int | str]
"""What a step has to say: an epoch's record, a trial's accuracy."""

WARNING = "WARNING: "
"""How a line begins that nobody should miss, so that a listener that is quiet shows it all the same."""


class RunWarning(UserWarning):
    """What a run's numbers hide, such as a class that training never sees, where no listener takes such lines.

    To be told apart from others' warnings in a filter: `run`, `train`, `compare` and `tune` give it unless their
    listener overrides `say`. A run's folder keeps the same lines in warnings.txt.

    >>> import tempfile, warnings, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> data = crossdistill.from_arrays({"wrist": np.eye(9)}, ["push", "wave", "nan"] * 3, splits=np.arange(9) >= 6)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = crossdistill.run(recipe, tempfile.mkdtemp(), dataset=data)
    >>> [str(each.message)[:29] for each in caught if each.category is crossdistill.RunWarning][:1]
    ["'nan' is taken for a class; a"]
    """


def warn(line: str) -> None:
    """Python's warning of a line that begins with WARNING, at the caller's line that is not this library's own; nothing
    of another line."""
    if line.startswith(WARNING):
        warnings.warn(line.removeprefix(WARNING), RunWarning, stacklevel=_level_outside())


def _level_outside() -> int:
    """The `stacklevel` of the first frame that is neither this library's nor of a context manager around its code."""
    ours, level, frame = (__name__.partition(".")[0], "contextlib"), 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ours:
        level, frame = level + 1, frame.f_back
    return level


class Listener:
    """Hears how work goes; each method does nothing unless it is overridden, but that `say` warns.

    A task is something with a length: a run and its epochs, files that are read, trials. To be derived from, for a
    progress bar or a log of your own.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> class Lines(crossdistill.Listener):
    ...     def begin(self, task, total):
    ...         print(f"{task}: {total} epochs")
    ...     def step(self, task, values):
    ...         print("epoch", values["epoch"])
    >>> data = crossdistill.from_arrays({"wrist": np.eye(8)}, np.arange(8) % 2, splits=np.arange(8) >= 6)
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=2)
    >>> _ = crossdistill.run(recipe, tempfile.mkdtemp(), listener=Lines(), dataset=data)
    baseline seed 0: 2 epochs
    epoch 0
    epoch 1
    """

    def begin(self, task: str, total: int) -> None:
        """A task begins.

        Args:
            task: its name
            total: how many steps it has
        """

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        """One epoch, file or trial is done.

        Args:
            task: its name
            values: an epoch's record, a trial's accuracy
        """

    def end(self, task: str, problem: str = "") -> None:
        """The task is over.

        Args:
            task: its name
            problem: in one line, why it did not come to its end; empty where it did
        """

    def say(self, line: str) -> None:
        """Something that a person should know: Python's `RunWarning` of a line that begins with "WARNING: ".

        Args:
            line: what was skipped or guessed
        """
        warn(line)


class Deaf(Listener):
    """Hears nothing, and warns of nothing: of several processes that work on one thing, all but the first."""

    def say(self, line: str) -> None:
        """Nothing.

        Args:
            line: what another process says
        """


@contextmanager
def reported(listener: Listener, task: str, total: int) -> Iterator[None]:
    """The listener hears that the task begins, and how it ends."""
    listener.begin(task, total)
    try:
        yield
    except BaseException as error:
        listener.end(task, problem=one_line(error))
        raise
    listener.end(task)


def tracked(listener: Listener, items: Iterable[T], total: int, task: str) -> Iterator[T]:
    """The items, of which there will be `total`; the listener hears of each once it has been dealt with."""
    if not total:
        yield from items
        return
    with reported(listener, task, total):
        for item in items:
            yield item
            listener.step(task)
