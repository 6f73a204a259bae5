"""Bands and their classifiers, who learns from whom, and the plain ablation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from crossdistill.methods import FDCMKD, Auxiliary
from crossdistill.runs.build import build
from crossdistill.types import InputError
from tests.losses.test_frequency import bands, decoupled, mse, standardized
from tests.methods.slow import cross_entropy
from tests.methods.small import LABELS, batch, leaves, model, moved_by, rows
from tests.runs.small import gestures, recipe


def method_of(**options: object) -> FDCMKD:
    torch.manual_seed(1)
    return FDCMKD(model(), **options)  # type: ignore[arg-type]


def of_band(classifier: torch.nn.Module, band: list[list[float]]) -> float:
    """Cross-entropy of a linear layer on the band's positive part."""
    weight, bias = (p.detach().double() for p in classifier[1].parameters())  # type: ignore[index]
    return cross_entropy(torch.tensor(band).double().clamp_min(0) @ weight.T + bias, LABELS)


def classified(classifiers: Iterable[torch.nn.Module], both: Sequence[list[list[float]]]) -> float:
    return sum(of_band(classifier, band) for classifier, band in zip(classifiers, both, strict=True))


def split(features: Tensor) -> tuple[list[list[float]], list[list[float]]]:
    both = [bands(row) for row in rows(features)]
    return [low for low, _ in both], [high for _, high in both]


@pytest.mark.parametrize(("weight", "alignment_weight"), [(1.0, 1.0), (50.0, 0.3), (0.0, 0.0)])
def test_the_objective_is_the_sum_of_its_printed_terms(weight: float, alignment_weight: float) -> None:
    method, made = method_of(weight=weight, alignment_weight=alignment_weight), leaves()
    student, teacher = split(made.target), split(made.auxiliary)
    expected = {
        "classification_student": cross_entropy(made.target_logits, LABELS),
        "classification_auxiliary": cross_entropy(made.auxiliary_logits, LABELS),
        "distance": decoupled(rows(made.target), rows(made.auxiliary)),
        "alignment": classified(method.shared, student) + classified(method.shared, teacher),
        "classification_bands": classified(method.own, student),
    }
    objective = method.turns(0)[0].objective(made, batch())
    assert {name: value.item() for name, value in objective.terms.items()} == pytest.approx(expected, rel=1e-4)
    factors = {"distance": weight, "alignment": alignment_weight}
    total = sum(factors.get(name, 1.0) * value for name, value in expected.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-4)


def test_the_plain_ablation_has_one_distance_and_one_shared_classifier() -> None:
    method, made = method_of(decoupling="none"), leaves()
    terms = method.turns(0)[0].objective(made, batch()).terms
    plain = mse(standardized(rows(made.target)), standardized(rows(made.auxiliary)))
    assert terms["distance"].item() == pytest.approx(plain, rel=1e-4)
    [shared] = method.shared
    expected = of_band(shared, rows(made.target)) + of_band(shared, rows(made.auxiliary))
    assert terms["alignment"].item() == pytest.approx(expected, rel=1e-4)
    assert len(method.own) == 0


@pytest.mark.parametrize("decoupling", ["frequency", "none"])
def test_without_labels_the_student_alone_comes_closer(decoupling: str) -> None:
    method = method_of(decoupling=decoupling)
    unlabelled = replace(batch(), labels=torch.full((len(LABELS),), -1))
    made = method.model(unlabelled.modalities, method.views)
    method.turns(0)[0].objective(made, unlabelled).total.backward()
    named = {**dict(method.model.named_parameters()), **dict(method.named_parameters())}
    moved = {name for name, p in named.items() if p.grad is not None and p.grad.any()}
    assert moved == {"encoders.video.weight", "encoders.video.bias"}


def test_shared_classifiers_do_not_move_the_teacher() -> None:
    method, made = method_of(), leaves()
    method.turns(0)[0].objective(made, batch()).total.backward()
    assert made.auxiliary.grad is None, "only its own cross-entropy, by its logits"
    assert made.auxiliary_logits.grad is not None
    assert made.target.grad is not None
    assert made.target.grad.any()
    assert moved_by(method, method.turns(0)[0]) == {
        "encoders.video", "encoders.audio", "classifier", "auxiliary_classifier", "shared", "own"
    }  # fmt: skip


def test_the_teacher_is_the_auxiliary_model_trained_first() -> None:
    first, second, third = build(recipe(method="fd_cmkd"), gestures()).stages
    assert [stage.name for stage in (first, second, third)] == ["auxiliary", "teacher", "fd_cmkd"]
    assert isinstance(second.method, Auxiliary)


def test_unusable_options_are_refused() -> None:
    with pytest.raises(InputError, match="weight: expected 0 or more"):
        method_of(weight=-1.0)
    with pytest.raises(ValueError, match="expected decoupling 'frequency' or 'none'"):
        method_of(decoupling="wavelet")
