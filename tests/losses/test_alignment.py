"""The mean cosines of Eq. 14 and Fig. 5, which say how well the student is aligned with the teacher."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from crossdistill.losses import pair_cosine, same_class_cosine, same_class_pairs
from tests.losses import equations
from tests.losses.examples import LabelledBatch, batches, normal, properties, value_and_gradients


@properties
@given(batches())
def test_are_the_printed_averages(batch: LabelledBatch) -> None:
    full, other, labels = batch.rows()
    pair, same = pair_cosine(batch.full, batch.other), same_class_cosine(*batch)
    assert pair.shape == same.shape == ()
    assert pair.dtype == same.dtype == torch.float64
    assert pair.item() == pytest.approx(equations.pair_cosine(full, other), rel=1e-10, abs=1e-12)
    assert same.item() == pytest.approx(equations.same_class_cosine(full, other, labels), rel=1e-10, abs=1e-12)
    assert abs(pair.item()) <= 1 + 1e-12
    assert abs(same.item()) <= 1 + 1e-12


@properties
@given(st.lists(st.integers(-3, 3), max_size=12))
def test_same_class_pairs_counts_ordered_pairs(labels: list[int]) -> None:
    count = same_class_pairs(torch.tensor(labels, dtype=torch.int64))
    assert not count.dtype.is_floating_point
    assert count.shape == ()
    assert count.item() == sum(a == b for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j)


@properties
@given(batches(), st.integers(0, 10_000))
def test_order_names_and_lengths_do_not_matter(batch: LabelledBatch, seed: int) -> None:
    full, other, labels = batch
    generator = torch.Generator().manual_seed(seed)
    order, names = torch.randperm(len(labels), generator=generator), torch.randperm(4, generator=generator) * 10**12
    lengths = 0.1 + 10 * torch.rand(2, len(labels), 1, generator=generator)
    for variant in [
        (full[order], other[order], labels[order]),
        (full, other, names[labels]),
        (full * lengths[0], other * lengths[1], labels),
        (other, full, labels),
    ]:
        assert_close(pair_cosine(*variant[:2]), pair_cosine(full, other), rtol=1e-10, atol=1e-12)
        assert_close(same_class_cosine(*variant), same_class_cosine(*batch), rtol=1e-10, atol=1e-12)
        assert torch.equal(same_class_pairs(variant[2]), same_class_pairs(labels))


def test_by_hand() -> None:
    """Angles of 0, 90, 180 and 60 degrees."""
    full = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]).double()
    other = torch.tensor([[5.0, 0.0], [-7.0, 0.0], [0.5, math.sqrt(3) / 2]], dtype=torch.float64)
    assert pair_cosine(full, other).item() == pytest.approx((1 + 0 + 0.5) / 3, rel=1e-12)
    # same class: M_1 with S_3 (60°) and M_3 with S_1 (0°); a sample with itself does not count
    assert same_class_cosine(full, other, torch.tensor([4, 2, 4])).item() == pytest.approx(0.75, rel=1e-12)
    assert same_class_pairs(torch.tensor([4, 2, 4])).item() == 2


def test_ends_of_the_scale() -> None:
    rows, one_class = normal(1, 5, seed=0).expand(4, 5), torch.zeros(4, dtype=torch.int64)
    for sign in (1.0, -1.0):
        assert pair_cosine(rows, sign * rows).item() == pytest.approx(sign, rel=1e-12)
        assert same_class_cosine(rows, sign * rows, one_class).item() == pytest.approx(sign, rel=1e-12)


@pytest.mark.parametrize("batch", [1, 3])
def test_no_pair_of_the_same_class(batch: int) -> None:
    rows, labels = normal(batch, 3, seed=0), torch.arange(batch)
    value, gradients = value_and_gradients(lambda m, s: same_class_cosine(m, s, labels), rows, rows)
    assert value.item() == 0.0
    assert all((gradient == 0).all() for gradient in gradients)
    assert same_class_pairs(labels).item() == 0


def test_average_over_batches_by_their_pairs_is_the_average_over_all_pairs() -> None:
    """Why the number of pairs is worth having: an epoch's mean is not the mean of its batches' means."""
    full, other = normal(7, 3, seed=0), normal(7, 3, seed=1)
    labels = torch.tensor([0, 0, 0, 1, 2, 3, 2])
    parts = [slice(0, 4), slice(4, 7)]
    pairs = torch.stack([same_class_pairs(labels[part]) for part in parts])
    means = torch.stack([same_class_cosine(full[part], other[part], labels[part]) for part in parts])
    assert pairs.tolist() == [6, 2]
    assert_close((means * pairs).sum() / pairs.sum(), same_class_cosine(full, other, labels))
