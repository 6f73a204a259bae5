"""Eq. 16: the divergence of the student's and the teacher's predictions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import jensen_shannon_divergence
from tests.losses import equations
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients

LOG_2 = math.log(2)


@properties
@given(logit_pairs())
def test_is_the_printed_equation(pair: tuple[Tensor, Tensor]) -> None:
    divergence = jensen_shannon_divergence(*pair)
    assert divergence.shape == ()
    assert divergence.dtype == torch.float64
    expected = equations.jensen_shannon_divergence(pair[0].tolist(), pair[1].tolist())
    assert divergence.item() == pytest.approx(expected, rel=1e-10, abs=1e-14)


def test_agrees_with_scipy() -> None:
    p, q = normal(20, 7, seed=0) * 3, normal(20, 7, seed=1) * 3
    distances = jensenshannon(p.softmax(1).numpy(), q.softmax(1).numpy(), axis=1)
    assert jensen_shannon_divergence(p, q).item() == pytest.approx((distances**2).mean(), rel=1e-10)


def test_by_hand() -> None:
    """P = (1/2, 1/2), Q = (1/4, 3/4), mixture (3/8, 5/8)."""
    p, q = torch.zeros(1, 2).double(), torch.tensor([[0.0, math.log(3)]], dtype=torch.float64)
    kl_p = 0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 5)
    kl_q = 0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5)
    assert jensen_shannon_divergence(p, q).item() == pytest.approx((kl_p + kl_q) / 2, rel=1e-12)


@properties
@given(logit_pairs(), st.permutations(range(3)), st.permutations(range(4)), st.floats(-50, 50))
def test_symmetries(pair: tuple[Tensor, Tensor], rows: list[int], classes: list[int], shift: float) -> None:
    """Arguments may change places; rows and classes their order; logits are defined up to a constant per row."""
    p, q = pair
    expected = jensen_shannon_divergence(p, q)
    for variant in [
        (q, p),
        (p[rows], q[rows]),
        (p[:, classes], q[:, classes]),
        (p + shift, q),
        (p, q - torch.tensor([[shift], [0.0], [1.0]])),
    ]:
        assert_close(jensen_shannon_divergence(*variant), expected, rtol=1e-9, atol=1e-12)


@properties
@given(logit_pairs(batch=1))
def test_lies_between_its_bounds_in_total_variation(pair: tuple[Tensor, Tensor]) -> None:
    """TV²/2 (Pinsker) ≤ JSD ≤ TV log 2, so it is 0 only for equal predictions and never above log 2."""
    total_variation = (pair[0].softmax(1) - pair[1].softmax(1)).abs().sum().item() / 2
    divergence = jensen_shannon_divergence(*pair).item()
    assert total_variation**2 / 2 - 1e-14 <= divergence <= total_variation * LOG_2 + 1e-14


@properties
@given(logit_pairs(bound=1e4))
def test_float32_stays_in_range(pair: tuple[Tensor, Tensor]) -> None:
    p, q = (logits.float() for logits in pair)
    value, gradients = value_and_gradients(jensen_shannon_divergence, p, q)
    assert -1e-6 <= value.item() <= LOG_2 + 1e-6
    assert value.item() == pytest.approx(equations.jensen_shannon_divergence(p.tolist(), q.tolist()), abs=1e-5)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([[1e4, -1e4]], [[-1e4, 1e4]], LOG_2),
        ([[1e4, -1e4]], [[1e4, -1e4]], 0.0),
        ([[1e4, 1e4]], [[-1e4, -1e4]], 0.0),
        # (½, ½, 0) and (1, 0, 0): KL(P || mixture) = ½ log ⅔ + ½ log 2, KL(Q || mixture) = log 4/3
        ([[1e4, 1e4, -1e4]], [[1e4, -1e4, -1e4]], 0.25 * math.log(2 / 3) + 0.25 * LOG_2 + 0.5 * math.log(4 / 3)),
        ([[1e4, -1e4], [0.0, 0.0]], [[-1e4, 1e4], [0.0, 0.0]], LOG_2 / 2),
        ([[3.0]], [[-1e4]], 0.0),
        ([[0.0, 0.0]], [[0.0, 0.0]], 0.0),
    ],
)
def test_extremes(p: list[list[float]], q: list[list[float]], expected: float, dtype: torch.dtype) -> None:
    value, gradients = value_and_gradients(
        jensen_shannon_divergence, torch.tensor(p, dtype=dtype), torch.tensor(q, dtype=dtype)
    )
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_gradient_vanishes_only_at_equality() -> None:
    p, q = normal(3, 4, seed=0), normal(3, 4, seed=1)
    for gradient in value_and_gradients(jensen_shannon_divergence, p, p)[1]:
        assert_close(gradient, torch.zeros_like(p), rtol=0, atol=1e-12)
    for gradient in value_and_gradients(jensen_shannon_divergence, p, q)[1]:
        assert (gradient.norm(dim=1) > 1e-3).all()
        assert_close(gradient.sum(1), torch.zeros(3).double(), rtol=0, atol=1e-12)  # a row's constant does not matter


def test_descent_reaches_the_other_prediction() -> None:
    p, q = normal(3, 4, seed=0), normal(3, 4, seed=1)
    for _ in range(300):
        p = p - 10 * value_and_gradients(jensen_shannon_divergence, p, q)[1][0]
    assert_close(p.softmax(1), q.softmax(1), rtol=0, atol=1e-2)
