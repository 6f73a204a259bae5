"""From checked columns to a trained student: one recipe, and the library's own build and train."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor

from crossdistill.data.columns import Column, Rows
from crossdistill.data.dataset import MultimodalDataset, from_arrays, without_labels
from crossdistill.data.inputs import column_of
from crossdistill.data.targets import Labels
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.estimator.defaults import THREADS, encoder_for, options_for, schedule
from crossdistill.estimator.inputs import Samples, auxiliary_column
from crossdistill.estimator.progress import EstimatorLog, Lines
from crossdistill.evaluation.collect import outputs_of
from crossdistill.listening import Listener, reported, warn
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.spec import ModelSpec
from crossdistill.recipes.library.bundled import own
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.build import build, total_epochs
from crossdistill.runs.run import student_of
from crossdistill.runs.train import train
from crossdistill.student import Student
from crossdistill.training.engine import on_threads
from crossdistill.training.settings import Machine
from crossdistill.types import InputError, TaskKind


@dataclass(frozen=True)
class Settings:
    """What the estimator's parameters come to. validation_fraction: None where no epoch is to be chosen."""

    method: str
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    epochs: int | None
    batch_size: int | None
    learning_rate: float
    weight_decay: float
    dropout: float
    width: int
    encoders: Mapping[str, EncoderSettings]
    options: Mapping[str, Any] | None
    validation_fraction: float | None
    seed: int
    device: str
    verbose: int


@dataclass(frozen=True)
class Fit:
    """A training that is over.

    model, spec: student, teacher and all else, on the CPU; teaches: whether there is a teacher
    """

    student: Student
    model: CrossModalModel
    spec: ModelSpec
    teaches: bool
    history: list[dict[str, float | int | str]]
    best_epoch: int | None


_PARAMETERS = {
    "epochs: ": "n_epochs: ",
    "optimization.": "",
    "model.": "",
    "machine.accelerator": "device",
    "data.choose_epoch_on: ": "early_stopping: ",
    "data.": "",
}
"""What a recipe calls things -> what the estimator does."""


_ONE_AT_A_TIME = threading.RLock()
"""Of estimators that are fitted in threads: the process has but one random state and one number of CPU threads."""


def _lock_anew() -> None:
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.RLock()


if hasattr(os, "register_at_fork"):  # whoever held it is not there in a forked process
    os.register_at_fork(after_in_child=_lock_anew)


@contextmanager
def _as_parameters() -> Iterator[None]:
    """Errors name the estimator's parameters, not the recipe's fields that they come to."""
    try:
        yield
    except InputError as error:
        text = str(error).replace(", or set optimization.clip_norm", "")
        text = text.replace("lower optimization.learning_rate", "lower learning_rate")
        for field, parameter in _PARAMETERS.items():
            if text.startswith(field):
                text = parameter + text.removeprefix(field)
        raise type(error)(text) from error


@_as_parameters()
def fitted(
    settings: Settings,
    columns: Mapping[str, Column],
    labels: Labels,
    names: tuple[str, ...],
    weights: npt.NDArray[np.float64],
    task: TaskKind,
    numbers: Rows,
) -> Fit:
    """Train on all samples but those that choose the epoch. The caller's random state and threads stay as they were.

    numbers: (N,) how errors number the samples
    """
    _require_kinds(settings)
    weighted = weights if np.ptp(weights) > 0 else ()
    ids = list(map(str, numbers))
    dataset = from_arrays(columns, labels, ids=ids, classes=names, weights=weighted, name="samples", task=task)
    recipe = _recipe(settings, dataset)
    log = EstimatorLog(settings.method, _listener(settings.verbose))
    with _ONE_AT_A_TIME:
        with on_threads(recipe.machine.threads):  # statistics of the inputs round by them, too
            built = build(recipe, dataset)
        with reported(log.listener, log.task, total_epochs(recipe)):
            train(built, log)
        model = built.model.cpu()
        student = student_of(built)  # to build it draws random numbers, too
    for line in log.lines:
        warn(line)
    best = log.best_epoch if settings.validation_fraction is not None else None
    return Fit(student, model, built.spec, "full" in built.method.predicts, log.records, best)


def _require_kinds(settings: Settings) -> None:
    """Raise InputError for what the defaults' rule could not reckon with; the recipe says all else."""
    for name, number in (("n_epochs", settings.epochs), ("batch_size", settings.batch_size)):
        if not isinstance(number, int | None):
            raise InputError(f"{name}: expected a whole number or None, found {number!r}")
    for name, given in (("encoders", settings.encoders), ("method_options", settings.options)):
        if not isinstance(given, Mapping | None):
            raise InputError(f"{name}: expected a dict or None, found {given!r}")


def teacher_logits(
    trained: Fit, target: Mapping[str, Any], auxiliary: Mapping[str, Samples]
) -> tuple[Tensor, npt.NDArray[np.bool_]]:
    """The teacher's logits (N, C), and (N,) bool, which samples have all modalities that it needs.

    Raises InputError where there is no teacher, or other modalities than it was trained with.
    """
    spec = trained.spec
    if not trained.teaches:
        raise InputError("the method trained no teacher that sees all modalities: there is no teacher_score")
    if set(auxiliary) != set(spec.auxiliary):
        raise InputError(f"auxiliary: expected {', '.join(spec.auxiliary)}, found {', '.join(auxiliary)}")
    columns = {name: column_of(spec.inputs[name], name, target[name]) for name in spec.target}
    columns |= {name: auxiliary_column(auxiliary[name], name, spec.inputs[name]) for name in spec.auxiliary}
    count = len(next(iter(columns.values())))
    dataset = without_labels("samples", columns, list(map(str, range(count))), spec.classes, spec.task)
    device = next(trained.model.parameters()).device
    outputs = outputs_of(dataset, np.arange(count), trained.model, ("full",), device)
    return outputs.made.full_logits, outputs.present["full"].numpy()


def _recipe(settings: Settings, dataset: MultimodalDataset) -> Recipe:
    """The settings as a recipe, with the defaults' rule for what was not chosen."""
    planned = schedule(len(dataset), settings.epochs, settings.batch_size)
    start = own(settings.target, settings.auxiliary)
    encoders = {name: encoder_for(column, settings.width, settings.dropout) for name, column in dataset.columns.items()}
    fraction = settings.validation_fraction
    data = replace(start.data, evaluate_on="none")
    return replace(
        start,
        name="estimator",
        method=settings.method,
        seed=settings.seed,
        epochs=planned.epochs,
        batch_size=planned.batch_size,
        data=data if fraction is None else replace(data, choose_epoch_on="validation", validation_fraction=fraction),
        model=replace(
            start.model, width=settings.width, dropout=settings.dropout, encoders={**encoders, **settings.encoders}
        ),
        optimization=replace(
            start.optimization, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
        ),
        machine=Machine(cast(Literal["auto"], settings.device), threads=THREADS),
        options=options_for(settings.method, planned.epochs, settings.width, settings.options),
    )


def _listener(verbose: int) -> Listener:
    return Lines(every_epoch=verbose > 1) if verbose else Listener()
