"""Training as a library in somebody's process: no folder, no split, no auxiliary modality, nothing changed outside."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import crossdistill
from crossdistill.data import from_arrays, with_labels
from crossdistill.recipes.library.bundled import own
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.build import build
from crossdistill.runs.results import read_results
from crossdistill.runs.run import run, student_of
from crossdistill.runs.train import train
from crossdistill.runs.training_log import MemoryLog
from crossdistill.student import load
from crossdistill.training import Machine
from crossdistill.types import InputError
from tests.runs.small import gestures, recipe, with_data
from tests.saved import model_state

SAMPLES = 60


def arrays(**options: object) -> crossdistill.data.MultimodalDataset:
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % 3
    values = {
        "wrist": random.normal(size=(SAMPLES, 4)) + labels[:, None],
        "eye": random.normal(size=(SAMPLES, 3)) + labels[:, None],
    }
    return from_arrays(values, labels, **options)  # type: ignore[arg-type]


def unmeasured(method: str, auxiliary: tuple[str, ...] = ("eye",)) -> Recipe:
    made = replace(own(("wrist",), auxiliary), method=method, epochs=60, machine=Machine("cpu"))
    return with_data(made, evaluate_on="none")


@pytest.mark.parametrize("method", ["baseline", "amid", "kd"])
def test_all_samples_may_be_for_training(method: str) -> None:
    log = MemoryLog()
    built = build(unmeasured(method), arrays())
    trained = train(built, log)
    assert not trained.model.training
    assert [record["stage"] for record in log.records].count(method) == 60
    assert not any("top1" in key for record in log.records for key in record), "nothing is measured"
    student = student_of(built)
    right = student.predict({"wrist": arrays().columns["wrist"].array}) == np.array(list("012") * 20)  # type: ignore[attr-defined]
    assert right.mean() > 0.6, "chance is a third"


def test_the_student_alone_needs_no_auxiliary_modality(tmp_path: Path) -> None:
    made = replace(own(("wrist",), ()), method="baseline", epochs=3, machine=Machine("cpu"))
    dataset = arrays(splits=np.arange(SAMPLES) >= 40).only(["wrist"])
    results = run(made, tmp_path / "run", dataset=dataset)
    assert 0 <= results["student"]["top1"] <= 1
    assert load(tmp_path / "run").predict(np.zeros((2, 4))).shape == (2,)
    assert all(
        key.startswith(("encoders.wrist", "target_projection", "classifier")) for key in model_state(tmp_path / "run")
    )


@pytest.mark.parametrize("method", ["amid", "teacher", "auxiliary", "kd", "cmc"])
def test_other_methods_say_that_they_need_one(method: str) -> None:
    with pytest.raises(InputError, match=f"data.auxiliary: {method} learns from auxiliary modalities, found none"):
        build(unmeasured(method, ()), arrays())


def test_a_run_that_measures_nothing(tmp_path: Path) -> None:
    results = run(unmeasured("amid"), tmp_path / "run", dataset=arrays())
    assert results["samples"] == {"train": SAMPLES}
    assert load(tmp_path / "run").predict(np.zeros(4)).shape == (1,)


def test_without_test_samples_measuring_is_an_error_that_says_how_to_go_on() -> None:
    made = with_data(unmeasured("baseline"), evaluate_on="test")
    with pytest.raises(InputError, match=r"split 'test', found none; data\.evaluate_on none trains without measuring"):
        build(made, arrays())


def test_train_and_run_make_the_same_model(tmp_path: Path) -> None:
    built = build(recipe(), gestures())
    train(built)
    run(recipe(), tmp_path / "run", dataset=gestures())
    state, saved = built.model.state_dict(), model_state(tmp_path / "run")
    assert all(torch.equal(state[key], saved[key]) for key in saved)


def process_state() -> dict[str, object]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "random": torch.random.get_rng_state().numpy().tobytes(),
        "numpy": np.random.get_state()[1].tobytes(),  # type: ignore[index, union-attr] # noqa: NPY002
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "environment": dict(os.environ),
    }


@pytest.mark.parametrize("threads", [0, 1])
def test_nothing_of_the_process_is_changed(threads: int, tmp_path: Path) -> None:
    made = recipe(epochs=1, auxiliary_epochs=1, machine=Machine("cpu", threads=threads))
    during: list[object] = []

    class Watching(crossdistill.Listener):
        def step(self, task: str, values: object = None) -> None:  # type: ignore[override]
            during.append((torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()))

    before = process_state()
    run(made, tmp_path / "run", dataset=gestures(), listener=Watching())
    train(build(made, gestures()))
    load(tmp_path / "run").predict({"wrist": np.ones((2, 3, 3))})
    assert process_state() == before
    assert set(during) == {(before["deterministic"], threads or before["threads"])}, "nor while it trains"


def test_nor_when_it_fails(tmp_path: Path) -> None:
    before = process_state()
    made = recipe(machine=Machine("cpu", threads=1))
    with pytest.raises(InputError):
        run(with_data(made, target=("smell",)), tmp_path / "run", dataset=gestures())
    assert process_state() == before


def test_data_that_changed_between_stop_and_resume_are_named(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    class Stopping(crossdistill.Listener):
        def step(self, task: str, values: object = None) -> None:  # type: ignore[override]
            raise StopError

    with pytest.raises(StopError):
        run(recipe(), tmp_path / "run", dataset=gestures(), listener=Stopping())
    labels = gestures().labels.copy()
    labels[[0, 1]] = labels[[1, 0]]
    changes = {
        "labels": replace(gestures(), labels=labels),
        "modality wrist": gestures(lambda values: values + 1e-3),
        "classes": replace(gestures(), classes=("gesture 0", "gesture 1", "gesture 9")),
        "ids": replace(gestures(), ids=tuple(f"t{row}" for row in range(48))),
    }
    for part, dataset in changes.items():
        with pytest.raises(InputError, match=f"was begun on other data: {part}.* differ from when it stopped"):
            run(recipe(), tmp_path / "run", resume=True, dataset=dataset)
    assert run(recipe(), tmp_path / "run", resume=True, dataset=gestures())["samples"] == {"train": 32, "test": 16}


def test_results_say_how_many_labels_there_were(tmp_path: Path) -> None:
    made = with_data(recipe(method="baseline", epochs=1), labelled=0.5)
    assert run(made, tmp_path / "run", dataset=gestures()).samples == {"train": 32, "labelled": 17, "test": 16}
    assert "labelled_groups" not in json.loads((tmp_path / "run/results.json").read_text())
    with pytest.raises(InputError, match=r"data\.labelled, data\.labelled_groups: expected one of the two, found both"):
        build(with_data(made, labelled_groups=1), gestures())


def test_results_say_which_groups_kept_their_labels(tmp_path: Path) -> None:
    people = np.array(["Zoë", "Ann", "Bob", "Eve"])[np.arange(48) // 8 % 4]
    people[32:] = "tested"
    dataset = replace(gestures(), groups=people)
    made = with_data(recipe(method="baseline", epochs=1), labelled_groups=2)
    kept = with_labels(dataset, 1.0, 2, made.seed)
    results = run(made, tmp_path / "run", dataset=dataset)
    assert results.labelled_groups == tuple(sorted(set(kept.groups[kept.labelled_rows("train")].tolist())))
    assert len(results.labelled_groups) == 2
    assert read_results(tmp_path / "run").labelled_groups == results.labelled_groups
    everybody = run(with_data(made, labelled_groups=4), tmp_path / "all", dataset=dataset)
    assert everybody.labelled_groups == (), "where all keep their labels, nothing was drawn"
