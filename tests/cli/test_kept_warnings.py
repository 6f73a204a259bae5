"""What libraries say comes after the command's own work, and never beside a mistake's one line."""

from __future__ import annotations

import logging
import sys
import types
import warnings
from collections.abc import Callable

import pytest
from jsonargparse import ArgumentParser

from crossdistill.cli import main as module
from crossdistill.plugins import PluginWarning
from crossdistill.types import InputError


def outcome(
    act: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    command = types.ModuleType("noisy")
    command.parser = lambda arguments: ArgumentParser(exit_on_error=False)  # type: ignore[attr-defined]
    command.execute = lambda options, typed: act()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "noisy", command)
    monkeypatch.setitem(module.COMMANDS, "noisy", ("noisy", ""))
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code = module.main(["noisy"])
    return code, capsys.readouterr().err.splitlines()


def noise() -> None:
    for _ in range(2):
        warnings.warn("odd\nnumbers", RuntimeWarning, stacklevel=1)
    logging.getLogger("somebody").warning("deprecated %s", "thing")


def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def act() -> int:
        noise()
        raise InputError("wrong")

    assert outcome(act, monkeypatch, capsys) == (2, ["crossdistill: error: wrong"])


def test_a_plug_in_that_cannot_be_used_may_be_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> int:
        warnings.warn("plug-in x cannot be imported", PluginWarning, stacklevel=1)
        raise InputError("no method x")

    line = "crossdistill: error: no method x; plug-in x cannot be imported"
    assert outcome(act, monkeypatch, capsys) == (2, [line])


def test_otherwise_each_is_told_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def act() -> int:
        noise()
        return 0

    code, lines = outcome(act, monkeypatch, capsys)
    assert code == 0
    assert lines == [
        "crossdistill: warning: RuntimeWarning: odd numbers",
        "crossdistill: warning: somebody: deprecated thing",
    ]
