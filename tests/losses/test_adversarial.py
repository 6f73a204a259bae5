"""Eq. 12 and 13, and the partners of section 3.2 that their second discriminator looks at."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import class_partners, discriminator_loss, student_adversarial_loss
from tests.losses import equations
from tests.losses.examples import normal, properties, value_and_gradients


def logits(min_size: int = 1, bound: float = 30.0) -> st.SearchStrategy[Tensor]:
    values = st.lists(st.floats(-bound, bound, width=32), min_size=min_size, max_size=6)
    return values.map(lambda numbers: torch.tensor(numbers, dtype=torch.float64))


def logit_pairs(min_size: int = 1) -> st.SearchStrategy[tuple[Tensor, Tensor]]:
    """Two of the same length: a discriminator's logits for the teacher's and for the student's representations."""
    return logits(min_size).map(lambda first: (first, first.flip(0) * 0.7 - 1))


INTEGERS = [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int32, torch.int64]

WEIGHTS = st.floats(0, 1).map(lambda first: (first, 1 - first))
PARTNERS = st.none() | st.floats(0.5, 20)


def divisor(partners: float | None, d2: Tensor) -> float:
    """The slow equations' d; without partners the sum that it divides is empty."""
    return partners if partners is not None else max(len(d2), 1)


@properties
@given(logits(), logits(0), WEIGHTS, PARTNERS)
def test_student_loss_is_the_printed_equation(
    d1: Tensor, d2: Tensor, weights: tuple[float, float], partners: float | None
) -> None:
    loss = student_adversarial_loss(d1, d2, weights, partners)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    expected = equations.student_adversarial_loss(d1.tolist(), d2.tolist(), weights, divisor(partners, d2))
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-14)


@properties
@given(logit_pairs(), logit_pairs(0), WEIGHTS, PARTNERS)
def test_discriminator_loss_is_the_printed_equation(
    d1: tuple[Tensor, Tensor], d2: tuple[Tensor, Tensor], weights: tuple[float, float], partners: float | None
) -> None:
    loss = discriminator_loss(*d1, *d2, weights, partners)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    lists = [tensor.tolist() for tensor in (*d1, *d2)]
    expected = equations.discriminator_loss(*lists, weights, divisor(partners, d2[0]))
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-14)


@properties
@given(logit_pairs(), logit_pairs(0), WEIGHTS, PARTNERS)
def test_gradients_in_closed_form(
    d1: tuple[Tensor, Tensor], d2: tuple[Tensor, Tensor], weights: tuple[float, float], partners: float | None
) -> None:
    """-log σ(x) has the derivative σ(x) - 1, -log(1 - σ(x)) the derivative σ(x)."""
    first, second = weights[0] / len(d1[0]), weights[1] / divisor(partners, d2[0])
    _, gradients = value_and_gradients(lambda *d: student_adversarial_loss(*d, weights, partners), d1[1], d2[1])
    student = first * -torch.sigmoid(-d1[1]), second * -torch.sigmoid(-d2[1])
    assert_close(gradients, student, rtol=1e-10, atol=1e-14)
    _, gradients = value_and_gradients(lambda *d: discriminator_loss(*d, weights, partners), *d1, *d2)
    expected = (
        first * -torch.sigmoid(-d1[0]),
        first * torch.sigmoid(d1[1]),
        second * -torch.sigmoid(-d2[0]),
        second * torch.sigmoid(d2[1]),
    )
    assert_close(gradients, expected, rtol=1e-10, atol=1e-14)


def test_undecided_discriminators() -> None:
    """At D = ½ everywhere, λ summing to 1 and d = w: log 2 for the student and 2 log 2 for the discriminators."""
    d1, d2 = torch.zeros(5), torch.zeros(3)
    assert student_adversarial_loss(d1, d2, (0.2, 0.8)).item() == pytest.approx(math.log(2))
    assert discriminator_loss(d1, d1, d2, d2, (0.2, 0.8)).item() == pytest.approx(2 * math.log(2))


@properties
@given(logits(), logits(), WEIGHTS, st.randoms(use_true_random=False))
def test_student_loss_falls_as_it_passes_for_the_teacher(
    d1: Tensor, d2: Tensor, weights: tuple[float, float], random: object
) -> None:
    loss = student_adversarial_loss(d1, d2, weights)
    assert loss.item() >= 0
    assert student_adversarial_loss(d1 + 1, d2 + 1, weights) < loss
    order = list(range(len(d1)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert_close(student_adversarial_loss(d1[order], d2, weights), loss, rtol=1e-10, atol=1e-14)


@properties
@given(logit_pairs(), logit_pairs(), WEIGHTS)
def test_discriminator_loss_falls_as_it_tells_them_apart(
    d1: tuple[Tensor, Tensor], d2: tuple[Tensor, Tensor], weights: tuple[float, float]
) -> None:
    loss = discriminator_loss(*d1, *d2, weights)
    assert loss.item() >= 0
    assert discriminator_loss(d1[0] + 1, d1[1] - 1, d2[0] + 1, d2[1] - 1, weights) < loss
    # Teacher and student change places when every decision is reversed.
    reversed_ = discriminator_loss(-d1[1], -d1[0], -d2[1], -d2[0], weights)
    assert_close(reversed_, loss, rtol=1e-10, atol=1e-14)


def test_expected_partners_divide_the_second_part_only() -> None:
    d1, d2 = normal(4, seed=0), normal(3, seed=1)
    first = student_adversarial_loss(d1, d2, (0.4, 0.0))
    own_count = student_adversarial_loss(d1, d2, (0.4, 0.6))
    assert_close(student_adversarial_loss(d1, d2, (0.4, 0.6), 3.0), own_count)
    assert_close(student_adversarial_loss(d1, d2, (0.4, 0.6), 6.0), first + (own_count - first) / 2)


@pytest.mark.parametrize("partners", [None, 4.17])
def test_without_partners_the_second_part_is_exactly_zero(partners: float | None) -> None:
    d1, none = normal(4, seed=0), torch.zeros(0, dtype=torch.float64)
    assert student_adversarial_loss(d1, none, (0.0, 1.0), partners).item() == 0.0
    assert discriminator_loss(d1, d1, none, none, (0.0, 1.0), partners).item() == 0.0
    value, gradients = value_and_gradients(lambda *d: student_adversarial_loss(*d, (0.4, 0.6), partners), d1, none)
    assert torch.equal(value, student_adversarial_loss(d1, none, (0.4, 0.0)))
    assert gradients[0].isfinite().all()
    assert gradients[1].shape == (0,)
    value, gradients = value_and_gradients(
        lambda *d: discriminator_loss(*d, (0.4, 0.6), partners), d1, d1 + 1, none, none
    )
    assert torch.equal(value, discriminator_loss(d1, d1 + 1, none, none, (0.4, 0.0)))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_may_be_a_tensor(dtype: torch.dtype) -> None:
    """As a moving average hands them over; the loss's precision is the logits', whatever the weights' is."""
    d1, d2, weights = normal(4, seed=0), normal(3, seed=1), torch.tensor([0.3, 0.7], dtype=dtype)
    numbers = tuple(weights.tolist())
    for first, second in [(d1, d2), (d1.float(), d2.float())]:
        rounding = 1e-14 if first.dtype == torch.float64 else 1e-6
        pairs = [
            (student_adversarial_loss(first, second, weights), student_adversarial_loss(first, second, numbers)),
            (
                discriminator_loss(first, -first, second, -second, weights),
                discriminator_loss(first, -first, second, -second, numbers),
            ),
        ]
        for by_tensor, by_numbers in pairs:
            assert by_tensor.dtype == first.dtype
            assert_close(by_tensor, by_numbers, rtol=rounding, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_extreme_logits(sign: float, dtype: torch.dtype) -> None:
    d1, d2 = torch.full((2,), sign * 1e4, dtype=dtype), torch.full((3,), sign * 1e4, dtype=dtype)
    size = d1[0].abs().item()  # 9984 in bfloat16
    value, gradients = value_and_gradients(lambda *d: student_adversarial_loss(*d, (0.5, 0.5)), d1, d2)
    assert value.item() == pytest.approx(0 if sign > 0 else size, rel=1e-6)
    assert_close(gradients[0].float(), torch.full((2,), 0.0 if sign > 0 else -0.25))
    value, gradients = value_and_gradients(lambda *d: discriminator_loss(*d, (0.5, 0.5)), d1, -d1, d2, -d2)
    assert value.item() == pytest.approx(0 if sign > 0 else 2 * size, rel=1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients)


@properties
@given(st.lists(st.integers(-1, 3), max_size=12))
def test_class_partners(labels: list[int]) -> None:
    anchors, partners = class_partners(torch.tensor(labels, dtype=torch.int64))
    assert anchors.dtype == partners.dtype == torch.int64
    assert (anchors.tolist(), partners.tolist()) == equations.class_partners(labels)


@properties
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.sampled_from(INTEGERS))
def test_class_partners_are_a_bijection_without_fixed_points(labels: list[int], dtype: torch.dtype) -> None:
    anchors, partners = (index.tolist() for index in class_partners(torch.tensor(labels, dtype=dtype)))
    assert anchors == [i for i, label in enumerate(labels) if labels.count(label) > 1]
    assert sorted(partners) == anchors
    assert all(i != j and labels[i] == labels[j] for i, j in zip(anchors, partners, strict=True))


def test_class_partners_by_hand() -> None:
    anchors, partners = class_partners(torch.tensor([7, 3, 7, 9, 7, 3]))
    assert anchors.tolist() == [0, 1, 2, 4, 5]
    assert partners.tolist() == [2, 5, 4, 0, 1]
