"""Relations from a fixed or an online teacher."""

from __future__ import annotations

import pytest
import torch

from crossdistill.losses.cosine import unit_rows
from crossdistill.methods import RKD
from tests.losses.relations import angle, relation_loss, relative_distance
from tests.methods.slow import cross_entropy
from tests.methods.small import FEW_LABELS, LABELS, NO_LABELS, batch, leaves, model, moved_by, rows, with_fixed_teacher


@pytest.mark.parametrize(
    "options",
    [{}, {"distance_weight": 1.0, "angle_weight": 2.0}, {"reduction": "sum"}, {"normalize": True}, {"angle_weight": 0}],
    ids=str,
)
@pytest.mark.parametrize("labels", [LABELS, (0, 0), (1, 2, 1), FEW_LABELS, NO_LABELS], ids=str)
def test_the_objective_is_cross_entropy_and_weighted_relations(
    options: dict[str, object], labels: tuple[int, ...]
) -> None:
    method, made = RKD(model(), **options), leaves(labels)  # type: ignore[arg-type]
    objective = method.turns(0)[0].objective(made, batch(labels))
    student, teacher = (rows(unit_rows(x) if method.normalize else x) for x in (made.target, made.full))
    distance = relation_loss(2, relative_distance, student, teacher, method.reduction)
    angles = relation_loss(3, angle, student, teacher, method.reduction)
    expected = cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels)
    expected += method.distance_weight * distance + method.angle_weight * angles
    assert objective.total.item() == pytest.approx(expected, rel=1e-4)
    assert objective.terms["distance"].item() == pytest.approx(distance, rel=1e-4, abs=1e-6)
    assert objective.terms["angle"].item() == pytest.approx(angles, rel=1e-4, abs=1e-6)


def test_relations_move_the_student_only() -> None:
    method, made = RKD(model()), leaves()
    objective = method.turns(0)[0].objective(made, batch())
    for term in ("distance", "angle"):
        inputs = [made.target, made.full, made.target_logits, made.full_logits]
        reached = torch.autograd.grad(objective.terms[term], inputs, retain_graph=True, allow_unused=True)
        assert [gradient is not None for gradient in reached] == [True, False, False, False]


def test_who_moves() -> None:
    online, fixed = RKD(model()), RKD(with_fixed_teacher())
    assert moved_by(online, online.turns(0)[0]) == {"encoders.video", "encoders.audio", "fusion", "classifier"}
    assert moved_by(fixed, fixed.turns(0)[0]) == {"encoders.video", "classifier"}
    assert RKD.teacher == "fixed"


def test_defaults_are_the_paper_s_for_classification() -> None:
    method = RKD(model())
    assert (method.distance_weight, method.angle_weight, method.normalize) == (25.0, 50.0, False)


@pytest.mark.parametrize("options", [{"distance_weight": -1.0}, {"angle_weight": float("nan")}])
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RKD(model(), **options)
