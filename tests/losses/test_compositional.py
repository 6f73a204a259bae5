"""CCL's class-aware contrastive loss; its extremes, precisions and errors are in test_contract and test_errors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from crossdistill.losses import class_contrastive_loss, row_blocks
from tests.losses import contrast_equations
from tests.losses.examples import TEMPERATURES, LabelledBatch, batches, normal, properties, value_and_gradients


@properties
@given(batches(), TEMPERATURES)
def test_is_the_equation(batch: LabelledBatch, temperature: float) -> None:
    value = class_contrastive_loss(*batch, temperature)
    expected = contrast_equations.class_contrastive_loss(*batch.rows(), temperature)
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_by_hand() -> None:
    """Two classes at right angles, τ = 1: p is e/(e + 1) with the own sample and 1/(e + 1) with the other."""
    rows = torch.eye(2, dtype=torch.float64)
    p = math.e / (math.e + 1)
    expected = 2 * (-math.log(p) - math.log(1 - (1 - p)))  # both ways; both samples alike
    assert class_contrastive_loss(3 * rows, rows, torch.tensor([0, 1]), 1.0).item() == pytest.approx(
        expected, rel=1e-12
    )


@properties
@given(batches())
def test_has_no_direction(batch: LabelledBatch) -> None:
    first, second, labels = batch
    assert_close(class_contrastive_loss(first, second, labels), class_contrastive_loss(second, first, labels))


def test_one_class_only_has_no_negative_term() -> None:
    """The mean of -log p over all pairs, where the published code divides by the number of negatives, 0."""
    first, second = normal(3, 4, seed=0), normal(3, 4, seed=1)
    cosines = torch.nn.functional.cosine_similarity(first[:, None], second[None], dim=2) / 0.5
    expected = -(cosines.log_softmax(1).mean() + cosines.log_softmax(0).mean())
    value, gradients = value_and_gradients(
        lambda x, y: class_contrastive_loss(x, y, torch.zeros(3, dtype=torch.int64)), first, second
    )
    assert_close(value, expected)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_more_samples_of_a_class_do_not_weigh_more() -> None:
    """Means, not sums: with every sample twice, p halves, and the loss changes by log 2 and by log(1 - p) alone."""
    first, second, labels = normal(4, 3, seed=2), normal(4, 3, seed=3), torch.tensor([0, 1, 2, 3])
    single = class_contrastive_loss(first, second, labels, 1.0)
    twice = class_contrastive_loss(first.repeat(2, 1), second.repeat(2, 1), labels.repeat(2), 1.0)
    assert 0 < twice - single < 2 * math.log(2)


@pytest.mark.parametrize("rows", [1, 3])
def test_one_product_for_both_directions_gives_what_two_give(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, labels = normal(7, 4, seed=4), normal(7, 4, seed=5), torch.tensor([0, 1, 0, 2, 2, 0, 3])
    at_once = value_and_gradients(lambda x, y: class_contrastive_loss(x, y, labels, 0.1), first, second)
    monkeypatch.setattr(row_blocks, "_rows_of_block", lambda full: rows)
    apart = value_and_gradients(lambda x, y: class_contrastive_loss(x, y, labels, 0.1), first, second)
    assert_close(at_once, apart, rtol=1e-12, atol=1e-14)
