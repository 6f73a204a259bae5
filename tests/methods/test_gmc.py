"""GMC's objective held against slow loops, and its one departure: the student's predictions are trained too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossdistill.methods import GMC
from crossdistill.models import CrossModalModel
from crossdistill.types import Representations
from tests.losses import contrast_equations
from tests.methods.slow import cross_entropy
from tests.methods.small import CLASSES, FEW_LABELS, LABELS, NO_LABELS, WIDTH, Encoder, batch, leaves, model, rows


def gmc(**options: object) -> GMC:
    torch.manual_seed(1)
    return GMC(model(), **{"projection": 6, **options})  # type: ignore[arg-type]


def projected(method: GMC, representations: Tensor) -> list[list[float]]:
    weight, bias = rows(method.projection.weight), method.projection.bias.tolist()
    return [
        [sum(w * x for w, x in zip(row, representation, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
        for representation in rows(representations)
    ]


@pytest.mark.parametrize("labels", [LABELS, (0, 1, 2, 3), (2, 2, 2), (1, 1), FEW_LABELS, NO_LABELS], ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"contrast_weight": 0.3, "temperature": 0.1}, {"supervision": "joint"}],
    ids=["defaults", "weights", "as printed"],
)
def test_the_objective_is_the_equations(options: dict[str, object], labels: tuple[int, ...]) -> None:
    method, made = gmc(**options), leaves(labels)
    joint = projected(method, made.full)
    expected = cross_entropy(made.full_logits, labels)
    for view in (made.target, made.auxiliary):
        term = contrast_equations.nt_xent_loss(joint, projected(method, view), method.temperature)
        expected += method.contrast_weight * term
    if method.supervision == "student_and_joint":
        expected += cross_entropy(made.target_logits, labels)
    total = method.turns(0)[0].objective(made, batch(labels)).total
    assert total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("supervision", ["student_and_joint", "joint"])
def test_who_is_reached(supervision: str) -> None:
    method, made = gmc(supervision=supervision), leaves()
    total = method.turns(0)[0].objective(made, batch()).total
    tensors = {**made.representations, **{f"{view}_logits": t for view, t in made.logits.items()}}
    gradients = torch.autograd.grad(total, list(tensors.values()), allow_unused=True)
    found = {name for name, gradient in zip(tensors, gradients, strict=True) if gradient is not None}
    student = {"target_logits"} if supervision == "student_and_joint" else set()
    assert found == {"target", "auxiliary", "full", "full_logits"} | student


def test_one_projection_serves_all_three_views_and_is_trained() -> None:
    method = gmc()
    (turn,) = method.turns(0)
    assert {id(p) for p in method.parameters()} == {id(p) for p in method.projection.parameters()}
    everything = [*method.model.parameters_of("target", "auxiliary", "full"), *method.projection.parameters()]
    assert [id(p) for p in turn.parameters] == [id(p) for p in everything]


def test_an_aligned_student_has_a_smaller_contrast() -> None:
    method, made = gmc(), leaves()
    aligned = Representations({**made.representations, "target": made.full.detach()}, made.logits)
    terms = [method.turns(0)[0].objective(r, batch()).terms["contrast_student"] for r in (aligned, made)]
    assert terms[0] < terms[1]


@pytest.mark.parametrize(
    "options",
    [
        {"contrast_weight": -1.0},
        {"contrast_weight": float("nan")},
        {"temperature": 0.0},
        {"projection": 0},
        {"supervision": "student"},
    ],
    ids=str,
)
def test_unusable_options_are_refused_before_training(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        gmc(**options)


def test_a_student_with_a_classifier_of_its_own_needs_supervision() -> None:
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    separate = CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES, separate_teacher=True)
    GMC(separate)
    with pytest.raises(ValueError, match="separate teacher"):
        GMC(separate, supervision="joint")


def test_the_paper_s_settings_for_supervised_learning_are_the_defaults() -> None:
    method = GMC(model())
    assert (method.temperature, method.projection.out_features, method.contrast_weight) == (0.3, 60, 1.0)
    assert GMC.teacher == "online"
