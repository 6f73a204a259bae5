"""Soft labels from a fixed or an online teacher."""

from __future__ import annotations

import pytest
import torch

from crossdistill.methods import KD
from crossdistill.types import Representations
from tests.losses.test_soft_labels import z_scores
from tests.methods.slow import cross_entropy, divergence
from tests.methods.small import FEW_LABELS, LABELS, NO_LABELS, batch, leaves, model, moved_by, rows, with_fixed_teacher


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 10.0}, {"soft_weight": 0.3, "hard_weight": 2.0}, {"soft_weight": 0.0}, {"hard_weight": 0.0}],
    ids=str,
)
@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS], ids=str)
def test_the_objective_is_the_weighted_sum_of_both_targets(options: dict[str, float], labels: tuple[int, ...]) -> None:
    method, made = KD(model(), **options), leaves()
    objective = method.turns(0)[0].objective(made, batch(labels))
    hard, soft = (
        cross_entropy(made.target_logits, labels),
        divergence(made.target_logits, made.full_logits, method.temperature),
    )
    teacher = cross_entropy(made.full_logits, labels)
    expected = method.hard_weight * hard + method.soft_weight * method.temperature**2 * soft + teacher
    assert objective.total.item() == pytest.approx(expected, rel=1e-5)
    terms = {name: value.item() for name, value in objective.terms.items()}
    expected_terms = {"classification_student": hard, "classification_teacher": teacher, "soft_labels": soft}
    assert terms == pytest.approx(expected_terms, rel=1e-5)


@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS], ids=str)
def test_standardised_logits_come_before_the_temperature(labels: tuple[int, ...]) -> None:
    method, made = KD(model(), temperature=3.0, standardize=True), leaves()
    objective = method.turns(0)[0].objective(made, batch(labels))
    student, teacher = (
        torch.tensor([z_scores(row) for row in rows(x)]) for x in (made.target_logits, made.full_logits)
    )
    soft = divergence(student, teacher, 3.0)
    hard = 0.5 * cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels)
    assert objective.terms["soft_labels"].item() == pytest.approx(soft, rel=1e-4)
    assert objective.total.item() == pytest.approx(hard + 9 * soft, rel=1e-4)


def test_a_standardised_teacher_s_certainty_is_no_matter() -> None:
    made = leaves()
    steeper = Representations(made.representations, {**made.logits, "full": 5 * made.full_logits + 3})
    for standardize in (True, False):
        turn = KD(model(), standardize=standardize).turns(0)[0]
        soft, of_steeper = (turn.objective(given, batch()).terms["soft_labels"].item() for given in (made, steeper))
        assert (soft == pytest.approx(of_steeper, rel=1e-4)) == standardize


def test_an_online_teacher_learns_the_labels_alone() -> None:
    method, made = KD(model()), leaves()
    objective = method.turns(0)[0].objective(made, batch())
    (found,) = torch.autograd.grad(objective.total, made.full_logits)
    (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(made.full_logits, batch().labels),
                                      made.full_logits)  # fmt: skip
    torch.testing.assert_close(found, expected)


def test_who_moves() -> None:
    online, separate, fixed = KD(model()), KD(model(separate_teacher=True)), KD(with_fixed_teacher())
    assert moved_by(online, online.turns(0)[0]) == {"encoders.video", "encoders.audio", "fusion", "classifier"}
    assert moved_by(separate, separate.turns(0)[0]) == {
        "encoders.video",
        "classifier",
        "teacher_encoders.video",
        "teacher_encoders.audio",
        "fusion",
        "teacher_classifier",
    }
    assert moved_by(fixed, fixed.turns(0)[0]) == {"encoders.video", "classifier"}


def test_without_hard_targets_the_student_becomes_the_teacher() -> None:
    torch.manual_seed(0)
    method = KD(with_fixed_teacher(), hard_weight=0.0)
    optimizer = torch.optim.Adam(method.model.parameters_of("target"), 0.05)
    given = batch()
    first = None
    for _ in range(300):
        objective = method.turns(0)[0].objective(method.model(given.modalities, method.views), given)
        first = objective.terms["soft_labels"].item() if first is None else first
        optimizer.zero_grad()
        objective.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert first is not None
    assert objective.terms["soft_labels"].item() < 0.1 * first


def test_defaults_are_those_of_section_4_1() -> None:
    method = KD(model())
    assert (method.temperature, method.soft_weight, method.hard_weight, method.teacher) == (2.0, 1.0, 0.5, "fixed")
    assert not method.standardize


@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"temperature": -1.0}, {"soft_weight": -0.1}, {"hard_weight": float("nan")}]
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        KD(model(), **options)
