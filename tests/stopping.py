"""Runs that a signal stops at every so many steps, and that go on until they are finished."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from crossdistill.runs.log import RunLog
from crossdistill.training.pauses import GO_ON, Interrupted


def run_with_stops(
    monkeypatch: pytest.MonkeyPatch, every: int, folder: Path, attempt: Callable[[], object]
) -> tuple[int, list[int]]:
    """Attempt a run in `folder` again and again; returns how many steps were done, and each stop's signal."""
    steps, stops = 0, []

    def wish(log: RunLog) -> int:
        nonlocal steps
        steps += 1
        return signal.SIGTERM if steps % every == 0 else GO_ON

    monkeypatch.setattr(RunLog, "wish", wish)
    while not (folder / "results.json").is_file():
        try:
            attempt()
        except Interrupted as stopped:
            stops.append(stopped.number)
    return steps, stops
