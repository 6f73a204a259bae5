"""Hoffman et al. 2016: the squared distance of sigmoids of features."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from torch import Tensor

from crossdistill.losses import hallucination_loss
from tests.losses.equations import Rows
from tests.losses.examples import logit_pairs, properties, value_and_gradients


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def hallucination(hallucinated: Rows, auxiliary: Rows) -> float:
    """||σ(A_dNet) − σ(A_hNet)||² of each sample, averaged over the batch."""
    each = [
        sum((sigmoid(a) - sigmoid(h)) ** 2 for h, a in zip(row, wanted, strict=True))
        for row, wanted in zip(hallucinated, auxiliary, strict=True)
    ]
    return sum(each) / len(each)


@properties
@given(logit_pairs())
def test_is_the_squared_norm_of_the_difference_of_sigmoids(pair: tuple[Tensor, Tensor]) -> None:
    expected = hallucination(pair[0].tolist(), pair[1].tolist())
    assert hallucination_loss(*pair).item() == pytest.approx(expected, 1e-10, 1e-12)
    width = pair[0].shape[1]
    assert hallucination_loss(*pair, reduction="mean").item() == pytest.approx(expected / width, 1e-10, 1e-12)
    assert hallucination_loss(*pair).item() == pytest.approx(hallucination_loss(pair[1], pair[0]).item(), 1e-12)


def test_no_feature_counts_for_more_than_1() -> None:
    """So that one feature in the thousands does not drown the others."""
    huge = torch.tensor([[1e4, -1e4, 0.0]])
    value, gradients = value_and_gradients(hallucination_loss, -huge, huge)
    assert value.item() == 2.0
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_other_arguments_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"hallucinated and auxiliary of one shape \(B, D\), got \(4, 3\) and \(4, 1\)"
    ):
        hallucination_loss(torch.ones(4, 3), torch.ones(4, 1))
    with pytest.raises(ValueError, match="expected reduction 'sum' or 'mean', got 'none'"):
        hallucination_loss(torch.ones(4, 3), torch.ones(4, 3), "none")  # type: ignore[arg-type]
