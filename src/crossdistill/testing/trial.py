"""A method on trial: built anew, with what its properties are read off from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from crossdistill.methods import Method
from crossdistill.methods.single import teacher_alone
from crossdistill.testing.problem import Problem, small_problem
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizer, build_optimizers, step
from crossdistill.training.passes import forward, with_mixing
from crossdistill.training.settings import Optimization
from crossdistill.types import Batch, Representations, TaskKind, Turn, View

LAST_EPOCH = 1000
"""After every warm-up and every first stage."""


def built(cls: type[Method], task: TaskKind = "classification", seed: int = 0) -> tuple[Method, Batch]:
    """A prepared method on `small_problem`, and its batch; the caller's random state stays as it was."""
    return _prepared(cls, small_problem(student=cls.student, task=task), seed)


def built_to_distil(cls: type[Method], task: TaskKind = "classification") -> tuple[Method, Batch]:
    """The same; where the method's teacher is fixed, this one has learnt the batch before and moves no more."""
    separate = cls.teacher == "fixed" and cls.taught_by == "full"
    problem = small_problem(student=cls.student, separate_teacher=separate, task=task)
    if cls.teacher == "fixed":
        _teach(problem, cls.taught_by)
    return _prepared(cls, problem, seed=0)


def _teach(problem: Problem, view: View) -> None:
    """Thirty steps of the teacher alone, the model of the view, then it is fixed."""
    engine = OneProcess()
    teacher, freeze = teacher_alone(problem.model, view)
    optimizers = build_optimizers(teacher, 1, Optimization(learning_rate=3e-3))
    for _ in range(30):
        step(engine, teacher, teacher.turns(0), optimizers, problem.batch, math.inf)
    freeze()


def _prepared(cls: type[Method], problem: Problem, seed: int) -> tuple[Method, Batch]:
    model, samples, batch = problem
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = cls(model)
        method.prepare(samples)
        batch = with_mixing(method, batch)
    return method, batch


def representations_of(method: Method, batch: Batch) -> Representations:
    return forward(method, batch)


def epochs_of(method: Method) -> tuple[int, ...]:
    """The first epoch of each stage, by the names of its turns, and the last epoch."""
    kind: Any = type(method)  # which mypy takes for something without a hash
    return _epochs_of(kind, method.task.kind)


@lru_cache
def _epochs_of(cls: type[Method], task: TaskKind) -> tuple[int, ...]:
    """Once for all properties: asking for a thousand epochs' turns takes longer than most of them."""
    (method, _), epochs, names = built(cls, task), [], None
    for epoch in range(LAST_EPOCH + 1):
        current = [turn.name for turn in method.turns(epoch)]
        if current != names or epoch == LAST_EPOCH:
            epochs.append(epoch)
        names = current
    return tuple(epochs)


def turns_of(method: Method) -> list[Turn]:
    """The turns of `epochs_of`."""
    return [turn for epoch in epochs_of(method) for turn in method.turns(epoch)]


def optimizers_of(method: Method, epochs: Sequence[int], settings: Optimization) -> dict[str, Optimizer]:
    """Of these epochs' turns, by name."""
    turns = {turn.name: turn for epoch in epochs for turn in method.turns(epoch)}
    return {name: build_optimizer(turn, settings) for name, turn in turns.items()}


def parameters_of(method: Method) -> dict[str, nn.Parameter]:
    """The model's and the method's own, by name."""
    model = {f"model.{name}": p for name, p in method.model.named_parameters()}
    return model | {f"method.{name}": p for name, p in method.named_parameters()}


def parameters_of_others(method: Method, turn: Turn) -> dict[str, nn.Parameter]:
    """Those that are not the turn's."""
    of_turn = {id(p) for p in turn.parameters}
    return {name: p for name, p in parameters_of(method).items() if id(p) not in of_turn}


def state_of(method: Method) -> dict[str, Tensor]:
    """Parameters and buffers of the model and of the method, by name."""
    model = {f"model.{name}": value for name, value in method.model.state_dict().items()}
    return model | {f"method.{name}": value for name, value in method.state_dict().items()}


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
