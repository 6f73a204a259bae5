"""Samples that lack an auxiliary modality: what a step learns from them, and from the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from crossdistill.methods import GMC, KD, METHODS, FitNets, GeneralizedDistillation, Method
from crossdistill.models import CrossModalModel
from crossdistill.training.engine import OneProcess
from crossdistill.training.incomplete import divide
from crossdistill.training.loop import step
from crossdistill.training.passes import forward, select_mixing, with_mixing
from crossdistill.training.pauses import EpochSoFar
from crossdistill.types import Batch, Representations, Turn
from tests.contracts.small import AUXILIARY, TARGET, build, last_epoch, real_batch
from tests.training.small import cpu

SIZE = 12
LACKING = torch.tensor([row % 3 == 1 for row in range(SIZE)])  # 4 of 12


def incomplete(filler: float = 0.0, lacking: Tensor = LACKING) -> Batch:
    batch = real_batch(SIZE)
    values = batch.modalities[AUXILIARY[0]].clone()  # type: ignore[union-attr]
    values[lacking] = filler
    return replace(
        batch,
        modalities={**batch.modalities, AUXILIARY[0]: values},
        labels=torch.arange(SIZE) % 4,
        present={AUXILIARY[0]: ~lacking},
        chance=torch.linspace(0.05, 0.95, SIZE, dtype=torch.float64),
    )


def only(batch: Batch, rows: Tensor) -> Batch:
    inputs = {name: values[rows] for name, values in batch.modalities.items()}  # type: ignore[index]
    mixing = select_mixing(batch.mixing, rows.nonzero().squeeze(1)) if batch.mixing is not None else None
    return Batch(inputs, batch.labels[rows], batch.rows[rows], {}, mixing=mixing)


def gradients(method: Method, turn: Turn, total: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(total, list(turn.parameters), allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, turn.parameters, strict=True)]


def moved(name: str, index: int, batch: Batch) -> list[Tensor]:
    """How far the parameters go in one step of SGD with learning rate 1: the gradient."""
    method = build(name)
    turn = method.turns(last_epoch(method))[index]
    before = [p.detach().clone() for p in turn.parameters]
    step(cpu(), method, [turn], {turn.name: SGD(turn.parameters, lr=1.0)}, batch, math.inf)
    return [b - p.detach() for b, p in zip(before, turn.parameters, strict=True)]


def trains_student(method: Method, turn: Turn) -> bool:
    """Whether S's cross-entropy on incomplete samples belongs to the turn; another player's move has no part in it."""
    moved_parameters = {id(p) for p in turn.parameters}
    return "target" in method.predicts and all(id(p) in moved_parameters for p in method.model.parameters_of("target"))


def turns(name: str) -> int:
    return len(build(name).turns(1000))


@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_those_of_the_weighted_sum(name: str) -> None:
    """n_c/B of the objective on the complete samples, computed as if there were no others, and n_r/B of the student's
    cross-entropy on the others; of that nothing for discriminators and for methods without a student."""
    for index in range(turns(name)):
        method = build(name)
        turn = method.turns(last_epoch(method))[index]
        batch = with_mixing(method, incomplete())
        whole = not {"auxiliary", "full"} & set(method.views)
        complete = torch.ones_like(LACKING) if whole else ~LACKING
        kept = only(batch, complete)
        objective = turn.objective(forward(method, kept), replace(kept, modalities={})).total
        expected = gradients(method, turn, float(complete.sum()) / SIZE * objective)
        if not whole and trains_student(method, turn):
            rest = only(batch, LACKING)
            classification = cross_entropy(method.model.predict({TARGET[0]: rest.modalities[TARGET[0]]}), rest.labels)
            others = gradients(method, turn, float(LACKING.sum()) / SIZE * classification)
            assert any(g.any() for g in others)
            expected = [a + b for a, b in zip(expected, others, strict=True)]
        for found, wanted in zip(moved(name, index, batch), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", METHODS)
def test_what_stands_in_an_absent_sample_s_place_changes_nothing(name: str) -> None:
    for index in range(turns(name)):
        for first, second in zip(
            moved(name, index, incomplete(0.0)), moved(name, index, incomplete(math.nan)), strict=True
        ):
            assert torch.equal(first, second)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("complete", [0, 1, 2])
def test_few_complete_samples_or_none(name: str, complete: int) -> None:
    lacking = torch.arange(SIZE) >= complete
    method = build(name)
    chosen = method.turns(last_epoch(method))
    before = {turn.name: [p.detach().clone() for p in turn.parameters] for turn in chosen}
    optimizers = {turn.name: SGD(turn.parameters, lr=1.0) for turn in chosen}
    terms = step(cpu(), method, chosen, optimizers, incomplete(math.nan, lacking), math.inf).terms
    assert all(torch.isfinite(term) for term in terms.values())
    assert all(torch.isfinite(p).all() for turn in chosen for p in turn.parameters)
    for turn in chosen:
        same = all(torch.equal(a, b) for a, b in zip(before[turn.name], turn.parameters, strict=True))
        assert same == (complete == 0 and not trains_student(method, turn)), turn.name
    assert all(value == value for value in method.end_epoch(0).values())


def test_the_log_says_what_the_others_cost() -> None:
    method = build("amid")
    chosen = method.turns(last_epoch(method))
    optimizers = {turn.name: SGD(turn.parameters, lr=0.0) for turn in chosen}
    batch = incomplete()
    rest = only(batch, LACKING)
    terms = step(cpu(), method, chosen, optimizers, batch, math.inf).terms
    logits = method.model.predict({TARGET[0]: rest.modalities[TARGET[0]]})
    torch.testing.assert_close(terms["classification_incomplete"], cross_entropy(logits, rest.labels))
    whole = step(cpu(), method, chosen, optimizers, real_batch(SIZE), math.inf).terms
    assert set(terms) - set(whole) == {"classification_incomplete"}


def test_labels_teach_incomplete_samples_only_where_they_teach_the_student() -> None:
    """Not in FitNets' first stage, and not where GMC trains the joint representation's predictions alone."""
    model = build("kd").model
    for method, taught in (
        (GMC(model), True),
        (GMC(model, supervision="joint"), False),
        (FitNets(model, hint_epochs=1), False),
    ):
        chosen = method.turns(0)
        optimizers = {turn.name: SGD(turn.parameters, lr=0.0) for turn in chosen}
        terms = step(cpu(), method, chosen, optimizers, incomplete(), math.inf).terms
        assert ("classification_incomplete" in terms) == taught
        lacking = torch.ones(SIZE, dtype=torch.bool)
        alone = step(cpu(), method, chosen, optimizers, incomplete(0.0, lacking), math.inf).terms
        assert bool(alone) == taught


@pytest.mark.parametrize(
    "method",
    [partial(KD, hard_weight=0.0), partial(GeneralizedDistillation, imitation=1.0)],
    ids=["kd", "generalized_distillation"],
)
def test_labels_whose_weight_is_0_teach_no_incomplete_sample(method: Callable[[CrossModalModel], Method]) -> None:
    built = method(build("kd").model if method.func is KD else build("generalized_distillation").model)  # type: ignore[attr-defined]
    (turn,) = built.turns(0)
    terms = step(cpu(), built, [turn], {turn.name: SGD(turn.parameters, lr=0.0)}, incomplete(), math.inf).terms
    assert "classification_incomplete" not in terms


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if method.learns_unlabelled and {*method.views} != {"target"}]
)
def test_the_mean_of_what_labels_cost_is_over_steps_that_have_some(name: str) -> None:
    """Where only incomplete samples have labels, what the complete ones cost is unknown, and not 0."""
    method, means = build(name), EpochSoFar()
    turns_of_step = method.turns(last_epoch(method))
    optimizers = {turn.name: SGD(turn.parameters, lr=0.0) for turn in turns_of_step}
    known = incomplete()
    unknown = replace(known, labels=torch.where(LACKING, known.labels, -1))
    for batch in (known, unknown, unknown):
        made = step(cpu(), method, turns_of_step, optimizers, batch, math.inf)
        means.add(batch, made.terms, made.measures, made.weights)
        if batch is known:
            expected = made.terms
    read = means.terms.read()
    of_labels = [term for term in expected if term.split("_")[0] == "classification"]
    assert of_labels
    for term in of_labels:
        assert read[term] == pytest.approx(float(expected[term]), rel=1e-6), term


@pytest.mark.parametrize("name", METHODS)
def test_samples_without_a_target_modality_count_for_nothing(name: str) -> None:
    batch = incomplete()
    unreadable = torch.arange(SIZE) < 3
    batch.modalities[TARGET[0]][unreadable] = math.nan  # type: ignore[index]
    given = replace(batch, present={**batch.present, TARGET[0]: ~unreadable})
    given = with_mixing(build(name), given)
    rest = only(given, ~unreadable)
    rest = replace(rest, present={AUXILIARY[0]: ~LACKING[~unreadable]})
    if "full" not in build(name).views and "target" not in build(name).views:
        given, rest = replace(given, present=batch.present), batch  # it reads no target
    for index in range(turns(name)):
        for first, second in zip(moved(name, index, given), moved(name, index, rest), strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


def test_methods_meet_complete_samples_alone() -> None:
    """Banks, cosines and whatever else moves at a step's end."""
    method = build("amid")
    seen: list[tuple[Representations, Batch]] = []
    method.end_step = lambda made, batch: seen.append((made, batch))  # type: ignore[method-assign]
    chosen = method.turns(last_epoch(method))
    optimizers = {turn.name: SGD(turn.parameters, lr=0.0) for turn in chosen}
    batch = incomplete()
    step(OneProcess(), method, chosen, optimizers, batch, math.inf)
    (made, given) = seen[0]
    assert torch.equal(given.rows, batch.rows[~LACKING])
    assert torch.equal(given.labels, batch.labels[~LACKING])
    assert len(made.full) == len(made.target_logits) == int((~LACKING).sum())


def test_a_whole_batch_passes_as_it_is() -> None:
    method, batch = build("amid"), real_batch(SIZE)
    made = forward(method, batch)
    samples = divide(method, made, batch)
    assert samples.complete is made
    assert samples.batch is batch
    assert (samples.complete_count, samples.rest_count) == (SIZE, 0)
