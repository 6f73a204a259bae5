"""Huang et al. 2022: Pearson's correlations of predictions, sample by sample and class by class."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mpf, sqrt, workdps
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import inter_class_correlation_loss, intra_class_correlation_loss
from tests.losses.equations import DIGITS, Rows, softmax
from tests.losses.examples import Loss, logit_pairs, normal, properties, value_and_gradients

TEMPERATURES = st.sampled_from([0.5, 1.0, 4.0])
BOTH = pytest.mark.parametrize("loss", [inter_class_correlation_loss, intra_class_correlation_loss])


def pearson(u: list[mpf], v: list[mpf]) -> mpf:
    """ρ = Cov(u, v) / (Std(u) Std(v)); 0 where one of them is constant."""
    a, b = ([x - sum(row) / len(row) for x in row] for row in (u, v))
    spread = sqrt(sum(x * x for x in a)) * sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / spread if spread else mpf(0)


@workdps(DIGITS)
def slow(student: Rows, teacher: Rows, temperature: float, across: str) -> float:
    """L_inter = 1/B Σ_i (1 − ρ(Y^s_i,:, Y^t_i,:)); L_intra = 1/C Σ_j (1 − ρ(Y^s_:,j, Y^t_:,j))."""
    predictions = [
        [softmax([mpf(logit) / mpf(temperature) for logit in row]) for row in side] for side in (student, teacher)
    ]
    if across == "samples":
        predictions = [[list(column) for column in zip(*side, strict=True)] for side in predictions]
    distances = [1 - pearson(u, v) for u, v in zip(*predictions, strict=True)]
    return float(sum(distances) / len(distances))


def spreads(logits: Tensor, dim: int) -> Tensor:
    """Of each row's or column's probabilities, relative to the largest of them."""
    p = logits.log_softmax(1)
    return torch.expm1(p - p.amax(dim, keepdim=True)).std(dim)


@properties
@given(logit_pairs(), TEMPERATURES)
def test_both_are_the_equations(pair: tuple[Tensor, Tensor], temperature: float) -> None:
    for loss, across, dim in (
        (inter_class_correlation_loss, "classes", 1),
        (intra_class_correlation_loss, "samples", 0),
    ):
        smallest = min(float(spreads(side / temperature, dim).min()) for side in pair)
        assume(smallest == 0 or smallest > 1e-6)  # between them rounding decides
        found = loss(*pair, temperature).item()
        assert found == pytest.approx(slow(pair[0].tolist(), pair[1].tolist(), temperature, across), 1e-7, 1e-9)


def test_to_the_last_digits() -> None:
    pair = normal(7, 5, seed=1), 3 * normal(7, 5, seed=2)
    lists = pair[0].tolist(), pair[1].tolist(), 2.0
    assert inter_class_correlation_loss(*pair, 2.0).item() == pytest.approx(slow(*lists, "classes"), rel=1e-12)
    assert intra_class_correlation_loss(*pair, 2.0).item() == pytest.approx(slow(*lists, "samples"), rel=1e-12)


def test_a_certain_teacher_is_matched_by_an_uncertain_student_of_the_same_relation() -> None:
    """Probabilities a + b p are as good as p themselves: what KL punishes is no matter."""
    teacher = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.1, 0.8]], dtype=torch.float64)
    student = 0.2 * teacher + 0.8 / 3
    assert inter_class_correlation_loss(student.log(), (teacher + 1e-300).log()).item() == pytest.approx(0, abs=1e-12)


def test_relations_that_underflow_are_not_lost() -> None:
    """A class of probability e^-200 has samples that are more of it than others."""
    column = torch.tensor([0.0, 1.0, 3.0, 2.0])
    logits = torch.stack([torch.full((4,), 200.0), column], dim=1)
    opposed = torch.stack([torch.full((4,), 200.0), -column], dim=1)
    assert intra_class_correlation_loss(logits, logits).item() == pytest.approx(0.5)  # the other class is constant
    value, gradients = value_and_gradients(intra_class_correlation_loss, opposed, logits)
    assert value.item() > 0.5
    assert gradients[0].abs().max() > 1e-3


@BOTH
@pytest.mark.parametrize("temperature", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize(
    "logits",
    [
        torch.zeros(4, 3),
        torch.full((4, 3), 0.1),
        torch.tensor([[3.0, 2.0, 1.0]]),
        torch.tensor([[3.0]]),
        torch.tensor([[3.0], [2.0]]),
        torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]),
        torch.tensor([[1e4, -1e4, 0.0], [0.0, 1e4, -1e4]]),
        torch.tensor([[1e30, -1e30, 0.0], [0.0, 1e30, -1e30]]),
        torch.tensor([[0.3, 0.7, 0.1]]).expand(5, 3),
    ],
    ids=["zeros", "constant", "one sample", "one of all", "one class", "permuted", "1e4", "1e30", "identical rows"],
)
def test_extremes_in_float32(loss: Loss, logits: Tensor, temperature: float) -> None:
    other = normal(*logits.shape, seed=1, dtype=torch.float32)
    for student, teacher in ((logits, other), (other, logits), (logits, logits)):
        value, gradients = value_and_gradients(lambda s, t: loss(s, t, temperature), student, teacher)
        assert -1e-6 <= value.item() <= 2 + 1e-6
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_one_sample_and_constant_classes_have_no_relation_across_samples() -> None:
    one = normal(1, 4, seed=1), normal(1, 4, seed=2)
    same = one[0].expand(3, 4), normal(3, 4, seed=3)
    for pair in (one, same):
        value, (gradient, _) = value_and_gradients(intra_class_correlation_loss, *pair)
        assert value == 1
        assert not gradient.any()


def test_what_differs_by_rounding_alone_is_constant() -> None:
    """The first class has one probability in all samples, but for the order in which the others are added up."""
    row, generator = normal(1, 16, seed=1, dtype=torch.float32)[0], torch.Generator().manual_seed(0)
    student = torch.stack([torch.cat([row[:1], row[1:][torch.randperm(15, generator=generator)]]) for _ in range(6)])
    first_class = student.log_softmax(1)[:, 0]
    assert 0 < (first_class.max() - first_class.min()).item() < 1e-6
    teacher = normal(6, 16, seed=2, dtype=torch.float32)
    _, (gradient, _) = value_and_gradients(intra_class_correlation_loss, student, teacher)
    assert gradient.abs().max() < 1


@BOTH
def test_mistakes(loss: Loss) -> None:
    with pytest.raises(ValueError, match=r"of one shape \(B, C\)"):
        loss(torch.ones(2, 3), torch.ones(1, 3))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="expected a temperature above 0"):
            loss(torch.ones(2, 3), torch.ones(2, 3), temperature)


@BOTH
def test_the_same_predictions_have_no_loss(loss: Loss) -> None:
    logits = normal(5, 4, seed=3)
    value, (gradient, _) = value_and_gradients(loss, logits + 7, logits)
    assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-12)
    assert gradient.abs().max() < 1e-12
