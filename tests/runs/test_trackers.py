"""Experiment trackers, by stand-ins with the calls that are made: each gets what metrics.jsonl has, and ends no run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from crossdistill.runs.run import run
from crossdistill.training.pauses import Interrupted
from crossdistill.types import InputError
from tests.listening import Heard
from tests.runs.small import gestures, recipe


@dataclass
class Told:
    """What a stand-in was told: of each run that was begun its name, its records by step, and whether it was ended."""

    names: list[str] = field(default_factory=list)
    settings: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[int, dict[str, float]]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    fails_at: int = 99

    def begin(self, name: str, **settings: Any) -> int:
        self.names.append(name)
        self.settings.append(settings)
        self.records.append({})
        return len(self.names) - 1

    def take(self, number: int, values: Mapping[str, float], step: int) -> None:
        if step == self.fails_at:
            raise OSError("no network")
        self.records[number][step] = dict(values)


def like_wandb(told: Told) -> dict[str, ModuleType]:
    """`wandb` and `trackio`, whose calls are the same."""

    def init(project: str, name: str, config: Mapping[str, Any], dir: str = "") -> object:
        number = told.begin(name, project=project, config=config, dir=dir)
        return SimpleNamespace(
            log=lambda values, step: told.take(number, values, step), finish=lambda: told.ended.append(number)
        )

    return {name: module(name, init=init) for name in ("wandb", "trackio")}


def like_mlflow(told: Told) -> dict[str, ModuleType]:
    class Client:
        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str) -> str:
            return f"experiment {name}"

        def create_run(self, experiment: str, run_name: str) -> object:
            number = told.begin(run_name, project=experiment.removeprefix("experiment "))
            return SimpleNamespace(info=SimpleNamespace(run_id=number))

        def log_param(self, number: int, name: str, value: object) -> None:
            told.settings[number][name] = value

        def log_dict(self, number: int, content: dict[str, Any], file: str) -> None:
            told.settings[number]["config"] = content

        def log_batch(self, number: int, metrics: list[tuple[str, float, int, int]]) -> None:
            for _, _, _, step in metrics:
                told.take(number, {key: value for key, value, _, _ in metrics}, step)

        def set_terminated(self, number: int) -> None:
            told.ended.append(number)

    entities = module("mlflow.entities", Metric=lambda *values: values)
    return {"mlflow": module("mlflow", MlflowClient=Client), "mlflow.entities": entities}


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    found = Told()
    for name, stands_in in (like_wandb(found) | like_mlflow(found)).items():
        monkeypatch.setitem(sys.modules, name, stands_in)
    return found


def logged(folder: Path, method: str = "amid") -> list[dict[str, float]]:
    """What metrics.jsonl says, a stage before the method's own by its name."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    prefix = {line["stage"]: "" if line["stage"] == method else f"{line['stage']}/" for line in lines}
    return [
        {f"{prefix[line['stage']]}{key}": float(value) for key, value in line.items() if isinstance(value, float | int)}
        for line in lines
    ]


@pytest.mark.parametrize("name", ["trackio", "wandb", "mlflow"])
def test_a_tracker_has_what_the_log_has(name: str, told: Told, tmp_path: Path) -> None:
    made = recipe(method="amid", epochs=2, auxiliary_epochs=1, tracker=name)
    run(made, tmp_path / "run", dataset=gestures())
    assert told.names == ["amid seed 0"]
    assert told.settings[0]["project"] == "gestures"
    assert told.settings[0]["config"]["optimization"]["learning_rate"] == 3e-3
    assert told.records == [dict(enumerate(logged(tmp_path / "run")))]
    assert "auxiliary/training/loss/classification" in told.records[0][0]
    assert told.ended == [0]


def stop_after(steps: int) -> Callable[[str, int], None]:
    def stop(task: str, count: int) -> None:
        if count == steps:
            raise Interrupted(2)

    return stop


def test_a_run_that_goes_on_is_told_from_its_beginning(told: Told, tmp_path: Path) -> None:
    made = recipe(method="amid", epochs=3, auxiliary_epochs=1, tracker="trackio")
    with pytest.raises(KeyboardInterrupt):
        run(made, tmp_path / "run", dataset=gestures(), listener=Heard(stop_after(2)))
    assert told.ended == [0], "no tracker is left waiting"
    run(made, tmp_path / "run", resume=True, dataset=gestures())
    assert told.records[1] == dict(enumerate(logged(tmp_path / "run")))
    assert told.ended == [0, 1]


def test_a_run_that_goes_on_is_drawn_once_by_tensorboard(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    made = recipe(method="baseline", epochs=3, tensorboard=True)
    with pytest.raises(KeyboardInterrupt):
        run(made, tmp_path / "run", dataset=gestures(), listener=Heard(stop_after(2)))
    run(made, tmp_path / "run", resume=True, dataset=gestures())
    events = accumulators.EventAccumulator(str(tmp_path / "run/tensorboard/baseline"))
    events.Reload()
    told = [(event.step, event.value) for event in events.Scalars("training/loss/classification")]
    expected = [line["training/loss/classification"] for line in logged(tmp_path / "run", "baseline")]
    assert [step for step, _ in told] == [0, 1, 2]
    assert [value for _, value in told] == pytest.approx(expected)


def test_a_tracker_that_fails_does_not_end_the_training(told: Told, tmp_path: Path) -> None:
    told.fails_at = 1
    heard = Heard()
    made = recipe(method="baseline", epochs=4, tracker="wandb")
    results = run(made, tmp_path / "run", dataset=gestures(), listener=heard)
    assert results.scores
    assert list(told.records[0]) == [0]
    assert heard.lines == ["WARNING: wandb takes no more of this run (no network); metrics.jsonl has all"]


def test_a_tracker_that_begins_no_run_is_a_mistake_in_one_line(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**settings: object) -> None:
        raise RuntimeError("No API key configured.\nUse `wandb login`")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    made = replace(recipe(method="baseline"), tracker="wandb")
    with pytest.raises(InputError, match=r"^tracker: wandb begins no run: No API key configured. Use `wandb login`$"):
        run(made, tmp_path / "run", dataset=gestures())
