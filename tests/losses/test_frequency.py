"""FD-CMKD: the split of features by a slow Fourier transform, and the distances of its bands."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import frequency_bands, frequency_decoupled_loss, standardized_mse_loss
from tests.losses.equations import Row, Rows
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients


def band(row: Row, keep: set[int]) -> list[float]:
    """Eq. 1 to 3: the discrete Fourier transform, a mask, and the inverse; frequency k and D − k are one."""
    width = len(row)
    spectrum = [
        sum(x * cmath.exp(-2j * math.pi * k * n / width) for n, x in enumerate(row)) if min(k, width - k) in keep else 0
        for k in range(width)
    ]
    return [
        (sum(s * cmath.exp(2j * math.pi * k * n / width) for k, s in enumerate(spectrum)) / width).real
        for n in range(width)
    ]


def bands(row: Row) -> tuple[list[float], list[float]]:
    frequencies = list(range(1, len(row) // 2 + 1))
    border = math.ceil(len(frequencies) / 2)
    return band(row, set(frequencies[:border])), band(row, set(frequencies[border:]))


def unit(row: Row) -> list[float]:
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row] if length > 1e-9 else [0.0 for _ in row]


def sigma(x: float) -> float:
    return math.log(1 + x) if x >= 0 else -math.log(1 - x)


def mse(first: Rows, second: Rows) -> float:
    squares = [(a - b) ** 2 for row, other in zip(first, second, strict=True) for a, b in zip(row, other, strict=True)]
    return sum(squares) / len(squares)


def decoupled(student: Rows, teacher: Rows) -> float:
    low = mse([unit(bands(row)[0]) for row in student], [unit(bands(row)[0]) for row in teacher])
    high = [[[sigma(x) for x in unit(bands(row)[1])] for row in rows] for rows in (student, teacher)]
    return low + mse(*high)


def standardized(rows: Rows) -> list[list[float]]:
    return [unit([x - sum(row) / len(row) for x in row]) for row in rows]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9, 16])
def test_bands_by_a_slow_fourier_transform(width: int) -> None:
    features = normal(3, width, seed=width)
    low, high = frequency_bands(features)
    assert low.shape == high.shape == features.shape
    for row, found_low, found_high in zip(features.tolist(), low.tolist(), high.tolist(), strict=True):
        expected_low, expected_high = bands(row)
        assert found_low == pytest.approx(expected_low, abs=1e-12)
        assert found_high == pytest.approx(expected_high, abs=1e-12)
    assert_close(low + high, features - features.mean(1, keepdim=True))
    assert_close((low * high).sum(1), torch.zeros(3).double(), rtol=0, atol=1e-12)  # nothing is in both


@properties
@given(logit_pairs(batch=3, classes=6))
def test_the_losses_in_slow_loops(pair: tuple[Tensor, Tensor]) -> None:
    rows = [tensor.tolist() for tensor in pair]
    if any(math.dist(part, [0.0] * 6) < 1e-3 for one in rows for row in one for part in bands(row)):
        return  # of a band with rounding alone, the direction is chance
    assert frequency_decoupled_loss(*pair).item() == pytest.approx(decoupled(*rows), 1e-9, 1e-10)
    assert standardized_mse_loss(*pair).item() == pytest.approx(mse(*map(standardized, rows)), 1e-9, 1e-10)


@pytest.mark.parametrize("loss", [frequency_decoupled_loss, standardized_mse_loss])
@properties
@given(st.floats(0.1, 100.0), st.floats(-50.0, 50.0))
def test_neither_length_nor_mean_of_a_row_matters(loss: object, scale: float, offset: float) -> None:
    student, teacher = normal(4, 8, seed=1), normal(4, 8, seed=2)
    assert callable(loss)
    assert_close(loss(scale * student + offset, teacher), loss(student, teacher))
    assert loss(scale * student + offset, student).item() < 1e-20


def test_a_difference_in_low_frequencies_costs_more_than_one_in_high_ones() -> None:
    """The same change of sign of either band."""
    features = normal(6, 16, seed=3)
    low, high = frequency_bands(features)
    assert frequency_decoupled_loss(high - low, features) > 1.1 * frequency_decoupled_loss(low - high, features)
    plain = [standardized_mse_loss(changed, features) for changed in (high - low, low - high)]
    assert all(value > 0 for value in plain)


@pytest.mark.parametrize("loss", [frequency_decoupled_loss, standardized_mse_loss])
@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, -1e4])
def test_a_constant_row_has_no_direction(loss: object, value: float) -> None:
    """What rounding leaves of it is not to be learnt from: its gradient would be as large as the noise is small."""
    assert callable(loss)
    constant, teacher = torch.full((2, 24), value), normal(2, 24, seed=4, dtype=torch.float32)
    found, (gradient, _) = value_and_gradients(loss, constant, teacher)
    assert found.isfinite()
    assert not gradient.any()
    assert value_and_gradients(loss, constant + teacher.flip(0), teacher)[1][0].all()


def test_other_shapes_are_refused() -> None:
    for loss in (frequency_decoupled_loss, standardized_mse_loss):
        with pytest.raises(ValueError, match=r"student and teacher of one shape \(B, D\), got \(4, 3\) and \(4, 1\)"):
            loss(torch.ones(4, 3), torch.ones(4, 1))
        with pytest.raises(ValueError, match=r"of at least one row and one column, got shape \(0, 3\)"):
            loss(torch.ones(0, 3), torch.ones(0, 3))
    for shape in ((4,), (4, 0), (0, 4)):
        with pytest.raises(ValueError, match=r"features of shape \(B, D\) with B > 0 and D > 0, got \("):
            frequency_bands(torch.ones(shape))
    with pytest.raises(ValueError, match="features of a floating-point dtype"):
        frequency_bands(torch.ones(4, 3, dtype=torch.int64))
