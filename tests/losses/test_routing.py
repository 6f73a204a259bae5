"""Li et al. 2025: distillation from the teachers that a router chooses."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from crossdistill.losses import load_balance_loss, routed_divergence, soft_label_divergence
from tests.losses.equations import Rows, softmax
from tests.losses.examples import normal, properties, value_and_gradients


def slow(student: Rows, teachers: list[Rows], routing: Rows, top: int, temperature: float) -> float:
    """Each sample's `top` best teachers by the router; the mean of their KL to the student at the temperature."""
    total = 0.0
    for s, of_teachers, weights in zip(student, teachers, routing, strict=True):
        best = sorted(range(len(weights)), key=lambda e: -weights[e])[:top]
        for e in best:
            q, p = (softmax([x / temperature for x in row]) for row in (s, of_teachers[e]))
            total += sum(float(a * math.log(a / b)) for a, b in zip(p, q, strict=True)) / top
    return total / len(student)


@properties
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.5, 1.0, 4.0]), st.data())
def test_is_the_slow_loop(batch: int, teachers: int, classes: int, temperature: float, data: st.DataObject) -> None:
    seed, top = data.draw(st.integers(0, 1000)), data.draw(st.integers(1, teachers))
    student, routing = normal(batch, classes, seed=seed), normal(batch, teachers, seed=seed + 1)
    logits = normal(batch, teachers, classes, seed=seed + 2)
    found = routed_divergence(student, logits, routing, top, temperature)
    assert found.shape == ()
    expected = slow(student.tolist(), logits.tolist(), routing.tolist(), top, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-10, abs=1e-13)


def test_with_all_teachers_the_router_does_not_matter_and_with_one_it_is_soft_labels() -> None:
    student, teachers, routing = normal(5, 4, seed=1), normal(5, 3, 4, seed=2), normal(5, 3, seed=3)
    everyone = routed_divergence(student, teachers, routing, top=3, temperature=2.0)
    assert_close(routed_divergence(student, teachers, -routing, top=3, temperature=2.0), everyone)
    each = torch.stack([soft_label_divergence(student, teachers[:, e], 2.0) for e in range(3)])
    assert_close(everyone, each.mean())
    one_for_all = torch.tensor([[0.0, 9.0, 1.0]]).double().expand(5, 3)
    assert_close(routed_divergence(student, teachers, one_for_all, temperature=2.0), each[1])


def test_only_the_chosen_teachers_get_a_gradient_and_the_router_none() -> None:
    student, teachers, routing = normal(5, 4, seed=1), normal(5, 3, 4, seed=2), normal(5, 3, seed=3)
    _, gradients = value_and_gradients(routed_divergence, student, teachers, routing)
    moved = gradients[1].abs().sum(dim=2) > 0
    assert torch.equal(moved, torch.nn.functional.one_hot(routing.argmax(dim=1), 3).bool())
    assert (gradients[2] == 0).all()


@properties
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
def test_balance_is_the_divergence_of_the_uniform_distribution(batch: int, teachers: int, seed: int) -> None:
    routing = 3 * normal(batch, teachers, seed=seed)
    shares = [sum(float(softmax(row)[e]) for row in routing.tolist()) / batch for e in range(teachers)]
    assert sum(shares) == pytest.approx(1)
    expected = sum(1 / teachers * math.log(1 / teachers / share) for share in shares)
    assert load_balance_loss(routing).item() == pytest.approx(expected, rel=1e-10, abs=1e-13)


def test_balance_by_hand() -> None:
    even = torch.tensor([[9.0, 0.0], [0.0, 9.0]]).double()
    assert load_balance_loss(even).item() == pytest.approx(0, abs=1e-14)
    assert load_balance_loss(torch.zeros(4, 3)).item() == pytest.approx(0, abs=1e-6)
    three_quarters = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    assert load_balance_loss(three_quarters).item() == pytest.approx(-0.5 * math.log(4 * 3 / 16), rel=1e-12)


def test_balance_descends_to_even_use() -> None:
    routing = normal(8, 3, seed=1) + torch.tensor([3.0, 0.0, 0.0])
    for _ in range(400):
        routing = routing - 5 * value_and_gradients(load_balance_loss, routing)[1][0]
    assert_close(routing.softmax(1).mean(0), torch.full((3,), 1 / 3).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_extremes(scale: float) -> None:
    """An unused teacher's share underflows, its logarithm does not."""
    routing = scale * torch.tensor([[1.0, -1.0, -1.0]] * 4)
    value, (gradient,) = value_and_gradients(load_balance_loss, routing)
    share = -2 * scale - math.log(1 + 2 * math.exp(-2 * scale))  # of each of the others, in nats
    expected = -math.log(3) - (2 * share - math.log(1 + 2 * math.exp(-2 * scale))) / 3
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert gradient.isfinite().all()
    student, teachers = scale * torch.ones(4, 3), scale * normal(4, 3, 3, seed=1, dtype=torch.float32)
    value, gradients = value_and_gradients(lambda s, t: routed_divergence(s, t, routing), student, teachers)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    ("student", "teachers", "routing"),
    [((4, 3), (4, 2, 4), (4, 2)), ((4, 3), (4, 2, 3), (4, 3)), ((4, 3), (4, 3), (4, 2)), ((3,), (4, 2, 3), (4, 2)),
     ((4, 3), (1, 2, 3), (4, 2)), ((0, 3), (0, 2, 3), (0, 2)), ((4, 3), (4, 2, 3), (4, 2, 1))],
)  # fmt: skip
def test_shapes_that_do_not_fit(student: tuple[int, ...], teachers: tuple[int, ...], routing: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"of shapes \(B, C\), \(B, E, C\), \(B, E\)"):
        routed_divergence(torch.ones(student), torch.ones(teachers), torch.ones(routing))


def test_other_mistakes() -> None:
    student, teachers, routing = torch.ones(4, 3), torch.ones(4, 2, 3), torch.ones(4, 2)
    for top in (0, 3, -1):
        with pytest.raises(ValueError, match=rf"expected top within \[1, 2\], the number of teachers, got {top}"):
            routed_divergence(student, teachers, routing, top)
    with pytest.raises(ValueError, match="expected a temperature above 0, got 0"):
        routed_divergence(student, teachers, routing, temperature=0)
    with pytest.raises(ValueError, match="expected routing_logits of a floating-point dtype"):
        routed_divergence(student, teachers, routing.long())
    for broken in (torch.ones(4), torch.ones(0, 2), torch.ones(4, 2, 2), torch.ones(4, 2).long()):
        with pytest.raises(ValueError, match="expected routing_logits"):
            load_balance_loss(broken)
