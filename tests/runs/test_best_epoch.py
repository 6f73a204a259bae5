"""Validation samples choose the epoch, test samples are measured once, and what is kept is the chosen epoch's model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill import load
from crossdistill.data import ArrayColumn, MultimodalDataset, from_arrays, with_validation
from crossdistill.data.reading import PartialColumn
from crossdistill.evaluation import top1
from crossdistill.evaluation.collect import Outputs
from crossdistill.methods import METHODS
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.best_epoch import BestEpoch
from crossdistill.runs.build import build
from crossdistill.runs.run import run
from crossdistill.runs.train import train
from crossdistill.runs.training_log import MemoryLog
from crossdistill.runs.warnings import Warnings
from crossdistill.training import Record
from crossdistill.types import InputError
from tests.contracts.test_runs import assert_same_run
from tests.listening import Heard
from tests.runs.small import gestures, recipe, with_data, with_model
from tests.stopping import run_with_stops

STUDENT = "evaluation/student/top1"


def noisy(**changes: Any) -> tuple[Recipe, MultimodalDataset]:
    """A recipe that goes up and down from epoch to epoch: hardly learnable labels, large steps, few samples."""
    made = recipe(epochs=8, auxiliary_epochs=0, **{"method": "baseline", **changes})
    made = replace(made, optimization=replace(made.optimization, learning_rate=0.05))
    made = with_model(made, auxiliary_encoders="trained")
    random = np.random.default_rng(4)
    values = {"wrist": random.normal(size=(90, 5, 3)), "eye": random.normal(size=(90, 5))}
    labels, splits = np.arange(90) % 3, np.arange(90) >= 60
    for modality in values:
        values[modality][:, ..., 0] += (labels * 0.6).reshape(-1, *[1] * (values[modality].ndim - 2))
    return with_data(made, choose_epoch_on="validation"), from_arrays(values, labels.tolist(), splits=splits)


class States(MemoryLog):
    """Keeps the model's state after every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[dict[str, torch.Tensor]] = []

    def save(self, take: Any) -> None:
        self.states.append({key: value.clone() for key, value in take().model.items()})


@pytest.mark.parametrize("seed", range(3))
def test_no_epoch_of_the_warm_up_is_chosen_unless_there_are_no_others(seed: int) -> None:
    """A student of the first stages is not what the method is named for, however good it is."""
    for warmup, first in ((5, 5), (8, 0)):
        made, data = noisy(seed=seed, method="amid", options={"amid": {"warmup_epochs": warmup}})
        log = States()
        model = train(build(made, data), log).model
        best = first + best_by_hand(log.records[first:])
        assert all(torch.equal(value, log.states[best][key]) for key, value in model.state_dict().items())


def test_an_epoch_of_the_warm_up_that_a_checkpoint_of_before_has_is_not_kept() -> None:
    made, data = noisy(method="amid", options={"amid": {"warmup_epochs": 5}})
    built = build(made, data)
    chosen = BestEpoch(built.method, 8, {"epoch": 2, "score": 0.95, "model": built.model.state_dict()})
    chosen.consider({"epoch": 6, STUDENT: 0.9}, built.model)
    assert (chosen.epoch, chosen.score) == (6, 0.9)


def best_by_hand(records: list[Record], measure: str = STUDENT) -> int:
    accuracies = [float(record[measure]) for record in records]
    return max(epoch for epoch, accuracy in enumerate(accuracies) if accuracy == max(accuracies))


@pytest.mark.parametrize("seed", range(6))
def test_the_model_is_that_of_the_best_epoch_the_last_of_equal_ones(seed: int) -> None:
    made, data = noisy(seed=seed)
    log = States()
    model = train(build(made, data), log).model
    best = best_by_hand(log.records)
    assert log.best_epoch == best
    kept = model.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in log.states[best].items())


def test_the_seeds_of_that_test_choose_different_epochs_and_not_the_last_alone() -> None:
    chosen = set()
    for seed in range(6):
        made, data = noisy(seed=seed)
        log = MemoryLog()
        train(build(made, data), log)
        chosen.add(log.best_epoch)
    assert len(chosen) > 1
    assert chosen != {7}


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].predicts[0] != "target"])
def test_a_method_without_a_student_is_chosen_by_what_it_is_for(method: str) -> None:
    made, data = noisy(method=method)
    log = MemoryLog()
    train(build(made, data), log)
    name = {"full": "teacher", "auxiliary": "auxiliary_alone"}[METHODS[method].predicts[0]]
    assert log.best_epoch == best_by_hand(log.records, f"evaluation/{name}/top1")


def test_a_run_keeps_says_and_measures_the_chosen_model(tmp_path: Path) -> None:
    made, data = noisy(seed=1)
    heard = Heard()
    results = run(made, tmp_path / "run", dataset=data, listener=heard)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    best = best_by_hand(lines)
    assert best < 7, "else the test shows nothing"
    assert results.best_epoch == best
    assert any(f"kept the model of epoch {best + 1} of 8" in line for line in heard.lines)
    assert results.split == "test"
    assert results.samples == {"train": 45, "validation": 15, "test": 30}
    held_out = with_validation(data, made.data.validation_fraction, made.seed).rows("validation")
    wrist = data.columns["wrist"].fetch(held_out)
    assert isinstance(wrist, torch.Tensor)
    predicted = load(tmp_path / "run").predict(wrist.numpy())
    assert np.mean(predicted == np.array(data.classes)[data.labels[held_out]]) == pytest.approx(lines[best][STUDENT])


def test_what_is_said_at_the_end_is_of_the_chosen_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last epoch's may have collapsed, and is not kept."""
    heard: list[Outputs] = []
    monkeypatch.setattr(Warnings, "ended", lambda self, stage, outputs: heard.append(outputs))
    made, data = noisy(seed=1)
    log = MemoryLog()
    train(build(made, data), log)
    best, last = (float(log.records[epoch][STUDENT]) for epoch in (log.best_epoch, -1))
    assert best != last, "else the test shows nothing"
    [outputs] = heard
    representations, labels = outputs.complete("target")
    assert top1(representations.target_logits, labels) == pytest.approx(best)


def test_test_samples_are_read_after_training_alone(tmp_path: Path) -> None:
    """Other values of the test samples change no model, no curve and no choice."""
    made, data = noisy(seed=1)
    wrist = data.columns["wrist"].fetch(np.arange(90))
    assert isinstance(wrist, torch.Tensor)
    changed = wrist.clone()
    changed[60:] = 1e3 * torch.randn(30, 5, 3, generator=torch.Generator().manual_seed(0))
    eye = data.columns["eye"].fetch(np.arange(90))
    assert isinstance(eye, torch.Tensor)
    labels = [data.classes[label] for label in data.labels]
    other = from_arrays({"wrist": changed.numpy(), "eye": eye.numpy()}, labels, splits=np.arange(90) >= 60)
    logs = []
    for each in (data, other):
        log = States()
        train(build(made, each), log)
        logs.append(log)
    first, second = logs
    timed = ("seconds", "peak_memory_mb")
    for a, b in zip(first.records, second.records, strict=True):
        assert {k: v for k, v in a.items() if k not in timed} == {k: v for k, v in b.items() if k not in timed}
    assert first.best_epoch == second.best_epoch
    assert all(torch.equal(first.states[-1][key], second.states[-1][key]) for key in first.states[-1])


@pytest.mark.parametrize("every", [1, 3])
def test_a_run_stopped_anywhere_keeps_the_same_model(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, data = noisy(method="amid", seed=2)
    made = replace(made, checkpoint_every=every)
    run(made, tmp_path / "whole", dataset=data)
    folder = tmp_path / "stopped"
    _, stops = run_with_stops(monkeypatch, 4, folder, lambda: run(made, folder, resume=True, dataset=data))
    assert len(stops) > 3
    assert_same_run(tmp_path / "whole", folder)


def test_stopped_after_the_last_epoch_s_checkpoint_it_still_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, data = noisy(seed=1)
    run(made, tmp_path / "whole", dataset=data)
    with monkeypatch.context() as patched:
        patched.setattr("crossdistill.runs.best_epoch.BestEpoch.put_back", _killed)
        with pytest.raises(KeyboardInterrupt):
            run(made, tmp_path / "stopped", dataset=data)
    run(made, tmp_path / "stopped", resume=True, dataset=data)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def _killed(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_no_measurable_validation_sample_is_one_line() -> None:
    """The teacher reads both modalities, which no validation sample has."""
    data = gestures()
    splits = np.where(np.arange(len(data)) % 4 == 0, "validation", data.splits).astype("<U10")
    there = splits != "validation"
    eye = data.columns["eye"].fetch(np.flatnonzero(there))
    assert isinstance(eye, torch.Tensor)
    columns = {**data.columns, "eye": PartialColumn(ArrayColumn(eye.numpy(), "eye"), there)}
    lacking = replace(data, columns=columns, splits=splits)
    made = with_data(recipe(method="teacher"), choose_epoch_on="validation")
    with pytest.raises(InputError, match=r"data\.choose_epoch_on: no validation sample has"):
        train(build(made, lacking))
