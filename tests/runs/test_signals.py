"""Handlers of signals: what they do, to whom, and that they are gone afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from crossdistill.runs.signals import SIGNALS, interrupts_at_once, interrupts_noted
from crossdistill.training.pauses import GO_ON, Interrupted


@pytest.fixture(autouse=True)
def listening_to_keyboard() -> Iterator[None]:
    """As in a terminal, also where these tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_training_a_signal_interrupts_at_once(number: signal.Signals) -> None:
    before = handlers()
    with pytest.raises(Interrupted, match=f"stopped by {number.name}") as caught, interrupts_at_once():
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == (130 if number == signal.SIGINT else 75)
    assert isinstance(caught.value, KeyboardInterrupt), "whoever cleans up after Ctrl-C does so here"
    assert handlers() == before


def test_inside_training_the_first_one_is_noted_and_a_second_from_the_keyboard_does_not_wait() -> None:
    before = handlers()
    with interrupts_at_once():
        with interrupts_noted() as signalled:
            assert signalled() == GO_ON
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # schedulers repeat themselves
            assert signalled() == signal.SIGTERM
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
    assert handlers() == before


def test_while_an_interrupted_command_ends_only_the_keyboard_is_heard() -> None:
    ended: list[str] = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR1)
            ended.append("saved")
            os.kill(os.getpid(), signal.SIGINT)
            ended.append("more")

    with pytest.raises(KeyboardInterrupt) as caught, interrupts_at_once():
        work()
    assert not isinstance(caught.value, Interrupted)
    assert ended == ["saved"]


def test_what_the_process_ignores_stays_ignored() -> None:
    """A job in the background of a shell ignores the keyboard."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_noted() as signalled:
            os.kill(os.getpid(), signal.SIGINT)
            assert signalled() == GO_ON
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_forked_loader_process_is_not_stopped() -> None:
    with interrupts_at_once():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_other_threads_than_the_main_one_have_no_handlers() -> None:
    found: list[object] = []
    before = handlers()

    def look() -> None:
        with interrupts_noted() as signalled:
            found.extend([signalled(), handlers() == before])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [GO_ON, True]
