"""Runs on several processes: the same as in one, whatever is killed or fails beside them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill.data import MultimodalDataset
from crossdistill.recipes.recipe import DataSettings, Recipe
from crossdistill.runs.build import build_dataset
from crossdistill.runs.jobs import Failure, RunJob
from crossdistill.runs.run import run
from crossdistill.studies import workers as jobs
from crossdistill.studies.workers import DatasetCache, require_guarded, run_all
from crossdistill.training import Machine, Optimization
from crossdistill.types import InputError
from tests.contracts.test_runs import assert_same_run
from tests.listening import Heard
from tests.processes import children, fork_workers
from tests.runs.small import folder_of, gestures, recipe, with_data

ONE_THREAD = Machine(accelerator="cpu", threads=1)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recipe]:
    """Name of a folder -> recipe; sequences from files, several epochs, so that there is something to kill."""
    source = folder_of(gestures(), tmp_path_factory.mktemp("data"))
    amid = recipe(source, epochs=8, machine=ONE_THREAD)
    return {
        "amid": amid,
        "shuffled": with_data(replace(amid, seed=1), control="shuffled"),
        "baseline": replace(amid, method="baseline"),
    }


@pytest.fixture(scope="module")
def alone(recipes: Mapping[str, Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each run by itself, in this process."""
    root = tmp_path_factory.mktemp("alone")
    for name, made in recipes.items():
        run(made, root / name)
    return root


def failed(outcomes: Mapping[Path, Failure | None]) -> dict[Path, Failure]:
    return {folder: failure for folder, failure in outcomes.items() if failure is not None}


def test_one_process_that_is_killed_in_a_run(
    recipes: Mapping[str, Recipe], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That run has failed, the others have not; asked for again, it ends as if nothing had happened."""
    processes = set()

    def kill(task: str, count: int) -> None:
        (worker,) = children()
        processes.add(worker.pid)
        if (task, count) == ("amid seed 0", 4):
            os.kill(worker.pid or 0, signal.SIGKILL)
            worker.join()

    heard = Heard(kill)
    runs = [RunJob(tmp_path / name, made) for name, made in recipes.items()]
    outcomes = dict(run_all(runs, 1, heard))
    failures = failed(outcomes)
    assert list(outcomes) == [run.folder for run in runs], "each is told about when it has ended"
    assert list(failures) == [tmp_path / "amid"]
    assert not failures[tmp_path / "amid"].mistake
    assert "killed by signal 9" in failures[tmp_path / "amid"].message
    names = ("amid seed 0", "amid seed 1", "baseline seed 0")
    order = [event for event in heard.events if event[0] != "step"]
    assert order == [(event, name) for name in names for event in ("begin", "end")]
    assert heard.problems == {names[0]: failures[tmp_path / "amid"].message, names[1]: "", names[2]: ""}
    assert heard.totals == {names[0]: 10, names[1]: 10, names[2]: 8}
    assert heard.events.count(("step", "baseline seed 0")) == 8
    last = [values for task, values in heard.steps if task == "baseline seed 0"][-1]
    assert (last["stage"], last["epoch"]) == ("baseline", 7)
    assert "evaluation/student/top1" in last
    assert len(processes) == 2, "one until the kill, and one for all other runs"
    assert not (tmp_path / "amid" / "results.json").exists()
    fork_workers(monkeypatch)
    assert dict(run_all([RunJob(tmp_path / "amid", recipes["amid"])], 1)) == {tmp_path / "amid": None}
    for name in recipes:
        assert_same_run(tmp_path / name, alone / name)
    assert not children()


def test_two_processes_with_runs_that_fail(
    recipes: Mapping[str, Recipe], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit what one process gives; a diverging run is the user's to mend, a crash has a traceback."""
    fork_workers(monkeypatch)
    diverging = replace(recipes["baseline"], optimization=Optimization("sgd", learning_rate=1e30))
    (tmp_path / "crashing" / "config.json.partial").mkdir(parents=True)  # in the way of that file
    runs = [
        RunJob(tmp_path / "diverging", diverging),
        RunJob(tmp_path / "crashing", recipes["baseline"]),
        *(RunJob(tmp_path / name, made) for name, made in recipes.items()),
    ]
    at_once = set()
    listener = Heard(lambda *_: at_once.add(len(children())))
    failures = failed(dict(run_all(runs, 2, listener)))
    assert set(failures) == {tmp_path / "diverging", tmp_path / "crashing"}
    diverged, crashed = failures[tmp_path / "diverging"], failures[tmp_path / "crashing"]
    assert diverged.mistake
    assert "learning_rate" in diverged.message
    assert diverged.details == ""
    assert not crashed.mistake
    assert crashed.message.startswith("IsADirectoryError: ")
    assert "Traceback" in crashed.details
    assert "\n" not in diverged.message + crashed.message
    assert at_once == {2}
    for name in recipes:
        assert_same_run(tmp_path / name, alone / name)


def test_nothing_to_do_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_start", lambda entries: pytest.fail("started"))
    assert list(run_all([], 3)) == []


def test_a_data_set_is_read_again_only_when_other_samples_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[DataSettings] = []

    def counting(settings: DataSettings, seed: int) -> MultimodalDataset:
        read.append(settings)
        return build_dataset(settings, seed)

    monkeypatch.setattr(jobs, "build_dataset", counting)
    settings, build = recipe(folder_of(gestures(), tmp_path)).data, DatasetCache()
    first = build(settings, 0)
    assert build(settings, 1) is first, "the seed draws no split here"
    noise = build(replace(settings, control="noise"), 0)
    assert noise.columns["wrist"] is first.columns["wrist"]
    assert noise.columns["eye"] is not first.columns["eye"]
    assert build(settings, 0).columns["eye"] is first.columns["eye"], "a control changes nothing for the next run"
    assert len(read) == 1
    fold = build(replace(settings, fold=1), 0)
    assert len(read) == 2
    assert fold.rows("train").tolist() != first.rows("train").tolist()
    validation = replace(settings, evaluate_on="validation")
    splits = [build(validation, seed).rows("validation").tolist() for seed in (0, 0, 1)]
    assert len(read) == 4, "a validation split is the seed's"
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize(
    "change", [{}, {"fold": 1}, {"evaluate_on": "validation"}, {"labelled": 0.4}, {"control": "shuffled"}]
)
def test_a_kept_data_set_is_the_one_that_would_be_read(change: dict[str, object], tmp_path: Path) -> None:
    settings = replace(recipe(folder_of(gestures(), tmp_path)).data, **change)  # type: ignore[arg-type]
    build = DatasetCache()
    for seed in (0, 1, 1, 2):
        kept, read = build(settings, seed), build_dataset(settings, seed)
        assert kept.labels.tolist() == read.labels.tolist()
        assert kept.splits.tolist() == read.splits.tolist()
        rows = read.rows("train")
        assert np.array_equal(kept.columns["eye"].fetch(rows), read.columns["eye"].fetch(rows))


@pytest.mark.parametrize("ours", [True, False])
def test_a_process_that_still_imports_its_script_begins_none(ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ours ends without a word, for who waits for it says why; another's is told."""
    process = multiprocessing.current_process()
    require_guarded()
    monkeypatch.setattr(process, "_inheriting", True, raising=False)
    monkeypatch.setattr(process, "_name", jobs._OURS if ours else "SpawnProcess-1")
    with pytest.raises(SystemExit if ours else InputError) as caught:
        require_guarded()
    assert ours or "if __name__" in str(caught.value)
