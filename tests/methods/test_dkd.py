"""DKD's objective against slow loops; whom it moves; its warm-up; what stands for an unlabelled sample's class."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossdistill.methods import DKD, KD
from crossdistill.types import Representations
from tests.losses.test_decoupled import nckd, tckd
from tests.methods.slow import cross_entropy
from tests.methods.small import FEW_LABELS, LABELS, NO_LABELS, batch, leaves, model, moved_by, rows, with_fixed_teacher


def targets_of(labels: tuple[int, ...], teacher: Tensor) -> list[int]:
    """The label, or the class that the teacher predicts."""
    predicted = [max(range(len(row)), key=row.__getitem__) for row in rows(teacher)]
    return [label if label >= 0 else other for label, other in zip(labels, predicted, strict=True)]


@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS], ids=str)
@pytest.mark.parametrize("epoch", [0, 4, 1000])
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.3, "beta": 2.0, "temperature": 1.0}, {"warmup_epochs": 0}, {"beta": 0.0}, {"alpha": 0.0}],
    ids=str,
)
def test_the_objective_is_the_weighted_sum_of_both_parts(
    options: dict[str, float], epoch: int, labels: tuple[int, ...]
) -> None:
    method, made = DKD(model(), **options), leaves()  # type: ignore[arg-type]
    objective = method.turns(epoch)[0].objective(made, batch(labels))
    targets = targets_of(labels, made.full_logits)
    given = rows(made.target_logits), rows(made.full_logits), targets, method.temperature
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    target, others = tckd(*given), nckd(*given)
    rise = min((epoch + 1) / 20, 1.0) if method.warmup_epochs else 1.0
    soft = method.temperature**2 * (method.alpha * target + method.beta * others)
    assert objective.total.item() == pytest.approx(student + teacher + rise * soft, rel=1e-5)
    terms = {name: value.item() for name, value in objective.terms.items()}
    expected = {"classification_student": student, "classification_teacher": teacher}
    assert terms == pytest.approx({**expected, "target_class": target, "non_target_classes": others}, rel=1e-4)


def test_unlabelled_samples_are_taken_for_what_the_teacher_predicts() -> None:
    """Its second choice in the teacher's prediction does as if it were labelled so, but for the cross-entropy."""
    method, made = DKD(model()), leaves()
    predicted = made.full_logits.argmax(dim=1)
    names = ("target_class", "non_target_classes")
    for labels in (predicted.roll(1), predicted):
        unknown = labels.clone()
        unknown[2] = -1
        found, as_labelled = (
            method.turns(0)[0].objective(made, batch(given.tolist())).terms for given in (unknown, labels)
        )
        same = all(torch.equal(found[name], as_labelled[name]) for name in names)
        assert same == bool(labels[2] == predicted[2])


def test_a_certain_teacher_still_teaches_how_other_classes_relate() -> None:
    """What KD has of it vanishes with 1 − p."""
    made = leaves()
    certain = made.full_logits.detach().clone()
    certain[torch.arange(len(LABELS)), list(LABELS)] = 60.0
    for method, expected in ((KD(model(), temperature=1.0), False), (DKD(model(), temperature=1.0), True)):
        student = made.target_logits.detach().clone()
        student[torch.arange(len(LABELS)), list(LABELS)] = 60.0  # as its teacher: only the rest differs
        student.requires_grad_()
        given = Representations(made.representations, {**made.logits, "target": student, "full": certain})
        total = method.turns(1000)[0].objective(given, batch()).total
        (gradient,) = torch.autograd.grad(total, student)
        assert (gradient.abs().max().item() > 1e-2) == expected


def test_the_soft_labels_move_the_student_only() -> None:
    method, made = DKD(model()), leaves()
    objective = method.turns(1000)[0].objective(made, batch())
    for name in ("target_class", "non_target_classes"):
        inputs = [made.target_logits, made.full_logits]
        reached = torch.autograd.grad(objective.terms[name], inputs, retain_graph=True, allow_unused=True)
        assert [gradient is not None for gradient in reached] == [True, False]


def test_who_moves() -> None:
    online, fixed = DKD(model()), DKD(with_fixed_teacher())
    assert moved_by(online, online.turns(0)[0]) == {"encoders.video", "encoders.audio", "fusion", "classifier"}
    assert moved_by(fixed, fixed.turns(0)[0]) == {"encoders.video", "classifier"}
    assert DKD.teacher == "fixed"


def test_defaults_are_the_published_code_s() -> None:
    method = DKD(model())
    assert (method.alpha, method.beta, method.temperature, method.warmup_epochs) == (1.0, 8.0, 4.0, 20)


@pytest.mark.parametrize(
    "options", [{"alpha": -1.0}, {"beta": float("nan")}, {"temperature": 0.0}, {"warmup_epochs": -1}]
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        DKD(model(), **options)  # type: ignore[arg-type]
