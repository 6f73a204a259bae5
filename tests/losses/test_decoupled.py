"""Zhao et al. 2022: soft labels divided into the target class and the others."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import log, mpf, workdps
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import non_target_divergence, soft_label_divergence, target_class_divergence
from tests.losses.equations import DIGITS, Row, Rows, softmax
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients

TEMPERATURES = st.sampled_from([0.5, 1.0, 4.0])
EVERYWHERE = torch.ones(3, dtype=torch.bool)


def kl(p: list[mpf], q: list[mpf]) -> mpf:
    return sum(a * log(a / b) for a, b in zip(p, q, strict=True))


def binary(row: Row, target: int, temperature: float) -> list[mpf]:
    """b = [p_t, p_\\t]: the probability of the target class, and the sum of all others'."""
    p = softmax([mpf(logit) / mpf(temperature) for logit in row])
    return [p[target], sum(p[:target] + p[target + 1 :])]


def others(row: Row, target: int, temperature: float) -> list[mpf]:
    """p̂: the softmax over the classes that are not the target's."""
    return softmax([mpf(logit) / mpf(temperature) for c, logit in enumerate(row) if c != target])


@workdps(DIGITS)
def tckd(student: Rows, teacher: Rows, targets: list[int], temperature: float) -> float:
    found = [
        kl(binary(t, y, temperature), binary(s, y, temperature))
        for s, t, y in zip(student, teacher, targets, strict=True)
    ]
    return float(sum(found) / len(found))


@workdps(DIGITS)
def nckd(student: Rows, teacher: Rows, targets: list[int], temperature: float) -> float:
    found = [
        kl(others(t, y, temperature), others(s, y, temperature))
        for s, t, y in zip(student, teacher, targets, strict=True)
    ]
    return float(sum(found) / len(found))


@properties
@given(logit_pairs(), st.lists(st.integers(0, 3), min_size=3, max_size=3), TEMPERATURES)
def test_both_parts_are_the_equations(pair: tuple[Tensor, Tensor], targets: list[int], temperature: float) -> None:
    given_rows, labels = (pair[0].tolist(), pair[1].tolist(), targets, temperature), torch.tensor(targets)
    found = target_class_divergence(*pair, labels, temperature)
    assert found.item() == pytest.approx(tckd(*given_rows), 1e-10, 1e-12)
    found = non_target_divergence(*pair, labels, EVERYWHERE, temperature=temperature)
    assert found.item() == pytest.approx(nckd(*given_rows), 1e-10, 1e-12)


@properties
@given(logit_pairs(batch=1), st.integers(0, 3), TEMPERATURES)
def test_kd_is_one_and_the_rest_of_the_other(pair: tuple[Tensor, Tensor], target: int, temperature: float) -> None:
    """KD = TCKD + (1 − p_t of the teacher) NCKD, whatever class the target is."""
    label = torch.tensor([target])
    parts = target_class_divergence(*pair, label, temperature)
    rest = 1 - (pair[1] / temperature).softmax(1)[0, target]
    parts = parts + rest * non_target_divergence(*pair, label, EVERYWHERE[:1], temperature=temperature)
    assert_close(parts, soft_label_divergence(*pair, temperature), rtol=1e-9, atol=1e-12)


def test_how_the_other_classes_relate_is_no_matter_to_tckd() -> None:
    student, teacher = normal(3, 4, seed=1), normal(3, 4, seed=2)
    targets, turned = torch.tensor([0, 0, 0]), teacher[:, [0, 3, 1, 2]]
    loss = partial(target_class_divergence, student, targets=targets)
    assert_close(loss(teacher), loss(turned))
    assert not torch.isclose(soft_label_divergence(student, teacher), soft_label_divergence(student, turned))


def test_with_two_classes_it_is_all_of_kd() -> None:
    pair, labels = (normal(3, 2, seed=1), normal(3, 2, seed=2)), torch.tensor([0, 1, 1])
    assert_close(target_class_divergence(*pair, labels, 2.0), soft_label_divergence(*pair, 2.0))
    assert non_target_divergence(*pair, labels, EVERYWHERE, temperature=2.0) == 0


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ([[1e4, -1e4, 0.0]], [[-1e4, 1e4, 0.0]]),
        ([[1e4, -1e4, 0.0]], [[1e4, -1e4, 0.0]]),
        ([[0.0, 0.0, 0.0]], [[1e4, 1e4, -1e4]]),
        ([[1e30, -1e30, 0.0]], [[0.0, 0.0, 0.0]]),
    ],
)
def test_extremes_in_float32(student: Rows, teacher: Rows, temperature: float) -> None:
    leaves = torch.tensor(student), torch.tensor(teacher)
    for target in range(3):
        loss = partial(target_class_divergence, targets=torch.tensor([target]), temperature=temperature)
        value, gradients = value_and_gradients(loss, *leaves)
        exact, _ = value_and_gradients(loss, *[leaf.double() for leaf in leaves])
        assert value.isfinite()
        assert value.item() == pytest.approx(exact.item(), rel=1e-5, abs=1e-6)
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_of_one_class_there_is_nothing_to_learn() -> None:
    """Whatever the logits, each is certain of it: KL is 0, and its gradients."""
    leaves = [torch.tensor([[3.0], [-70.0]], requires_grad=True), torch.tensor([[0.5], [90.0]], requires_grad=True)]
    loss = target_class_divergence(*leaves, torch.tensor([0, 0]), temperature=2.0)
    loss.backward()
    assert loss.item() == 0
    assert not any(leaf.grad is None or leaf.grad.any() for leaf in leaves)


def test_mistakes() -> None:
    pair, labels = (torch.ones(2, 3), torch.ones(2, 3)), torch.tensor([0, 2])
    with pytest.raises(ValueError, match=r"of one shape \(B, C\)"):
        target_class_divergence(pair[0], torch.ones(2, 4), labels)
    with pytest.raises(ValueError, match=r"labels of shape \(2,\)"):
        target_class_divergence(*pair, torch.tensor([0]))
    for unknown in (-1, 3):
        with pytest.raises(ValueError, match=rf"expected labels in \[0, 3\), got {unknown} of sample 1; leave out"):
            target_class_divergence(*pair, torch.tensor([0, unknown]))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="expected a temperature above 0"):
            target_class_divergence(*pair, labels, temperature)
        with pytest.raises(ValueError, match="expected a temperature above 0"):
            non_target_divergence(*pair, labels, EVERYWHERE[:2], temperature=temperature)
