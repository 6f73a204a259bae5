"""Eq. 4 as loops, a teacher that sees the auxiliary modalities alone, and that it is trained first and then fixed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossdistill.methods import Auxiliary, GeneralizedDistillation
from crossdistill.runs.build import build
from crossdistill.training.passes import forward
from crossdistill.types import InputError
from tests.methods.slow import log_softmax
from tests.methods.small import LABELS, batch, leaves, model, moved_by, rows
from tests.runs.small import gestures, recipe, with_model
from tests.runs.test_stages import parts_that_moved, planned, state_after_each_epoch

SOME = (0, -1, 0, 2, -1, -1, 3)


@pytest.mark.parametrize("labels", [LABELS, SOME, (-1,) * 7])
@pytest.mark.parametrize(("imitation", "temperature"), [(0.5, 2.0), (0.0, 1.0), (1.0, 5.0), (0.3, 0.5)])
def test_the_objective_in_slow_loops(imitation: float, temperature: float, labels: tuple[int, ...]) -> None:
    """1/n Σ (1 − λ) ℓ(y_i, σ(f(x_i))) + λ ℓ(s_i, σ(f(x_i))), s_i = σ(f_t(x*_i)/T), less the soft labels' entropy."""
    method, made = GeneralizedDistillation(model(), imitation, temperature), leaves()
    hard, soft, teacher = [], [], []
    for student, said, label in zip(rows(made.target_logits), rows(made.auxiliary_logits), labels, strict=True):
        log_f, log_s = log_softmax(student), log_softmax(said, temperature)
        soft.append(sum(math.exp(s) * (s - f) for s, f in zip(log_s, log_f, strict=True)))
        if label >= 0:
            hard.append(-log_f[label])
            teacher.append(-log_softmax(said)[label])
    expected = {
        "classification_student": sum(hard) / max(len(hard), 1),
        "classification_auxiliary": sum(teacher) / max(len(teacher), 1),
        "soft_labels": sum(soft) / len(soft),
    }
    given = replace(batch(), labels=torch.tensor(labels))
    objective = method.turns(0)[0].objective(made, given)
    assert {name: value.item() for name, value in objective.terms.items()} == pytest.approx(expected, rel=1e-4)
    first, second, third = expected.values()
    assert objective.total.item() == pytest.approx((1 - imitation) * first + imitation * third + second, rel=1e-5)


def test_with_full_imitation_the_student_ends_at_its_teacher_s_softened_word() -> None:
    method, made = GeneralizedDistillation(model(), 1.0, 3.0), leaves()
    student = made.target_logits.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([student], 0.05)
    for _ in range(600):
        optimizer.zero_grad()
        method.turns(0)[0].objective(replace(made, logits={**made.logits, "target": student}), batch()).total.backward()
        optimizer.step()
    wanted = (made.auxiliary_logits / 3.0).softmax(1)
    torch.testing.assert_close(student.softmax(1), wanted, rtol=0, atol=1e-3)


def test_the_teacher_is_trained_first_on_the_auxiliary_modalities_alone_and_then_fixed(tmp_path: Path) -> None:
    trained = with_model(recipe(method="generalized_distillation", auxiliary_epochs=0), auxiliary_encoders="trained")
    assert planned(trained) == [("teacher", 3), ("generalized_distillation", 3)]
    first, second = build(trained, gestures()).stages
    assert isinstance(first.method, Auxiliary)
    assert first.method.views == ("auxiliary",)
    assert not build(trained, gestures()).model.separate_teacher, "no copies of encoders that nobody reads"
    states = state_after_each_epoch(trained, tmp_path / "run")
    before, last = states[2][1], states[-1][1]
    assert [stage for stage, _ in states] == ["teacher"] * 3 + ["generalized_distillation"] * 3
    assert {"encoders.eye", "auxiliary_classifier.weight"} <= parts_that_moved(states[0][1], before)
    assert "encoders.wrist" not in parts_that_moved(states[0][1], before), "the student waits for its teacher"
    assert parts_that_moved(before, last) == {"encoders.wrist", "classifier.weight", "classifier.bias"}
    assert second.epochs == trained.epochs, "as long as any method's student"


@pytest.mark.parametrize(
    ("settings", "auxiliary_epochs", "expected"),
    [
        ({}, 2, [("auxiliary", 2), ("teacher", 3), ("generalized_distillation", 3)]),
        ({"teacher": "online"}, 2, [("auxiliary", 2), ("generalized_distillation", 3)]),
        ({"teacher": "online", "auxiliary_encoders": "trained"}, 0, [("generalized_distillation", 3)]),
    ],
)
def test_stages(settings: dict[str, str], auxiliary_epochs: int, expected: list[tuple[str, int]]) -> None:
    made = recipe(method="generalized_distillation", auxiliary_epochs=auxiliary_epochs)
    assert planned(with_model(made, **settings)) == expected


def test_an_online_teacher_learns_the_labels_and_nothing_of_the_student() -> None:
    method = GeneralizedDistillation(model(), imitation=1.0)
    unlabelled = replace(batch(), labels=torch.full((len(LABELS),), -1))
    method.turns(0)[0].objective(forward(method, unlabelled), unlabelled).total.backward()
    moved = {
        name.rpartition(".")[0] for name, p in method.model.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert moved == {"encoders.video", "classifier"}
    labelled = moved_by(method, method.turns(0)[0])
    assert labelled == {"encoders.video", "classifier", "encoders.audio", "auxiliary_classifier"}


@pytest.mark.parametrize("options", [{"imitation": 1.1}, {"imitation": -0.1}, {"temperature": 0.0}])
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))}: expected"):
        GeneralizedDistillation(model(), **options)
