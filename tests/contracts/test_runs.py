"""The contract of whole runs, for every method: repeatable, resumable, the same on two ranks as on one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from crossdistill.methods import METHODS
from crossdistill.recipes.files import load_recipe
from crossdistill.runs.run import run
from tests.contracts.ranks import train_all
from tests.contracts.small import STEPS, data, recipe
from tests.listening import Heard
from tests.processes import start_ranks
from tests.saved import model_state
from tests.stopping import run_with_stops

TIMED = ("seconds", "peak_memory_mb")
WITH_UNBROKEN, WITH_RANKS = (pytest.mark.xdist_group(name) for name in ("unbroken", "ranks"))
"""What takes the same minutes of training runs in one of the test processes, so that they are made once."""


@WITH_RANKS
def test_a_group_of_tests_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    """pytest-xdist says so in the name of the test; else each process would train all of this again."""
    assert not request.config.getoption("loadgroup", False) or request.node.nodeid.endswith("@ranks")


class StopError(Exception):
    pass


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return model_state(folder)


def log_of(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in TIMED} for record in records]


def results_of(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_text())
    return {key: value for key, value in results.items() if key not in TIMED}


def assert_same_run(first: Path, second: Path) -> None:
    """Bit for bit."""
    a, b = state_of(first), state_of(second)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert log_of(first) == log_of(second)
    assert results_of(first) == results_of(second)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each method's run, never stopped."""
    root = tmp_path_factory.mktemp("unbroken")
    for method in METHODS:
        run(recipe(method), root / method, dataset=data())
    return {method: root / method for method in METHODS}


@WITH_UNBROKEN
@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_and_resumed_run_equals_one_never_stopped(
    method: str, unbroken: dict[str, Path], tmp_path: Path
) -> None:
    """Stopped after every single epoch, in every stage, after its checkpoint was due and before it was written."""
    chosen = recipe(method)

    def stop(task: str, count: int) -> None:
        raise StopError  # the log has the line, the checkpoint is not written: the epoch is done again

    def stop_at_second(task: str, count: int) -> None:
        if count == 2:
            raise StopError

    with pytest.raises(StopError):
        run(chosen, tmp_path / "run", dataset=data(), listener=Heard(stop))
    for _ in range(20):
        try:
            run(chosen, tmp_path / "run", resume=True, dataset=data(), listener=Heard(stop_at_second))
            break
        except StopError:
            continue
    assert_same_run(tmp_path / "run", unbroken[method])


@WITH_UNBROKEN
@pytest.mark.parametrize("method", METHODS)
def test_a_run_stopped_inside_its_epochs_equals_one_never_stopped(
    method: str, unbroken: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every seventh step, of four in an epoch, as a signal asks for it; from the recipe that the other run saved, so
    that this one repeats it."""
    folder, made = tmp_path / "run", load_recipe(str(unbroken[method] / "recipe.yaml"))
    steps, stops = run_with_stops(monkeypatch, 7, folder, lambda: run(made, folder, resume=True, dataset=data()))
    assert stops == [signal.SIGTERM] * (steps // 7) != []
    assert steps == sum(STEPS for _ in log_of(unbroken[method])), "no step is done twice"
    assert_same_run(folder, unbroken[method])
    assert (folder / "recipe.yaml").read_text() == (unbroken[method] / "recipe.yaml").read_text()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Every method's run by one process, and by two gloo ranks on the same global batches."""
    root = tmp_path_factory.mktemp("ranks")
    for ranks in (1, 2):
        for process in start_ranks(train_all, root / str(ranks), ranks, ranks=ranks):
            code, _, error = process.result()
            assert code == 0, error[:4000]
    return root / "1", root / "2"


@WITH_RANKS
@pytest.mark.parametrize("method", METHODS)
def test_two_ranks_equal_one_process(method: str, ranks: tuple[Path, Path]) -> None:
    """The same global batches give the same losses and the same weights, up to the order of float32 sums."""
    assert_same_up_to_rounding(*(folder / method for folder in ranks))


@WITH_RANKS
def test_two_ranks_choose_the_epoch_of_one_process(ranks: tuple[Path, Path]) -> None:
    one, two = (folder / "amid-chosen" for folder in ranks)
    assert results_of(one)["best_epoch"] == results_of(two)["best_epoch"] >= 0
    assert_same_up_to_rounding(one, two)


def assert_same_up_to_rounding(one: Path, two: Path) -> None:
    for first, second in zip(log_of(one), log_of(two), strict=True):
        assert first.pop("stage") == second.pop("stage")
        assert first == pytest.approx(second, rel=1e-4, abs=1e-5)  # shares of a batch are convolved in other blocks
    a, b = state_of(one), state_of(two)
    for key in a:
        # RKD multiplies rounding: initial weights that differ by 6e-8 end 1.6e-3 apart
        torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=5e-5)
