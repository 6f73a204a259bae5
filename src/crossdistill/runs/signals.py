"""Signals that end a training: of a scheduler whose time is up, and from the keyboard."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from crossdistill.data.loading import SIGNALS
from crossdistill.training.pauses import GO_ON, Interrupted

Handler = Callable[[int], None]


@contextmanager
def interrupts_at_once() -> Iterator[None]:
    """Inside, the first signal raises Interrupted where it finds the process: there is nothing to be finished.

    While that ends, schedulers that repeat themselves are not heard; the keyboard is, by a KeyboardInterrupt.
    """
    heard: list[int] = []

    def interrupt(number: int) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise Interrupted(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt

    with _handled(interrupt):
        yield


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], int]]:
    """Inside, the signals are noted, for whoever asks what is wished: the first one's number, or `GO_ON`.

    A second one from the keyboard does not wait.
    """
    noted: list[int] = []

    def note(number: int) -> None:
        if noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.append(number)

    with _handled(note):
        yield lambda: noted[0] if noted else GO_ON


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """The handler for all signals but those that the process ignores, as jobs in a shell's background do; it is this
    process's, and not that of the loader's, which are forked from it and get the terminal's signals as well."""
    if threading.current_thread() is not threading.main_thread():  # which alone may have handlers
        yield
        return
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            handler(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    mine = [number for number, other in before.items() if other not in (signal.SIG_IGN, None)]
    try:
        for number in mine:
            signal.signal(number, handle)
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
