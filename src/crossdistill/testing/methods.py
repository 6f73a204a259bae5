"""What every method keeps, each property a function of the method's class that asserts with one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.optim import SGD

from crossdistill.methods import Method
from crossdistill.testing.extremes import extremes
from crossdistill.testing.trial import (
    LAST_EPOCH,
    built,
    built_to_distil,
    copied,
    epochs_of,
    optimizers_of,
    parameters_of,
    parameters_of_others,
    representations_of,
    state_of,
    turns_of,
)
from crossdistill.training.distributed import gather
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.passes import with_mixing
from crossdistill.training.settings import Optimization
from crossdistill.training.turns import objective_of
from crossdistill.types import UNLABELLED, InputError, TaskKind

_OPTIMIZERS: tuple[Literal["adamw", "adam", "sgd"], ...] = ("adamw", "adam", "sgd")


_CHUNK_SIZE = 5
"""Samples that encoders see at a time, where they run in chunks: no divisor of the batch's size."""


def check_method(cls: type[Method]) -> None:
    """Assert that a method keeps the contract of all methods; call it from a test of a method of your own.

    cls: a subclass of `Method` whose constructor works with the model alone. For each of its `tasks` it is tried on
    `small_problem`, within seconds on one core; the caller's random state stays as it was.
    Raises AssertionError with a sentence that names the class and the property that fails.

    >>> from crossdistill.methods import KD, Baseline
    >>> from crossdistill.testing import check_method
    >>> check_method(Baseline)
    >>> class Forgetful(KD):
    ...     views = ("target",)  # and the teacher's view?
    >>> check_method(Forgetful)
    Traceback (most recent call last):
    AssertionError: Forgetful: predicts has views that are not in its views, ('target',): full
    """
    with torch.random.fork_rng(devices=[]):
        for task in cls.tasks:
            for method_property in METHOD_PROPERTIES:
                try:
                    method_property(cls, task)
                except InputError as error:  # what a run says of the same mistake
                    raise AssertionError(f"{cls.__name__}: {str(error).removeprefix(f'{cls.__name__}: ')}") from error


def declared_views_are_enough(cls: type[Method], task: TaskKind = "classification") -> None:
    """The model computes no view that is not declared, and the objectives read no other."""
    method, batch = built(cls, task)
    representations = representations_of(method, batch)
    undeclared = [view for view in cls.predicts if view not in cls.views]
    message = f"predicts has views that are not in its views, {cls.views}: {', '.join(undeclared)}"
    assert not undeclared, f"{cls.__name__}: {message}"
    shapes = {view: tuple(x.shape) for view, x in representations.representations.items()}
    expected = dict.fromkeys(cls.views, (len(batch.labels), method.model.width))
    assert shapes == expected, f"{cls.__name__}: expected the views {expected}, got {shapes}"
    for turn in turns_of(method):
        objective_of(method, turn, representations, batch)


def objectives_read_no_inputs(cls: type[Method], task: TaskKind = "classification") -> None:
    """Objectives see what was gathered from all ranks, and inputs are not."""
    method, batch = built(cls, task)
    representations, gathered = gather(OneProcess(), representations_of(method, batch), batch)
    for turn in turns_of(method):
        try:
            total = turn.objective(representations, gathered).total
        except KeyError as error:
            raise AssertionError(f"{cls.__name__}: turn {turn.name!r} reads the inputs of {error}") from error
        assert torch.isfinite(total), f"{cls.__name__}: turn {turn.name!r} has the loss {float(total.detach())}"


def turns_of_one_name_have_the_same_parameters(cls: type[Method], task: TaskKind = "classification") -> None:
    """One optimiser for each name is built for the whole run."""
    method, _ = built(cls, task)
    parameters: dict[str, list[int]] = {}
    for turn in (turn for epoch in range(LAST_EPOCH + 1) for turn in method.turns(epoch)):
        identities = [id(p) for p in turn.parameters]
        same = parameters.setdefault(turn.name, identities) == identities
        assert same, f"{cls.__name__}: turn {turn.name!r} has other parameters in another epoch"


def objective_falls(cls: type[Method], task: TaskKind = "classification") -> None:
    """Thirty steps of the student's turn, or of the first, take a tenth off its objective; a teacher that is trained
    before the method has learnt."""
    method, batch = built_to_distil(cls, task)
    optimizers = optimizers_of(method, Optimization(learning_rate=3e-3))
    classifier, turns = id(method.model.classifier.weight), method.turns(LAST_EPOCH)
    turn = next((turn for turn in turns if classifier in map(id, turn.parameters)), turns[0])
    totals = []
    for _ in range(30):
        totals.append(float(turn.objective(representations_of(method, batch), batch).total.detach()))
        step(OneProcess(), method, [turn], optimizers, batch, math.inf)
    fell = totals[-1] < totals[0] - 0.1 * abs(totals[0])
    assert fell, f"{cls.__name__}: the objective of turn {turn.name!r} went from {totals[0]:g} to {totals[-1]:g}"


def turns_change_only_their_own_parameters(cls: type[Method], task: TaskKind = "classification") -> None:
    """A step of a turn changes some of its parameters and none of another player's."""
    for epoch in epochs_of(cls, task):
        method, batch = built(cls, task)
        optimizers = optimizers_of(method, Optimization())
        for turn in method.turns(epoch):
            before = copied(parameters_of(method))
            step(OneProcess(), method, [turn], optimizers, batch, math.inf)
            changed = {key for key, p in parameters_of(method).items() if not torch.equal(p, before[key])}
            assert changed, f"{cls.__name__}: turn {turn.name!r} changed nothing in epoch {epoch}"
            foreign = sorted(changed & set(parameters_of_others(method, turn)))
            assert not foreign, f"{cls.__name__}: turn {turn.name!r} changed another player's {', '.join(foreign)}"


def every_optimizer_steps(cls: type[Method], task: TaskKind = "classification") -> None:
    """Also where the first batch lacks what the method reads, and where parameters join after a warm-up."""
    for name in _OPTIMIZERS:
        for complete in (True, False):
            method, batch = built(cls, task)
            optimizers = optimizers_of(method, Optimization(name))
            nothing = dict.fromkeys(method.model.auxiliary, torch.zeros(len(batch.labels), dtype=torch.bool))
            first = batch if complete else with_mixing(method, replace(batch, present=nothing, mixing=None))
            try:
                for epoch, given in ((0, first), (0, batch), (LAST_EPOCH, batch)):
                    step(OneProcess(), method, method.turns(epoch), optimizers, given, math.inf)
            except (TypeError, RuntimeError) as error:
                where = f"{name}, first batch {'complete' if complete else 'without auxiliary modalities'}"
                raise AssertionError(f"{cls.__name__}: {where}: {error}") from error
            finite = all(bool(torch.isfinite(p).all()) for p in parameters_of(method).values())
            assert finite, f"{cls.__name__}: {name}: a parameter is not finite after three steps"


def turns_leave_no_gradient_on_another_player(cls: type[Method], task: TaskKind = "classification") -> None:
    """Backward passes stop at the parameters of the turn whose objective it is."""
    method, batch = built(cls, task)
    for epoch in epochs_of(cls, task):
        for turn in method.turns(epoch):
            objective = turn.objective(representations_of(method, batch), batch)
            torch.autograd.backward(objective.total, inputs=list(turn.parameters))
            touched = [name for name, p in parameters_of_others(method, turn).items() if p.grad is not None]
            assert not touched, f"{cls.__name__}: turn {turn.name!r} left a gradient on {', '.join(touched)}"
            for p in turn.parameters:
                p.grad = None


def predictions_ignore_everything_auxiliary(cls: type[Method], task: TaskKind = "classification") -> None:
    """What ships is the student: neither auxiliary inputs and modules nor the method's own parameters reach it."""
    method, batch = built(cls, task)
    model = method.model.eval()
    target = {name: batch.modalities[name] for name in model.target}
    try:
        expected = model.predict(target)
    except KeyError as error:
        raise AssertionError(f"{cls.__name__}: predict reads the auxiliary input {error}") from error
    garbage = {name: torch.full((len(batch.labels), 6), math.nan) for name in model.auxiliary}
    same = torch.equal(model.predict({**target, **garbage}), expected)
    assert same, f"{cls.__name__}: predict depends on an auxiliary input"
    auxiliary = [model.encoders[name] for name in model.auxiliary]
    with torch.no_grad():
        for part in (*auxiliary, model.fusion, model.auxiliary_projection, method):
            for p in part.parameters():
                p.fill_(math.nan)
    same = torch.equal(model.predict(target), expected)
    assert same, f"{cls.__name__}: predict depends on parameters of the teacher, the auxiliary model or the method"


def objectives_change_no_state(cls: type[Method], task: TaskKind = "classification") -> None:
    """Evaluating an objective, twice or not at all: state moves in `end_step` and `end_epoch` alone."""
    method, batch = built(cls, task)
    representations = representations_of(method, batch)
    before = copied(state_of(method))
    for turn in turns_of(method):
        first = turn.objective(representations, batch).total
        same = torch.equal(first, turn.objective(representations, batch).total)
        assert same, f"{cls.__name__}: turn {turn.name!r} has another loss when it is evaluated again"
        moved = [key for key, value in state_of(method).items() if not torch.equal(value, before[key])]
        assert not moved, f"{cls.__name__}: evaluating turn {turn.name!r} changed the state {', '.join(moved)}"


def method_holds_no_model(cls: type[Method], task: TaskKind = "classification") -> None:
    """What ships is the model; a method's state is banks, centres and players that stay behind."""
    method, _ = built(cls, task)
    shared = {id(p) for p in method.parameters()} & {id(p) for p in method.model.parameters()}
    assert not shared, f"{cls.__name__}: the method holds parameters of the model as its own"


def extremes_stay_finite(cls: type[Method], task: TaskKind = "classification") -> None:
    """Losses, gradients and the epoch's log are finite for the batches of `extremes`."""
    for extreme, change in extremes(task).items():
        method, batch = built(cls, task)
        representations, batch = change(representations_of(method, batch), batch)
        leaves = representations.map(lambda t: t.detach().clone().requires_grad_())
        for turn in method.turns(LAST_EPOCH):
            total, where = turn.objective(leaves, batch).total, f"{cls.__name__}: {extreme}: turn {turn.name!r}"
            assert torch.isfinite(total), f"{where} has the loss {float(total.detach())}"
            inputs = [*leaves.representations.values(), *leaves.logits.values(), *method.parameters()]
            torch.autograd.backward(total, inputs=inputs)
            finite = all(torch.isfinite(leaf.grad).all() for leaf in inputs if leaf.grad is not None)
            assert finite, f"{where} has a gradient that is not finite"
        method.end_step(leaves, batch)
        nan = [name for name, value in method.end_epoch(0).items() if math.isnan(value)]
        assert not nan, f"{cls.__name__}: {extreme}: NaN in the epoch's log, {', '.join(nan)}"


def unlabelled_samples_stay_finite(cls: type[Method], task: TaskKind = "classification") -> None:
    """A method that says that it learns from samples without a label has finite losses and gradients with some of them
    and with nothing else, and they move its student."""
    if not cls.learns_unlabelled:
        return
    for what, known in (("some labels", 3), ("no labels", 0)):
        method, batch = built(cls, task)
        labels = batch.labels.clone()
        labels[known:] = UNLABELLED if task == "classification" else math.nan
        batch = replace(batch, labels=labels)
        for turn in method.turns(LAST_EPOCH):
            total = turn.objective(representations_of(method, batch), batch).total
            gradients = torch.autograd.grad(total, list(turn.parameters), allow_unused=True)
            finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None)
            where = f"{cls.__name__}: {what}: turn {turn.name!r}"
            assert torch.isfinite(total), f"{where} has the loss {float(total.detach())}"
            assert finite, f"{where} has a gradient that is not finite"
            moved = any(bool(gradient.any()) for gradient in gradients if gradient is not None)
            assert moved, f"{where} learns nothing although learns_unlabelled is True"


def state_dict_round_trip(cls: type[Method], task: TaskKind = "classification") -> None:
    """A new object with the state of a trained one has its objectives: nothing is remembered elsewhere."""
    method, batch = built(cls, task)
    step(OneProcess(), method, method.turns(0), build_optimizers(method, 1, Optimization()), batch, math.inf)
    method.end_epoch(0)
    restored, _ = built(cls, task, seed=1)
    restored.model.load_state_dict(method.model.state_dict())
    try:
        restored.load_state_dict(method.state_dict())
    except RuntimeError as error:
        raise AssertionError(f"{cls.__name__}: its state_dict does not load into a new object: {error}") from error
    representations = representations_of(method, batch)
    for turn, again in zip(turns_of(method), turns_of(restored), strict=True):
        same = torch.equal(turn.objective(representations, batch).total, again.objective(representations, batch).total)
        assert same, f"{cls.__name__}: turn {turn.name!r} has another loss after a state_dict round trip"


def chunks_give_the_same_step(cls: type[Method], task: TaskKind = "classification") -> None:
    """Steps whose encoders run in chunks are those of the whole batch, in float64, unless they refuse in one line."""
    for epoch in (0, LAST_EPOCH):
        whole = _stepped(cls, task, epoch, 0)
        where = f"{cls.__name__}: epoch {epoch}, chunks of {_CHUNK_SIZE}"
        try:
            in_chunks = _stepped(cls, task, epoch, _CHUNK_SIZE)
        except InputError:  # as where a turn moves what a later one learns through
            continue
        for name, value in whole.items():
            torch.testing.assert_close(
                in_chunks[name],
                value,
                rtol=1e-10,
                atol=1e-10,
                equal_nan=True,
                msg=f"{where}: another {name} after a step than of the whole batch",
            )


def _stepped(cls: type[Method], task: TaskKind, epoch: int, chunk_size: int) -> dict[str, Tensor]:
    """The state after a step of gradient descent in float64."""
    method, batch = built(cls, task)
    method.double()
    method.model.double().hold(method.held(epoch))
    inputs = {name: x.double() for name, x in batch.modalities.items() if isinstance(x, Tensor)}
    turns = method.turns(epoch)
    optimizers = {turn.name: SGD(turn.parameters, lr=0.1) for turn in turns}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        step(OneProcess(), method, turns, optimizers, replace(batch, modalities=inputs), 1.0, chunk_size)
    return state_of(method)


METHOD_PROPERTIES: tuple[Callable[[type[Method], TaskKind], None], ...] = (
    declared_views_are_enough,
    objectives_read_no_inputs,
    turns_of_one_name_have_the_same_parameters,
    method_holds_no_model,
    objectives_change_no_state,
    turns_leave_no_gradient_on_another_player,
    turns_change_only_their_own_parameters,
    every_optimizer_steps,
    predictions_ignore_everything_auxiliary,
    extremes_stay_finite,
    unlabelled_samples_stay_finite,
    chunks_give_the_same_step,
    state_dict_round_trip,
    objective_falls,
)
"""In the order in which `check_method` tries them: a mistake is told by the property that it is about."""
