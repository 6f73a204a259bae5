"""AMID-U against slow float64 loops of its own formulas, written from the method's description."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossdistill.encoders import MLP
from crossdistill.methods import AMIDU, Method
from crossdistill.methods.amid_u import soft_labels
from crossdistill.models import CrossModalModel
from crossdistill.tasks import Classification
from crossdistill.testing import METHOD_PROPERTIES, small_problem
from crossdistill.training.incomplete import divide
from crossdistill.training.passes import forward, with_mixing
from crossdistill.types import Batch, InputError, Representations, TaskKind, TrainingSamples
from tests.losses import equations

LABELS = [0, 1, -1, 2, -1, 0, 1, -1]
TEACHING = 0.75
"""Of three in eight without a label: twice their share."""


def build(**options: object) -> tuple[AMIDU, Batch]:
    torch.manual_seed(0)
    encoders = {"a": MLP(3, 5).double(), "b": MLP(2, 5).double()}
    model = CrossModalModel(encoders, ("a",), ("b",), 5, 3, 0.0, True, True).double()
    method = AMIDU(model, **options)  # type: ignore[arg-type]
    method.prepare(TrainingSamples(torch.arange(8), torch.tensor(LABELS), epochs=10))
    inputs = {"a": torch.randn(8, 3).double(), "b": torch.randn(8, 2).double()}
    batch = Batch(inputs, torch.tensor(LABELS), torch.arange(8), {}, chance=torch.linspace(0.05, 0.95, 8).double())
    return method, with_mixing(method, batch)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / sum(powers) for power in powers]


def taught(made: Representations, exponent: float) -> list[list[float]]:
    rows = []
    quiet = made.passes["quiet"]
    for full, auxiliary in zip(quiet.full_logits.tolist(), quiet.auxiliary_logits.tolist(), strict=True):
        mean = [(m + a) / 2 for m, a in zip(softmax(full), softmax(auxiliary), strict=True)]
        powers = [value**exponent for value in mean]
        rows.append([power / sum(powers) for power in powers])
    return rows


def cross(logits: list[float], target: list[float]) -> float:
    return -sum(t * math.log(p) for p, t in zip(softmax(logits), target, strict=True))


def contrast(full: Tensor, other: Tensor, temperature: float, beliefs: list[list[float]] | None) -> float:
    """Eq. 7 and 8 with means; positives: the same class where both have one, and the pair itself; others count by how
    surely they are of another class."""
    total = 0.0
    for i in range(8):
        cosines = [float(torch.cosine_similarity(full[i], other[j], dim=0).detach()) for j in range(8)]
        positive = [j == i or (LABELS[i] >= 0 and LABELS[i] == LABELS[j]) for j in range(8)]
        apart = [1.0] * 8
        if beliefs is not None:
            agree = [sum(p * q for p, q in zip(beliefs[i], beliefs[j], strict=True)) for j in range(8)]
            apart = [1.0 if positive[j] else 1 - agree[j] for j in range(8)]
        weights = [apart[j] * math.exp(cosines[j] / temperature) for j in range(8)]
        h = [weight / sum(weights) for weight in weights]
        logs = [math.log(h[j]) for j in range(8) if positive[j]]
        others = [(apart[j], math.log(1 - h[j])) for j in range(8) if not positive[j]]
        total -= sum(logs) / len(logs) + sum(w * log for w, log in others) / sum(w for w, _ in others)
    return total / 8


@pytest.mark.parametrize(("debiased", "fading"), [(False, True), (True, True), (True, False)])
@pytest.mark.parametrize(
    ("epoch", "soft", "contrasts"), [(0, 0.0, False), (1, 0.2, False), (2, 0.4, True), (9, 1.0, True)]
)
def test_the_objective_in_slow_loops(epoch: int, soft: float, contrasts: bool, debiased: bool, fading: bool) -> None:
    method, batch = build(debiased=debiased, fading=fading)
    teaching = TEACHING if fading else 1.0
    made = forward(method, batch)
    objective = method.turns(epoch)[0].objective(made, batch)
    known = [row for row, label in enumerate(LABELS) if label >= 0]
    total = 0.0
    for logits in (made.target_logits, made.full_logits, made.auxiliary_logits):
        rows = logits.tolist()
        total += sum(-math.log(softmax(rows[row])[LABELS[row]]) for row in known) / len(known)
    q = taught(made, 2.0)
    student, mixed = made.target_logits.tolist(), made.passes["mixed"].target_logits.tolist()
    weights = [1.0 if label >= 0 else 3.0 for label in LABELS]
    total += teaching * soft * sum(weights[row] * cross(student[row], q[row]) for row in range(8)) / 8
    targets = [[float(c == LABELS[row]) for c in range(3)] if LABELS[row] >= 0 else q[row] for row in range(8)]
    assert batch.mixing is not None
    for row in range(8):
        w = float(batch.mixing.weights[row])
        mixture = [w * a + (1 - w) * b for a, b in zip(targets[row], targets[row ^ 1], strict=True)]
        weight = w * weights[row] + (1 - w) * weights[row ^ 1]
        total += teaching * soft * weight * cross(mixed[row], mixture) / 8
    if contrasts:
        beliefs = targets if debiased else None
        total += teaching * 4.0 * contrast(made.full, made.target, 0.5, beliefs)
        total += 1.6 * contrast(made.full, made.auxiliary, 0.5, beliefs)
    assert float(objective.total.detach()) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("kind", get_args(TaskKind))
@pytest.mark.parametrize("alpha_3", [0.0, 1.0])
def test_with_all_labels_the_student_learns_as_it_would_alone(kind: TaskKind, alpha_3: float) -> None:
    problem = small_problem(separate_teacher=True, task=kind)
    method = AMIDU(problem.model, alpha_3=alpha_3, discriminator_width=4)
    method.prepare(replace(problem.samples, epochs=10))
    assert method.teaching == 0
    batch = with_mixing(method, problem.batch)
    made = forward(method, batch)
    assert batch.mixing is None, "no pass is paid for of which nobody learns"
    assert not made.passes
    [turn] = method.turns(9)
    assert method.end_epoch(9) == {}, "discriminators that no one listens to are not trained"
    own = list(problem.model.parameters_of("target"))
    objective = turn.objective(made, batch)
    assert {name.partition("_")[2] for name in objective.terms} == {"student", "teacher", "auxiliary"}
    alone = method.task.loss(made.target_logits, batch.labels)
    for found, expected in zip(
        *(torch.autograd.grad(each, own, retain_graph=True) for each in (objective.total, alone)), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("fading", [True, False])
def test_teachers_that_no_label_reaches_say_nothing(fading: bool) -> None:
    """Where no complete pair has a label they know no more than at random; old labels are without the new modality."""
    model = build()[0].model
    method = AMIDU(model, fading=fading)
    method.prepare(TrainingSamples(torch.arange(9), torch.full((9,), -1)))
    assert method.teaching == (not fading)
    assert bool(method.passes) == (not fading)


@given(st.integers(1, 40), st.integers(0, 40))
def test_teachers_count_as_much_as_samples_lack_a_label(labelled: int, unlabelled: int) -> None:
    labels = torch.tensor([0] * labelled + [-1] * unlabelled)
    model = build()[0].model
    for fading in (True, False):
        method = AMIDU(model, fading=fading)
        method.prepare(TrainingSamples(torch.arange(len(labels)), labels))
        expected = min(1.0, 2 * unlabelled / (labelled + unlabelled)) if fading else 1.0
        assert method.teaching == pytest.approx(expected)
        assert (method.teaching == 1) == (not fading or unlabelled >= labelled)


def test_with_every_sample_labelled_the_weight_of_unlabelled_ones_is_nothing() -> None:
    totals = []
    for weight in (0.0, 3.0):
        method, batch = build(unlabelled_weight=weight)
        full = replace(batch, labels=torch.tensor(LABELS).clamp_min(0))
        totals.append(float(method.turns(9)[0].objective(forward(method, full), full).total.detach()))
    assert totals[0] == totals[1]


def test_the_teacher_has_a_target_encoder_of_its_own_and_shares_the_auxiliary_one() -> None:
    method, batch = build()
    model = method.model
    assert set(model.teacher_encoders) == {"a"}
    before = forward(method, batch)
    with torch.no_grad():
        for p in model.encoders["a"].parameters():
            p.add_(1.0)
    after = forward(method, batch)
    assert torch.equal(before.full, after.full), "M does not see S's encoder"
    with torch.no_grad():
        for p in model.encoders["b"].parameters():
            p.add_(1.0)
    assert not torch.equal(after.full, forward(method, batch).full), "but A's"


def test_the_soft_labels_move_no_teacher() -> None:
    method, batch = build(alpha_1=0.0, alpha_2=0.0, concentration=0.0)
    nobody = replace(batch, labels=torch.full((8,), -1))
    total = method.turns(9)[0].objective(forward(method, nobody), nobody).total
    total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.model.encoders["a"].parameters())
    teacher = [*method.model.teacher_encoders.parameters(), *method.model.fusion.parameters()]
    assert all(p.grad is None or not p.grad.any() for p in teacher)


def test_without_mixtures_there_is_no_such_pass() -> None:
    method, batch = build(concentration=0.0)
    assert [asked.name for asked in method.passes] == ["quiet"]
    assert batch.mixing is None
    assert "mixture" not in method.turns(9)[0].objective(forward(method, batch), batch).terms


def test_soft_labels_are_sharper_and_sum_to_one() -> None:
    task = Classification(("a", "b", "c", "d"))
    quiet = Representations({}, {"full": torch.randn(5, 4), "auxiliary": 100 * torch.randn(5, 4)})
    for exponent in (0.5, 1.0, 2.0):
        assert torch.allclose(soft_labels(task, quiet, exponent).sum(1), torch.ones(5))
    assert (soft_labels(task, quiet, 2.0).max(1).values >= soft_labels(task, quiet, 1.0).max(1).values).all()


def test_samples_that_lack_the_auxiliary_modality_and_a_label_are_left_out() -> None:
    method, batch = build()
    lacking = replace(batch, present={"b": torch.arange(8) > 3}, mixing=None)
    lacking = with_mixing(method, lacking)
    divided = divide(method, forward(method, lacking), lacking)
    assert divided.complete_count == 4
    assert divided.rest_labels.tolist() == [0, 1, 2]


def test_the_adversary_is_amid_s_with_every_pair_before_d1_and_labelled_ones_alone_before_d2() -> None:
    method, batch = build(alpha_3=0.7, discriminator_width=6)
    adversary = method.adversary
    assert adversary is not None
    adversary.double().adaptive_weights.update(0.9, -0.5)  # λ apart from (½, ½)
    made = forward(method, batch)
    student, discriminators = method.turns(9)
    own = [label if label >= 0 else -1 - row for row, label in enumerate(LABELS)]
    anchors, partners = equations.class_partners(own)
    assert {LABELS[row] for row in anchors} == {0, 1}, "2 has one sample, and what has no label has no class"
    seen, weights = [made.full.detach(), made.target.detach()], adversary.weights
    of_full, of_student = (adversary.d1(side).tolist() for side in seen)
    pairs_full, pairs_student = adversary.d2(seen[0][anchors]).tolist(), adversary.d2(seen[1][partners]).tolist()
    objective, game = student.objective(made, batch), discriminators.objective(made, batch)
    expected = equations.student_adversarial_loss(of_student, pairs_student, weights, len(partners))
    assert float(objective.terms["adversarial"].detach()) == pytest.approx(expected, rel=1e-9)
    expected = equations.discriminator_loss(of_full, of_student, pairs_full, pairs_student, weights, len(partners))
    assert float(game.total.detach()) == pytest.approx(expected, rel=1e-9)
    without = build()[0].turns(9)[0].objective(made, batch).total.detach()
    gained = float(objective.total.detach() - without)
    assert gained == pytest.approx(TEACHING * 0.7 * float(objective.terms["adversarial"].detach()))


def test_the_adversary_comes_in_with_the_contrast_and_is_not_there_unless_asked_for() -> None:
    method, batch = build(alpha_3=1.0, discriminator_width=6)
    assert [len(method.turns(epoch)) for epoch in (0, 1, 2, 9)] == [1, 1, 2, 2]
    method.double().end_step(forward(method, batch), batch)
    assert {"lambda_1", "lambda_2", "cosine_pair"} <= set(method.end_epoch(2))
    plain, _ = build()
    assert plain.adversary is None
    assert not list(plain.parameters())
    assert len(plain.turns(9)) == 1
    assert plain.end_epoch(2) == {}


class Unfaded(AMIDU):
    """As the contract suite builds it, with the model alone; its samples all have labels."""

    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model, fading=False)


class WithAdversary(AMIDU):
    def __init__(self, model: CrossModalModel) -> None:
        super().__init__(model, alpha_3=1.0, discriminator_width=8, fading=False)


@pytest.mark.parametrize("method_property", METHOD_PROPERTIES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("kind", [Unfaded, WithAdversary])
def test_with_all_of_its_terms_it_keeps_the_contract(
    kind: type[AMIDU], method_property: Callable[[type[Method], TaskKind], None]
) -> None:
    for task in kind.tasks:
        method_property(kind, task)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha_1": -1.0},
        {"alpha_3": -1.0},
        {"discriminator_width": 0},
        {"temperature": 0.0},
        {"ramp": 1.0},
        {"warmup": -0.1},
        {"concentration": -1.0},
        {"unlabelled_weight": -1.0},
    ],
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))}: expected"):
        build(**options)
