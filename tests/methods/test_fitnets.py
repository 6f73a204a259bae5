"""The two stages of Algorithm 1, and the joint loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossdistill.methods import FitNets
from crossdistill.training.incomplete import divide
from crossdistill.training.passes import forward
from crossdistill.types import Representations
from tests.methods.slow import cross_entropy, divergence
from tests.methods.small import (
    FEW_LABELS,
    LABELS,
    NO_LABELS,
    WIDTH,
    batch,
    leaves,
    model,
    moved_by,
    rows,
    with_fixed_teacher,
)

LABELLINGS = pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS], ids=str)


def eq_3(method: FitNets, made: Representations) -> float:
    predicted, hint = rows(method.regressor(made.target)), rows(made.full)
    norms = [sum((a - b) ** 2 for a, b in zip(u, r, strict=True)) for u, r in zip(hint, predicted, strict=True)]
    return 0.5 * sum(norms) / len(norms) / (WIDTH if method.reduction == "mean" else 1)


@LABELLINGS
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_first_stage_is_eq_3(reduction: str, labels: tuple[int, ...]) -> None:
    method, made = FitNets(model(), hint_epochs=2, reduction=reduction), leaves()  # type: ignore[arg-type]
    for epoch in (0, 1):
        (turn,) = method.turns(epoch)
        objective = turn.objective(made, batch(labels))
        expected = eq_3(method, made) + cross_entropy(made.full_logits, labels)
        assert objective.total.item() == pytest.approx(expected, rel=1e-5)
        assert set(objective.terms) == {"hint", "classification_teacher"}


@LABELLINGS
@pytest.mark.parametrize("hint_weight", [0.0, 0.7])
def test_the_second_stage_is_eq_2(hint_weight: float, labels: tuple[int, ...]) -> None:
    method = FitNets(model(), hint_epochs=2, soft_weight=4.0, anneal_epochs=6, hint_weight=hint_weight)
    made = leaves()
    for epoch, weight in {2: 4.0, 3: 3.5, 5: 2.5, 8: 1.0, 1000: 1.0}.items():
        total = method.turns(epoch)[0].objective(made, batch(labels)).total
        expected = cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels)
        expected += weight * divergence(made.target_logits, made.full_logits, 3.0)  # H(P_T, P_S), less the teacher's
        assert total.item() == pytest.approx(expected + hint_weight * eq_3(method, made), rel=1e-5)


def test_without_annealing_the_weight_stays() -> None:
    method = FitNets(model(), hint_epochs=0, soft_weight=2.0, anneal_epochs=0)
    assert {method.soft_weight_at(epoch) for epoch in (0, 1, 99)} == {2.0}


def test_the_joint_loss_is_a_matter_of_options() -> None:
    """Cross-entropy + β L_HT from the first epoch on, without soft labels."""
    options = {"hint_epochs": 0, "soft_weight": 0.0, "final_soft_weight": 0.0, "hint_weight": 100.0}
    method, made = FitNets(with_fixed_teacher(), **options), leaves()  # type: ignore[arg-type]
    (turn,) = method.turns(0)
    expected = cross_entropy(made.target_logits, LABELS) + 100 * eq_3(method, made)
    teacher = cross_entropy(made.full_logits, LABELS)
    assert turn.objective(made, batch()).total.item() - teacher == pytest.approx(expected, rel=1e-4)
    assert moved_by(method, turn) == {"encoders.video", "classifier", "regressor"}


def test_who_moves_in_which_stage() -> None:
    fixed = FitNets(with_fixed_teacher(), hint_epochs=1)
    assert moved_by(fixed, fixed.turns(0)[0]) == {"encoders.video", "regressor"}, "the classifier waits"
    assert moved_by(fixed, fixed.turns(1)[0]) == {"encoders.video", "classifier"}
    separate = FitNets(model(separate_teacher=True), hint_epochs=1)
    teacher = {"teacher_encoders.video", "teacher_encoders.audio", "fusion", "teacher_classifier"}
    assert moved_by(separate, separate.turns(0)[0]) == {"encoders.video", "regressor"} | teacher
    assert moved_by(separate, separate.turns(1)[0]) == {"encoders.video", "classifier"} | teacher
    assert [turn.name for epoch in (0, 1) for turn in fixed.turns(epoch)] == ["hints", "student and teacher"]


def test_hints_teach_no_labels_where_samples_lack_a_modality() -> None:
    """They guide the layers below the classifier (Eq. 3); what it learns from labels comes in the second stage."""
    method = FitNets(model(separate_teacher=True), hint_epochs=1)
    given = replace(batch(), present={"audio": torch.tensor([True, False, True, True, False, True, True])})
    samples = divide(method, forward(method, given), given)
    for epoch, learns in ((0, False), (1, True)):
        assert ("classification_incomplete" in samples.objective(method.turns(epoch)[0]).terms) == learns


def test_hints_do_not_move_the_teacher() -> None:
    method, made = FitNets(model()), leaves()
    hint = method.turns(0)[0].objective(made, batch()).terms["hint"]
    assert torch.autograd.grad(hint, made.full, allow_unused=True) == (None,)


def test_after_the_first_stage_the_representation_predicts_the_hint() -> None:
    torch.manual_seed(0)
    method, given = FitNets(with_fixed_teacher(), hint_epochs=1), batch((0, 1, 2))
    (turn,) = method.turns(0)
    optimizer = torch.optim.Adam(turn.parameters, 0.05)
    found = []
    for _ in range(400):
        objective = turn.objective(method.model(given.modalities, method.views), given)
        found.append(objective.terms["hint"].item())
        optimizer.zero_grad()
        objective.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert found[-1] < 0.01 * found[0]


EXTREMES = {
    "identical rows": lambda t: t[:1].expand_as(t),
    "zero": torch.zeros_like,
    "huge": lambda t: 1e4 * t / t.abs().max(),
}


@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes_in_the_first_stage(extreme: str) -> None:
    made = leaves()
    change = EXTREMES[extreme]
    broken = Representations(
        {view: change(t.detach()).clone().requires_grad_() for view, t in made.representations.items()},
        {view: change(t.detach()).clone().requires_grad_() for view, t in made.logits.items()},
    )
    method = FitNets(model())
    objective = method.turns(0)[0].objective(broken, batch())
    objective.total.backward()  # type: ignore[no-untyped-call]
    assert objective.total.isfinite()
    assert broken.target.grad is not None
    assert broken.target.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_defaults_are_the_paper_s() -> None:
    """Appendix A.1.2: λ from 4 to 1, τ = 3."""
    method = FitNets(model())
    assert (method.soft_weight, method.final_soft_weight, method.temperature) == (4.0, 1.0, 3.0)
    assert (method.hint_weight, method.teacher) == (0.0, "fixed")


@pytest.mark.parametrize(
    "options",
    [{"hint_epochs": -1}, {"anneal_epochs": -1}, {"temperature": 0.0}, {"soft_weight": -1.0}, {"hint_weight": -1.0}],
)
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        FitNets(model(), **options)  # type: ignore[arg-type]
