"""Hinton et al. 2015: predictions softened by a temperature."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf, sqrt, workdps
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import soft_label_divergence, standardized_logits
from tests.losses.equations import DIGITS, Row, Rows, softmax
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients

TEMPERATURES = st.sampled_from([0.5, 1.0, 2.0, 20.0])


def cross_entropy_with_soft_targets(student: Row, teacher: Row, temperature: float) -> float:
    """Section 2: q_i = exp(z_i / T) / Σ_j exp(z_j / T) (Eq. 1), and the cross-entropy with the soft targets."""
    q, p = (softmax([logit / temperature for logit in row]) for row in (student, teacher))
    return float(-sum(target * math.log(probability) for target, probability in zip(p, q, strict=True)))


def divergence(student: Rows, teacher: Rows, temperature: float) -> float:
    """The cross-entropy less what is left when the student agrees, averaged over the batch."""
    each = [
        cross_entropy_with_soft_targets(s, t, temperature) - cross_entropy_with_soft_targets(t, t, temperature)
        for s, t in zip(student, teacher, strict=True)
    ]
    return sum(each) / len(each)


@properties
@given(logit_pairs(), TEMPERATURES)
def test_is_the_cross_entropy_with_soft_targets_less_the_teacher_s_entropy(
    pair: tuple[Tensor, Tensor], temperature: float
) -> None:
    found = soft_label_divergence(*pair, temperature)
    assert found.shape == ()
    assert found.item() == pytest.approx(divergence(pair[0].tolist(), pair[1].tolist(), temperature), 1e-10, 1e-12)
    assert found.item() >= -1e-14


def test_by_hand() -> None:
    """Teacher (¾, ¼), student (½, ½) at T = 2."""
    student, teacher = torch.zeros(1, 2).double(), torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert soft_label_divergence(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-12)


@properties
@given(logit_pairs(), TEMPERATURES)
def test_the_student_s_gradient_is_eq_2(pair: tuple[Tensor, Tensor], temperature: float) -> None:
    """∂C/∂z_i = (q_i − p_i) / T, of each case."""
    student, teacher = pair
    _, (gradient, _) = value_and_gradients(lambda s, t: soft_label_divergence(s, t, temperature), student, teacher)
    q, p = (student / temperature).softmax(1), (teacher / temperature).softmax(1)
    assert_close(gradient, (q - p) / temperature / len(student), rtol=1e-9, atol=1e-12)


def test_times_the_squared_temperature_it_becomes_logit_matching() -> None:
    """Eq. 4: at high T, with logits of mean 0, T² ∂C/∂z_i is (z_i − v_i) / C: distillation compares logits."""
    student, teacher = (
        logits - logits.mean(1, keepdim=True) for logits in (normal(3, 5, seed=1), normal(3, 5, seed=2))
    )
    temperature = 1e4
    _, (gradient, _) = value_and_gradients(lambda s, t: soft_label_divergence(s, t, temperature), student, teacher)
    assert_close(temperature**2 * gradient, (student - teacher) / 5 / 3, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ([[1e4, -1e4]], [[-1e4, 1e4]]),
        ([[1e4, -1e4]], [[1e4, -1e4]]),
        ([[0.0, 0.0]], [[1e4, -1e4]]),
        ([[1e4, -1e4, 0.0], [3.0, 3.0, 3.0]], [[0.0, 0.0, 0.0], [-1e4, 1e4, 1e4]]),
        ([[3.0]], [[-1e4]]),
    ],
)
def test_extremes_in_float32(student: Rows, teacher: Rows, temperature: float) -> None:
    leaves = torch.tensor(student), torch.tensor(teacher)
    value, gradients = value_and_gradients(lambda s, t: soft_label_divergence(s, t, temperature), *leaves)
    expected = sum(
        float(p * (a - b))
        for s, t in zip(student, teacher, strict=True)
        for p, a, b in zip(
            softmax([x / temperature for x in t]), *(log_softmax(x, temperature) for x in (t, s)), strict=True
        )
    )
    assert value.item() == pytest.approx(expected / len(student), rel=1e-5, abs=1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients)


def log_softmax(logits: Row, temperature: float) -> list[float]:
    scaled = [logit / temperature for logit in logits]
    total = max(scaled) + math.log(sum(math.exp(logit - max(scaled)) for logit in scaled))
    return [logit - total for logit in scaled]


@pytest.mark.parametrize("temperature", [0.0, -2.0, math.nan, math.inf])
def test_temperatures_that_soften_nothing_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="expected a temperature above 0"):
        soft_label_divergence(torch.ones(2, 3), torch.ones(2, 3), temperature)


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (3,), (2, 3, 1)])
def test_shapes_are_not_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"student_logits and teacher_logits of one shape \(B, C\)"):
        soft_label_divergence(torch.ones(2, 3), torch.ones(shape))


@workdps(DIGITS)
def z_scores(row: Row) -> list[float]:
    """(z − mean) / σ with σ² = Σ (z − mean)² / (C − 1); 0 where all logits are equal."""
    centred = [mpf(z) - sum(map(mpf, row)) / len(row) for z in row]
    deviation = sqrt(sum(z * z for z in centred) / max(len(row) - 1, 1))
    return [float(z / deviation) if deviation else 0.0 for z in centred]


@properties
@given(st.integers(0, 1000), st.sampled_from([1e-30, 1e-3, 1.0, 1e3, 1e30]), st.integers(1, 5))
def test_standardized_logits_are_z_scores(seed: int, scale: float, classes: int) -> None:
    logits = scale * normal(3, classes, seed=seed)
    found = standardized_logits(logits)
    assert_close(
        found, torch.tensor([z_scores(row) for row in logits.tolist()], dtype=torch.float64), rtol=1e-10, atol=1e-10
    )
    assert_close(standardized_logits(logits.float()), found.float(), rtol=1e-3, atol=1e-3)


def test_standardized_logits_know_neither_shift_nor_scale() -> None:
    logits, steepness = normal(4, 5, seed=1), torch.tensor([[0.1], [1.0], [7.0], [100.0]]).double()
    assert_close(standardized_logits(steepness * logits + 3 * steepness), standardized_logits(logits))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e30, 1e-30])
def test_logits_that_are_all_equal_have_no_direction(value: float) -> None:
    """What rounding leaves of them is not blown up, neither in the value nor in the gradient."""
    rows = torch.full((2, 7), value)
    found, (gradient,) = value_and_gradients(
        lambda x: (standardized_logits(x) * normal(2, 7, seed=1, dtype=torch.float32)).sum(), rows
    )
    assert found == 0
    assert not gradient.any()


def test_logits_that_differ_by_rounding_alone_are_equal() -> None:
    rows = 5 * torch.ones(1, 4) + 5e-7 * torch.tensor([[1.0, 0.0, 0.0, -1.0]])
    assert len(set(rows[0].tolist())) > 1
    assert not standardized_logits(rows).any()
    assert standardized_logits(rows.double()).any(), "which float64 can tell"


def test_only_matrices_of_logits_are_standardized() -> None:
    for logits in (torch.ones(3), torch.ones(0, 3), torch.ones(2, 0)):
        with pytest.raises(ValueError, match=r"logits of shape \(B, C\)"):
            standardized_logits(logits)
    with pytest.raises(ValueError, match="int64"):
        standardized_logits(torch.ones(2, 3, dtype=torch.int64))
