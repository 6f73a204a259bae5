"""λ of Eq. 14, by hand over several epochs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.methods import AdaptiveWeights

cosine = st.floats(-1, 1)


def test_lambda_starts_at_one_half_each() -> None:
    assert AdaptiveWeights().weights == (0.5, 0.5)


@given(st.floats(0.01, 0.99), st.lists(st.tuples(cosine, cosine), max_size=6))
def test_the_moving_average_by_hand(beta: float, epochs: list[tuple[float, float]]) -> None:
    adaptive, averages = AdaptiveWeights(beta), [0.5, 0.5]
    for means in epochs:
        adaptive.update(*means)
        averages = [beta * average + (1 - beta) * (1 - mean) for average, mean in zip(averages, means, strict=True)]
        exponentials = [math.exp(average) for average in averages]
        expected = [exponential / sum(exponentials) for exponential in exponentials]
        assert list(adaptive.weights) == pytest.approx(expected, rel=1e-9)
        assert sum(adaptive.weights) == pytest.approx(1, abs=1e-12)
        assert min(adaptive.weights) > 0


@given(cosine, cosine)
def test_the_worse_aligned_pairs_weigh_more(first: float, second: float) -> None:
    adaptive = AdaptiveWeights(0.5)
    adaptive.update(first, second)
    weights = adaptive.weights
    if first < second - 1e-9:
        assert weights[0] > weights[1]
    if first > second + 1e-9:
        assert weights[0] < weights[1]


def test_equal_alignment_gives_equal_weights() -> None:
    adaptive = AdaptiveWeights()
    adaptive.update(0.3, 0.3)
    assert adaptive.weights == (0.5, 0.5)


def test_state_goes_through_its_state_dict() -> None:
    first, second = AdaptiveWeights(), AdaptiveWeights()
    for epoch in range(5):
        first.update(0.1 * epoch, 0.3)
    second.load_state_dict(first.state_dict())
    assert second.weights == first.weights != (0.5, 0.5)
    for adaptive in (first, second):
        adaptive.update(0.25, -0.5)
    assert second.weights == first.weights
    assert first.state_dict()["moving_average"].dtype == torch.float64


def test_there_is_nothing_to_train() -> None:
    assert not list(AdaptiveWeights().parameters())


@pytest.mark.parametrize("beta", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_beta_outside_0_to_1_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match=r"expected beta in \(0, 1\)"):
        AdaptiveWeights(beta)
