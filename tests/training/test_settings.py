"""Learning rates over epochs, as the paper's schedule and its neighbours have them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.training import Optimization
from crossdistill.training.settings import learning_rate_factor

STEPS, COSINE, CONSTANT = (Optimization(schedule=s) for s in ("steps", "cosine", "constant"))  # type: ignore[arg-type]


def test_steps_are_the_paper_s() -> None:
    """Section 4.2: the learning rate times 0.1 at 50 % and at 75 % of the epochs."""
    factors = [learning_rate_factor(STEPS, epoch, 100) for epoch in range(100)]
    assert factors == pytest.approx([1.0] * 50 + [0.1] * 25 + [0.01] * 25)


@given(st.integers(1, 50))
def test_steps_of_any_number_of_epochs(epochs: int) -> None:
    for epoch in range(epochs):
        expected = 1.0 if 2 * epoch < epochs else 0.1 if 4 * epoch < 3 * epochs else 0.01
        assert learning_rate_factor(STEPS, epoch, epochs) == pytest.approx(expected)


def test_cosine_by_hand() -> None:
    factors = [learning_rate_factor(COSINE, epoch, 4) for epoch in range(4)]
    assert factors == pytest.approx([1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4])


@given(st.integers(2, 60), st.integers(0, 10))
def test_cosine_falls_from_1_towards_0_after_the_ramp(epochs: int, ramp: int) -> None:
    settings = replace(COSINE, ramp_epochs=ramp)
    after = [learning_rate_factor(settings, epoch, epochs) for epoch in range(ramp, epochs)]
    assert after == sorted(after, reverse=True)
    assert all(0 < factor <= 1 for factor in after)
    if after:
        assert after[0] == 1.0
        assert after[-1] <= (math.pi / len(after)) ** 2 / 4 + 1e-9, "one step before 0"


def test_constant_stays() -> None:
    assert {learning_rate_factor(CONSTANT, epoch, 30) for epoch in range(30)} == {1.0}


@pytest.mark.parametrize("settings", [STEPS, COSINE, CONSTANT], ids=lambda s: s.schedule)
def test_a_ramp_rises_evenly_to_the_top(settings: Optimization) -> None:
    factors = [learning_rate_factor(replace(settings, ramp_epochs=4), epoch, 100) for epoch in range(5)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
