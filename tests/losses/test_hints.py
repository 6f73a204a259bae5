"""Romero et al. 2015, Eq. 3."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import hint_loss
from tests.losses.equations import Rows
from tests.losses.examples import normal, properties, rows, value_and_gradients


def eq_3(guided: Rows, hint: Rows, reduction: str) -> float:
    """L_HT = ½ ||u_h(x; W_Hint) − r(v_g(x; W_Guided); W_r)||², averaged over the batch; "mean" divides it by D."""
    total = 0.0
    for r, u in zip(guided, hint, strict=True):
        norm = sum((a - b) ** 2 for a, b in zip(u, r, strict=True))
        total += 0.5 * norm / (len(u) if reduction == "mean" else 1)
    return total / len(hint)


@properties
@given(st.data(), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["sum", "mean"]))
def test_is_the_printed_equation(data: st.DataObject, batch: int, width: int, reduction: str) -> None:
    guided, hint = (data.draw(rows(batch, width, (1e-3, 1.0, 1e3))) for _ in range(2))
    found = hint_loss(guided, hint, reduction)  # type: ignore[arg-type]
    assert found.shape == ()
    assert found.item() == pytest.approx(eq_3(guided.tolist(), hint.tolist(), reduction), rel=1e-10, abs=1e-14)


def test_gradients_are_the_differences() -> None:
    guided, hint = normal(4, 3, seed=1), normal(4, 3, seed=2)
    _, gradients = value_and_gradients(hint_loss, guided, hint)
    assert_close(gradients[0], (guided - hint) / 4)
    assert_close(gradients[1], (hint - guided) / 4)


@pytest.mark.parametrize("make", [torch.zeros_like, lambda x: 1e4 * x, lambda x: x[:1].expand_as(x)])
def test_extremes(make: object) -> None:
    guided, hint = (make(normal(4, 3, seed=seed, dtype=torch.float32)) for seed in (1, 2))  # type: ignore[operator]
    value, gradients = value_and_gradients(hint_loss, guided, hint)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert hint_loss(guided, guided) == 0


@pytest.mark.parametrize("other", [torch.ones(4, 1), torch.ones(1, 3), torch.ones(3), torch.ones(4, 3).long()])
def test_mistakes_are_refused(other: Tensor) -> None:
    with pytest.raises(ValueError, match="expected"):
        hint_loss(torch.ones(4, 3), other)


def test_reductions_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="expected reduction 'sum' or 'mean', got 'median'"):
        hint_loss(torch.ones(4, 3), torch.ones(4, 3), "median")  # type: ignore[arg-type]
