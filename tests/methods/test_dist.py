"""DIST's objective against slow loops, and whom it moves."""

from __future__ import annotations

import pytest
import torch

from crossdistill.methods import DIST
from tests.losses.test_correlation import slow
from tests.methods.slow import cross_entropy
from tests.methods.small import FEW_LABELS, LABELS, NO_LABELS, batch, leaves, model, moved_by, rows, with_fixed_teacher


@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS, (2,)], ids=str)
@pytest.mark.parametrize("options", [{}, {"beta": 2.0, "gamma": 0.3, "temperature": 4.0}, {"beta": 0.0}], ids=str)
def test_the_objective_is_the_weighted_sum_of_both_relations(
    options: dict[str, float], labels: tuple[int, ...]
) -> None:
    method, made = DIST(model(), **options), leaves(labels)
    objective = method.turns(0)[0].objective(made, batch(labels))
    given = rows(made.target_logits), rows(made.full_logits), method.temperature
    inter, intra = slow(*given, "classes"), slow(*given, "samples")
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    expected = student + teacher + method.temperature**2 * (method.beta * inter + method.gamma * intra)
    assert objective.total.item() == pytest.approx(expected, rel=1e-5)
    terms = {name: value.item() for name, value in objective.terms.items()}
    classification = {"classification_student": student, "classification_teacher": teacher}
    assert terms == pytest.approx({**classification, "inter_class": inter, "intra_class": intra}, rel=1e-4)


def test_relations_move_the_student_only() -> None:
    method, made = DIST(model()), leaves()
    objective = method.turns(0)[0].objective(made, batch())
    for name in ("inter_class", "intra_class"):
        inputs = [made.target_logits, made.full_logits]
        reached = torch.autograd.grad(objective.terms[name], inputs, retain_graph=True, allow_unused=True)
        assert [gradient is not None for gradient in reached] == [True, False]


def test_a_student_comes_to_relate_classes_as_its_teacher_does() -> None:
    method, given = DIST(with_fixed_teacher()), batch(NO_LABELS)
    optimizer = torch.optim.Adam(method.model.parameters_of("target"), 0.05)
    values = []
    for _ in range(200):
        objective = method.turns(0)[0].objective(method.model(given.modalities, method.views), given)
        values.append(float(objective.total.detach()))
        optimizer.zero_grad()
        objective.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert values[-1] < 0.5 * values[0]


def test_who_moves() -> None:
    online, fixed = DIST(model()), DIST(with_fixed_teacher())
    assert moved_by(online, online.turns(0)[0]) == {"encoders.video", "encoders.audio", "fusion", "classifier"}
    assert moved_by(fixed, fixed.turns(0)[0]) == {"encoders.video", "classifier"}
    assert DIST.teacher == "fixed"


def test_defaults_are_the_published_code_s() -> None:
    method = DIST(model())
    assert (method.beta, method.gamma, method.temperature) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("options", [{"beta": -1.0}, {"gamma": float("nan")}, {"temperature": 0.0}])
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        DIST(model(), **options)
