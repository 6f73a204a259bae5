"""Where else an epoch's record goes than into metrics.jsonl: TensorBoard's events, or somebody's experiment tracker."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from crossdistill.extras import needed_for
from crossdistill.plain import to_plain
from crossdistill.recipes.recipe import Recipe, name_of
from crossdistill.types import InputError, one_line

Line = Mapping[str, Any]
"""A line of metrics.jsonl."""


class Tracker(Protocol):
    """Takes the records of one run, as metrics.jsonl has them, in their order; step: how many came before."""

    name: str

    def log(self, record: Line, step: int) -> None: ...
    def finish(self) -> None: ...


def trackers_of(recipe: Recipe, folder: Path) -> list[Tracker]:
    """Those that the recipe asks for, begun.

    Raises as `require_installed`, and InputError where a tracker begins no run: without a login, say.
    """
    found: list[Tracker] = [TensorBoard(folder)] if recipe.tensorboard else []
    if recipe.tracker == "none":
        return found
    try:
        return [*found, TRACKERS[recipe.tracker](recipe, folder)]
    except (InputError, ImportError):
        raise
    except Exception as error:  # of any class: a login, a network, a server
        raise InputError(f"tracker: {recipe.tracker} begins no run: {one_line(error)}") from error


def require_installed(recipe: Recipe) -> None:
    """Raise MissingPackageError where the package of a tracker that the recipe asks for is not installed."""
    if recipe.tensorboard:
        _summary_writer()
    if recipe.tracker != "none":
        _package(recipe.tracker)


def _package(name: str) -> Any:
    with needed_for(f"tracker: {name}"):
        return importlib.import_module(name)


def _summary_writer() -> Any:
    with needed_for("tensorboard: true"):
        from torch.utils.tensorboard import SummaryWriter  # slow to import, so only when it is asked for
    return SummaryWriter


class TensorBoard:
    """Events in the run's folder, one series of them a stage."""

    def __init__(self, folder: Path) -> None:
        self.name, self._writer = "TensorBoard", _summary_writer()
        self._folder = folder / "tensorboard"

    def log(self, record: Line, step: int) -> None:
        if step == 0:  # a run that goes on is told anew, and a second file would draw its curves twice
            shutil.rmtree(self._folder, ignore_errors=True)
        with self._writer(str(self._folder / str(record["stage"]))) as writer:
            for name, value in record.items():
                if name not in ("stage", "epoch") and value is not None:
                    writer.add_scalar(name, float(value), int(record["epoch"]))

    def finish(self) -> None:
        """Each record is written at once."""


class WandbLike:
    """A run of Weights & Biases, or of trackio, which has the same calls."""

    def __init__(self, package: str, recipe: Recipe, folder: Path) -> None:
        place = {"dir": str(folder)} if package == "wandb" else {}
        self.name = package
        self._run = _package(package).init(project=recipe.name, name=name_of(recipe), config=to_plain(recipe), **place)
        self._method = recipe.method

    def log(self, record: Line, step: int) -> None:
        self._run.log(numbers(record, self._method), step=step)

    def finish(self) -> None:
        self._run.finish()


class MLflow:
    """A run in the experiment of the recipe's name, wherever MLFLOW_TRACKING_URI says."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.name = "mlflow"
        self._client = _package("mlflow").MlflowClient()
        self._metric: Any = importlib.import_module("mlflow.entities").Metric
        known = self._client.get_experiment_by_name(recipe.name)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(recipe.name)
        self._id = self._client.create_run(experiment, run_name=name_of(recipe)).info.run_id
        for name, value in (("method", recipe.method), ("seed", recipe.seed), ("folder", folder)):
            self._client.log_param(self._id, name, value)
        self._client.log_dict(self._id, to_plain(recipe), "recipe.yaml")
        self._method = recipe.method

    def log(self, record: Line, step: int) -> None:
        now, values = int(1000 * time.time()), numbers(record, self._method)
        self._client.log_batch(self._id, [self._metric(name, value, now, step) for name, value in values.items()])

    def finish(self) -> None:
        self._client.set_terminated(self._id)


TRACKERS: Mapping[str, Callable[[Recipe, Path], Tracker]] = {
    "trackio": lambda recipe, folder: WandbLike("trackio", recipe, folder),
    "wandb": lambda recipe, folder: WandbLike("wandb", recipe, folder),
    "mlflow": MLflow,
}
"""A recipe's `tracker` -> what makes it."""


def numbers(record: Line, method: str) -> dict[str, float]:
    """The record's numbers by their names in metrics.jsonl, NaN left out; those of a stage before the method's own have
    that stage's name in front.

    >>> numbers({"stage": "auxiliary", "epoch": 1, "training/loss/jsd": 0.5, "evaluation/gap": None}, "amid")
    {'auxiliary/epoch': 1.0, 'auxiliary/training/loss/jsd': 0.5}
    """
    before = "" if record["stage"] == method else f"{record['stage']}/"
    return {f"{before}{name}": float(value) for name, value in record.items() if name != "stage" and value is not None}
