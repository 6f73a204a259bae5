"""NT-Xent over 2B rows; its extremes, precisions and most errors are in test_contract and test_errors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from crossdistill.losses import info_nce_loss, nt_xent_loss
from tests.losses import contrast_equations
from tests.losses.examples import TEMPERATURES, LabelledBatch, batches, normal, properties


@properties
@given(batches(), TEMPERATURES)
def test_is_the_equation(batch: LabelledBatch, temperature: float) -> None:
    first, second, _ = batch.rows()
    value = nt_xent_loss(batch.full, batch.other, temperature)
    expected = contrast_equations.nt_xent_loss(first, second, temperature)
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_by_hand() -> None:
    """Two samples at right angles, each twice, τ = 1: e for the partner, and 1 for each of the two others."""
    rows = torch.eye(2, dtype=torch.float64)
    assert nt_xent_loss(rows, 5 * rows, 1.0).item() == pytest.approx(math.log((math.e + 2) / math.e), rel=1e-12)


def test_identical_rows_leave_a_guess_among_all_others() -> None:
    rows = normal(1, 4, seed=0).expand(5, 4)
    assert nt_xent_loss(rows, rows, 0.05).item() == pytest.approx(math.log(2 * 5 - 1), rel=1e-12)


@properties
@given(batches(max_batch=5))
def test_has_no_direction_and_no_order(batch: LabelledBatch) -> None:
    first, second, _ = batch
    order = torch.arange(len(first)).flip(0)
    value = nt_xent_loss(first, second)
    assert_close(nt_xent_loss(second, first), value)
    assert_close(nt_xent_loss(first[order], second[order]), value)


def test_rows_of_one_kind_repel_too() -> None:
    """What distinguishes it from InfoNCE both ways, whose sum of exponentials lacks the anchor's own kind."""
    first, second = normal(4, 3, seed=0), normal(4, 3, seed=1)
    both_ways = (info_nce_loss(first, second, 0.3) + info_nce_loss(second, first, 0.3)) / 2
    assert nt_xent_loss(first, second, 0.3) > both_ways


@pytest.mark.parametrize("temperature", [0.0, -0.3, math.nan, math.inf])
def test_temperature(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        nt_xent_loss(torch.ones(3, 2), torch.ones(3, 2), temperature)
