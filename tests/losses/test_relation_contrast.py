"""CRCD's contrast of relations, and the gradients that are one of their two elements."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.testing import assert_close

from crossdistill.losses import classification_gradient_direction, relation_contrastive_loss
from tests.losses import contrast_equations
from tests.losses.examples import ENTRIES, normal, properties, value_and_gradients

TEMPERATURES = st.sampled_from([0.01, 0.05, 0.5, 2.0])


@st.composite
def relations(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Relations across, the teacher's, and the negatives; rows may repeat, oppose one another or be zero."""
    anchors, batch, width = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    candidates = batch + draw(st.integers(0, 3))

    def tensor(*shape: int) -> Tensor:
        count = math.prod(shape)
        values = draw(st.lists(ENTRIES, min_size=count, max_size=count))
        return torch.tensor(values, dtype=torch.float64).view(shape)

    count = batch * candidates
    negatives = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    across = tensor(anchors, batch, width)
    return across, tensor(anchors, candidates, width), torch.tensor(negatives).view(batch, candidates)


@properties
@given(relations(), TEMPERATURES)
def test_is_the_equation(given_relations: tuple[Tensor, Tensor, Tensor], temperature: float) -> None:
    cross, teacher, negatives = given_relations
    value = relation_contrastive_loss(cross, teacher, negatives, temperature)
    expected = contrast_equations.relation_contrastive_loss(
        cross.tolist(), teacher.tolist(), negatives.tolist(), temperature
    )
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)  # 1 - cosine may be a few 1e-6 of an 1


def test_by_hand() -> None:
    """One anchor, one sample at 60° to its own relation and at right angles to a negative, τ = 1/2."""
    cross = torch.tensor([[[1.0, 0.0]]]).double()
    teacher = torch.tensor([[[1.0, math.sqrt(3)], [0.0, -4.0]]], dtype=torch.float64)
    negatives = torch.tensor([[False, True]])
    expected = (1 - 0.5) / 0.5 - math.log(1 - math.exp(-1 / 0.5))
    assert relation_contrastive_loss(cross, teacher, negatives, 0.5).item() == pytest.approx(expected, rel=1e-12)


def test_is_0_when_every_relation_is_the_teacher_s_and_there_is_no_negative() -> None:
    teacher = normal(2, 5, 3, seed=0)
    negatives = torch.zeros(4, 5, dtype=torch.bool)
    assert relation_contrastive_loss(teacher[:, :4], teacher, negatives).item() == pytest.approx(0, abs=1e-12)


def test_what_is_no_negative_has_no_part() -> None:
    cross, teacher = normal(2, 2, 3, seed=0), normal(2, 4, 3, seed=1)
    negatives = torch.tensor([[False, True, False, False], [True, False, False, False]])
    other = torch.cat([teacher[:, :2], normal(2, 2, 3, seed=2)], dim=1)
    value = relation_contrastive_loss(cross, teacher, negatives)
    assert torch.equal(relation_contrastive_loss(cross, other, negatives), value)
    assert relation_contrastive_loss(cross, teacher, torch.ones_like(negatives)) > value


def test_only_near_negatives_are_repelled() -> None:
    """A negative at cosine 1 - 3τ still counts; one at right angles does not, to float32's last digit."""
    cross, own = torch.tensor([[[1.0, 0.0]]]), torch.tensor([1.0, 0.0])
    negatives, angle = torch.tensor([[False, True]]), math.acos(1 - 3 * 0.05)
    for negative, expected in {
        (math.cos(angle), math.sin(angle)): -math.log(1 - math.exp(-3)),
        (0.0, 1.0): 0.0,
    }.items():
        teacher = torch.stack([own, torch.tensor(negative)])[None]
        value = relation_contrastive_loss(cross, teacher, negatives, 0.05)
        assert value.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


ORDINARY = normal(2, 3, 4, seed=3, dtype=torch.float32), normal(2, 6, 4, seed=4, dtype=torch.float32)
EXTREMES: dict[str, tuple[Tensor, Tensor]] = {
    "identical": (ones(2, 3, 4), ones(2, 6, 4)),
    "opposite": (ones(2, 3, 4), -ones(2, 6, 4)),
    "zero": (0 * ones(2, 3, 4), 0 * ones(2, 6, 4)),
    "huge": (1e30 * ORDINARY[0], 1e30 * ORDINARY[1]),
    "tiny": (1e-30 * ORDINARY[0], 1e-30 * ORDINARY[1]),
    "width 1": (ORDINARY[0][..., :1], ORDINARY[1][..., :1]),
    "one sample": (ORDINARY[0][:, :1], ORDINARY[1][:, :1]),
    "half precision": (ORDINARY[0].half(), ORDINARY[1].bfloat16()),
}


@pytest.mark.parametrize("temperature", [0.001, 0.05, 100.0])
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_are_finite(name: str, temperature: float) -> None:
    cross, teacher = EXTREMES[name]
    negatives = torch.ones(cross.shape[1], teacher.shape[1], dtype=torch.bool)
    value, gradients = value_and_gradients(
        lambda x, y: relation_contrastive_loss(x, y, negatives, temperature), cross, teacher
    )
    slow = contrast_equations.relation_contrastive_loss(
        cross.tolist(), teacher.tolist(), negatives.tolist(), temperature
    )
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(slow, rel=2e-3, abs=2e-5 / temperature)
    assert all(gradient.isfinite().all() for gradient in gradients)


@properties
@given(st.integers(0, 1000), st.sampled_from([1.0, 20.0, 300.0]))
def test_the_direction_is_that_of_the_equation_and_of_autograd(seed: int, scale: float) -> None:
    x, weight, bias = normal(5, 3, seed=seed), normal(4, 3, seed=seed + 1), normal(4, seed=seed + 2)
    x = (scale * x).requires_grad_()
    labels = torch.tensor([0, 3, 1, 1, 2])
    logits = x @ weight.T + bias
    (gradient,) = torch.autograd.grad(cross_entropy(logits, labels, reduction="sum"), x)
    found = classification_gradient_direction(logits, labels, weight)
    assert found.dtype == torch.float64
    inexact = gradient.abs().amax(dim=1) < 1e-6  # p_y - 1 has lost its digits there
    assert_close(found[~inexact], normalize(gradient)[~inexact], rtol=1e-8, atol=1e-8)
    assert_close(found, directions(logits, labels.tolist(), weight), rtol=1e-10, atol=1e-12)


def directions(logits: Tensor, labels: list[int], weight: Tensor) -> Tensor:
    """By the equation in many digits, in which no probability is 0 or 1."""
    slow = [
        contrast_equations.classification_gradient_direction(row, label, weight.tolist())
        for row, label in zip(logits.tolist(), labels, strict=True)
    ]
    return torch.tensor(slow, dtype=torch.float64)


@pytest.mark.parametrize("sure", [20.0, 86.0, 88.0, 103.0, 1e4, 1e30])
def test_a_sample_beyond_doubt_has_a_direction_and_its_slope_in_float32(sure: float) -> None:
    """Its gradient is of the size of exp(-sure): 1e-38 at 88, whose division by its length overflows, and then 0."""
    logits, labels = torch.tensor([[sure, 0.0, -1.0], [-1.0, sure, 0.0]]), torch.tensor([0, 2])
    weight = normal(3, 4, seed=0, dtype=torch.float32)

    def loss(logits: Tensor, weight: Tensor) -> Tensor:
        return (classification_gradient_direction(logits, labels, weight) @ normal(4, seed=1).to(weight.dtype)).sum()

    found = classification_gradient_direction(logits, labels, weight)
    assert_close(found.double(), directions(logits, [0, 2], weight.double()), rtol=1e-5, atol=1e-6)
    _, gradients = value_and_gradients(loss, logits, weight)
    _, expected = value_and_gradients(loss, logits.double(), weight.double())
    for gradient, exact in zip(gradients, expected, strict=True):
        assert_close(gradient.double(), exact, rtol=1e-4, atol=1e-6)
    assert gradients[0][0].abs().max() > 1e-3, "the first sample's direction depends on what the others weigh"


def test_a_single_class_has_no_direction() -> None:
    assert (classification_gradient_direction(ones(2, 1), torch.zeros(2).long(), ones(1, 3)) == torch.zeros(2, 3)).all()


NEGATIVES = torch.zeros(3, 6, dtype=torch.bool)
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "anchors": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(3, 6, 4), NEGATIVES), "cross and teacher"),
    "widths": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(2, 6, 5), NEGATIVES), "cross and teacher"),
    "dimensions": (lambda: relation_contrastive_loss(ones(3, 4), ones(2, 6, 4), NEGATIVES), "cross and teacher"),
    "no anchor": (lambda: relation_contrastive_loss(ones(0, 3, 4), ones(0, 6, 4), NEGATIVES), "an anchor"),
    "no sample": (lambda: relation_contrastive_loss(ones(2, 0, 4), ones(2, 6, 4), NEGATIVES), "a sample"),
    "few candidates": (lambda: relation_contrastive_loss(ones(2, 7, 4), ones(2, 6, 4), NEGATIVES), "candidates"),
    "integers": (lambda: relation_contrastive_loss(ones(2, 3, 4).long(), ones(2, 6, 4), NEGATIVES), "cross"),
    "negatives' shape": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(2, 6, 4), NEGATIVES[:2]), "negatives"),
    "negatives' kind": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(2, 6, 4), NEGATIVES.long()), "negatives"),
    "temperature": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(2, 6, 4), NEGATIVES, 0.0), "temperature"),
    "NaN": (lambda: relation_contrastive_loss(ones(2, 3, 4), ones(2, 6, 4), NEGATIVES, math.nan), "temperature"),
    "classes": (
        lambda: classification_gradient_direction(ones(3, 4), torch.tensor([0, 1, 2]), ones(5, 2)),
        "logits and weight",
    ),
    "labels": (lambda: classification_gradient_direction(ones(3, 4), torch.tensor([0, 1]), ones(4, 2)), "labels"),
    "labels' kind": (lambda: classification_gradient_direction(ones(3, 4), ones(3), ones(4, 2)), "labels"),
    "no class": (
        lambda: classification_gradient_direction(ones(3, 4), torch.tensor([0, -1, 2]), ones(4, 2)),
        r"expected labels in \[0, 4\), got -1 of sample 1",
    ),
    "logits' kind": (
        lambda: classification_gradient_direction(ones(3, 4).long(), torch.zeros(3).long(), ones(4, 2)),
        "logits",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_raise_value_error(name: str) -> None:
    call, mentioned = MISTAKES[name]
    with pytest.raises(ValueError, match=mentioned) as caught:
        call()
    assert "\n" not in str(caught.value)
