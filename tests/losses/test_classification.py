"""True labels, where some are unknown."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from crossdistill.losses import as_own_classes, labelled_cross_entropy
from tests.losses.equations import softmax
from tests.losses.examples import normal, properties, value_and_gradients


@properties
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=7), st.sampled_from([1e-3, 1.0, 30.0]))
def test_is_the_mean_over_the_labelled_samples(labels: list[int], scale: float) -> None:
    logits = scale * normal(len(labels), 4, seed=1)
    known = [-math.log(softmax(row)[label]) for row, label in zip(logits.tolist(), labels, strict=True) if label >= 0]
    expected = sum(known) / len(known) if known else 0.0
    assert labelled_cross_entropy(logits, torch.tensor(labels)).item() == pytest.approx(expected, 1e-10, 1e-12)


def test_unlabelled_samples_get_no_gradient() -> None:
    labels = torch.tensor([0, -1, 2, -1])
    _, (gradient,) = value_and_gradients(lambda x: labelled_cross_entropy(x, labels), normal(4, 3, seed=1))
    assert (gradient.abs().sum(1) > 0).tolist() == [True, False, True, False]


def test_with_all_labels_it_is_the_ordinary_one_to_the_bit() -> None:
    for seed in range(20):
        logits, labels = normal(37, 5, seed=seed, dtype=torch.float32), torch.arange(37) % 5
        found = value_and_gradients(lambda x, y=labels: labelled_cross_entropy(x, y), logits)
        expected = value_and_gradients(lambda x, y=labels: cross_entropy(x, y), logits)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1][0], expected[1][0])


def test_without_any_label_it_is_zero_and_has_a_gradient() -> None:
    value, (gradient,) = value_and_gradients(
        lambda x: labelled_cross_entropy(x, torch.tensor([-1, -1])), normal(2, 3, seed=1)
    )
    assert value == 0
    assert not gradient.any()


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"logits of shape \(B, C\), got \(3,\)"):
        labelled_cross_entropy(torch.zeros(3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"labels of shape \(2,\)"):
        labelled_cross_entropy(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))


@properties
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9))
def test_only_labelled_samples_share_a_class(labels: list[int]) -> None:
    classes = as_own_classes(torch.tensor(labels)).tolist()
    for i, first in enumerate(labels):
        assert classes[i] == first if first >= 0 else classes[i] < 0
        for j, second in enumerate(labels):
            assert (classes[i] == classes[j]) == (i == j or (first == second and first >= 0))


def test_classes_of_their_own_are_of_labels_alone() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(B,\)"):
        as_own_classes(torch.zeros(2, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="integer dtype"):
        as_own_classes(torch.zeros(2))
