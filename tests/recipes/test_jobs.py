"""Many runs on several processes: independent of their number, of failures, and of what kills a process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossdistill.recipes.jobs import Listener, run_all
from crossdistill.recipes.recipe import Recipe
from crossdistill.training import Optimization, Record

from .small import folder_of, gestures, recipe

TIMED = ("seconds", "peak_memory_mb")


class Heard:
    """A listener that remembers, and does something at an epoch."""

    def __init__(self, at_epoch: Any = lambda folder, record: None) -> None:
        self.begun: list[str] = []
        self.epochs: list[tuple[str, str, int]] = []
        self.over: dict[str, str | None] = {}
        self.at_epoch = at_epoch
        self.listener = Listener(self.started, self.epoch, self.ended)

    def started(self, folder: Path) -> None:
        self.begun.append(folder.name)

    def epoch(self, folder: Path, record: Record) -> None:
        self.epochs.append((folder.name, str(record["stage"]), int(record["epoch"])))
        self.at_epoch(folder, record)

    def ended(self, folder: Path, problem: str | None) -> None:
        self.over[folder.name] = problem


def plan(out: Path, methods: tuple[str, ...] = ("baseline", "mi"), **changes: Any) -> dict[Path, Recipe]:
    source = out.parent / "gestures"
    if not source.exists():
        folder_of(gestures(), out.parent)
    base = recipe(source, **changes)
    machine = replace(base.machine, threads=1)
    return {out / method: replace(base, method=method, machine=machine) for method in methods}


def kept(folder: Path) -> tuple[bytes, dict[str, Any]]:
    results = json.loads((folder / "results.json").read_text())
    return (folder / "model.safetensors").read_bytes(), {k: v for k, v in results.items() if k not in TIMED}


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    heard = Heard()
    assert run_all(plan(one), 1, heard.listener) == {}
    assert run_all(plan(two), 2, Heard().listener) == {}
    for method in ("baseline", "mi"):
        assert kept(one / method) == kept(two / method)
    assert heard.begun == ["baseline", "mi"]
    assert heard.over == {"baseline": None, "mi": None}
    assert [epoch for name, _, epoch in heard.epochs if name == "baseline"] == [0, 1, 2]
    assert [stage for name, stage, _ in heard.epochs if name == "mi"] == ["auxiliary"] * 2 + ["mi"] * 3
    assert not multiprocessing.active_children()


def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    recipes = plan(tmp_path / "out", ("amid", "baseline", "mi"))
    broken = tmp_path / "out" / "amid"
    recipes[broken] = replace(recipes[broken], optimization=Optimization("sgd", 1e20), epochs=20)
    heard = Heard()
    failures = run_all(recipes, 1, heard.listener)
    assert list(failures) == [broken]
    assert "became" in failures[broken]
    assert "\n" not in failures[broken]
    assert heard.over["baseline"] is None
    assert heard.over["mi"] is None


def test_a_process_that_is_killed_costs_its_own_run_alone(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(folder: Path, record: Record) -> None:
        if folder.name == "amid" and not killed:
            child = multiprocessing.active_children()[0].pid
            assert child is not None
            killed.append(child)
            os.kill(child, signal.SIGKILL)

    recipes = plan(tmp_path / "out", ("amid", "baseline"), epochs=30)
    failures = run_all(recipes, 1, Heard(kill).listener)
    assert failures == {tmp_path / "out" / "amid": "its process died (exit code -9)"}
    assert (tmp_path / "out" / "baseline" / "results.json").is_file()
    again = Heard()
    assert run_all({tmp_path / "out" / "amid": recipes[tmp_path / "out" / "amid"]}, 1, again.listener) == {}
    assert len(again.epochs) < 31, "it goes on from its checkpoint"


def test_processes_end_when_the_comparison_is_interrupted(tmp_path: Path) -> None:
    def interrupt(folder: Path, record: Record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(plan(tmp_path / "out"), 2, Heard(interrupt).listener)
    assert not multiprocessing.active_children()
