"""A method on trial: built anew, with what its properties are read off from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from weakref import WeakKeyDictionary

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
from crossdistill.training.turns import turns_in
from crossdistill.types import Batch, Representations, TaskKind, Turn, View

LAST_EPOCH = 1000
"""After every warm-up and every first stage."""

_EPOCHS: WeakKeyDictionary[type[Method], dict[TaskKind, tuple[int, ...]]] = WeakKeyDictionary()
"""What `epochs_of` has told: asking for the turns of a thousand epochs takes longer than most properties."""


def built(cls: type[Method], task: TaskKind = "classification", seed: int = 0) -> tuple[Method, Batch]:
    """A prepared method on `small_problem`, and its batch; the caller's random state stays as it was."""
    return _prepared(cls, small_problem(student=cls.student, task=task), seed)


def built_to_distil(cls: type[Method], task: TaskKind = "classification") -> tuple[Method, Batch]:
    """`built`, but that a teacher which its method has trained before has learnt the batch, and a fixed one moves no
    more."""
    separate = cls.teacher == "fixed" and cls.taught_by == "full"
    problem = small_problem(student=cls.student, separate_teacher=separate, task=task)
    if cls.teacher != "online":
        _teach(problem, cls.taught_by, fixed=cls.teacher == "fixed")
    return _prepared(cls, problem, seed=0)


def _teach(problem: Problem, view: View, fixed: bool) -> None:
    """Thirty steps of the teacher alone, the model of the view; then it may be fixed."""
    engine = OneProcess()
    teacher, freeze = teacher_alone(problem.model, view)
    optimizers = build_optimizers(teacher, 1, Optimization(learning_rate=3e-3))
    for _ in range(30):
        step(engine, teacher, teacher.turns(0), optimizers, problem.batch, math.inf)
    if fixed:
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


def epochs_of(cls: type[Method], task: TaskKind) -> tuple[int, ...]:
    """The first epoch of each stage, by the names of its turns, and the last epoch."""
    known = _EPOCHS.setdefault(cls, {})
    if task not in known:
        method, _ = built(cls, task)
        names = [[turn.name for turn in turns_in(method, epoch)] for epoch in range(LAST_EPOCH + 1)]
        first = [epoch for epoch in range(LAST_EPOCH) if epoch == 0 or names[epoch] != names[epoch - 1]]
        known[task] = (*first, LAST_EPOCH)
    return known[task]


def turns_of(method: Method) -> list[Turn]:
    """The turns of `epochs_of`."""
    return [turn for epoch in epochs_of(type(method), method.task.kind) for turn in method.turns(epoch)]


def optimizers_of(method: Method, settings: Optimization) -> dict[str, Optimizer]:
    """One for each turn that occurs in any epoch, as `build_optimizers` has them for a whole run."""
    return {turn.name: build_optimizer(turn, settings) for turn in turns_of(method)}


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
