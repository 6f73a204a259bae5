"""COMODO: the divergence of two distributions of similarity over a queue."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossdistill.losses import queue_similarity_loss
from tests.losses.equations import Row, Rows, cosine, softmax
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients

TEMPERATURES = st.sampled_from([0.05, 0.1, 0.5, 2.0])


def similarities(row: Row, queue: Rows, temperature: float) -> list[float]:
    """softmax of the cosines with each of the queue, at a temperature."""
    return [float(p) for p in softmax([float(cosine(row, other)) / temperature for other in queue])]


def divergence(student: Rows, teacher: Rows, queue: Rows, student_tau: float, teacher_tau: float) -> float:
    """−Σ P_v log P_x, less −Σ P_v log P_v, averaged over the batch."""
    total = 0.0
    for ours, theirs in zip(student, teacher, strict=True):
        p_x, p_v = similarities(ours, queue, student_tau), similarities(theirs, queue, teacher_tau)
        total += sum(v * (math.log(v) - math.log(x)) for v, x in zip(p_v, p_x, strict=True) if v > 0)
    return total / len(student)


@properties
@given(logit_pairs(), TEMPERATURES, TEMPERATURES)
def test_the_loss_in_slow_loops(pair: tuple[Tensor, Tensor], student_tau: float, teacher_tau: float) -> None:
    student, teacher = pair
    queue = torch.cat([teacher, normal(3, 4, seed=2)])
    found = queue_similarity_loss(student, teacher, queue, student_tau, teacher_tau)
    expected = divergence(student.tolist(), teacher.tolist(), queue.tolist(), student_tau, teacher_tau)
    assert found.item() == pytest.approx(expected, 1e-9, 1e-11)
    assert found.item() >= -1e-12


def test_neither_the_length_of_a_row_nor_the_order_of_the_queue_matters() -> None:
    student, teacher, queue = normal(4, 6, seed=1), normal(4, 6, seed=2), normal(9, 6, seed=3)
    expected = queue_similarity_loss(student, teacher, queue)
    for changed in (
        (7 * student, teacher, queue),
        (student, 0.1 * teacher, 3 * queue),
        (student, teacher, queue.flip(0)),
    ):
        torch.testing.assert_close(queue_similarity_loss(*changed), expected)
    assert queue_similarity_loss(student, student, queue, 0.1, 0.1).item() == pytest.approx(0.0, abs=1e-12)


def test_zero_rows_and_cold_temperatures_are_finite() -> None:
    rows = normal(3, 5, seed=4, dtype=torch.float32)
    for student, teacher in ((torch.zeros(3, 5), rows), (rows, torch.zeros(3, 5)), (1e30 * rows, -1e-30 * rows)):
        value, gradients = value_and_gradients(
            lambda s, t, q: queue_similarity_loss(s, t, q, 1e-3, 1e-3), student, teacher, torch.cat([teacher, rows])
        )
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_other_arguments_are_refused() -> None:
    rows = torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"student and teacher of one shape \(B, D\), got \(4, 3\) and \(4, 1\)"):
        queue_similarity_loss(rows, torch.ones(4, 1), rows)
    for queue in (torch.ones(0, 3), torch.ones(5, 4), torch.ones(3)):
        with pytest.raises(ValueError, match=r"a queue of shape \(K, 3\) with K > 0"):
            queue_similarity_loss(rows, rows, queue)
    with pytest.raises(ValueError, match="queue of a floating-point dtype"):
        queue_similarity_loss(rows, rows, torch.ones(5, 3, dtype=torch.int64))
    for temperatures in ((0.0, 0.1), (0.1, -1.0)):
        with pytest.raises(ValueError, match="expected a temperature above 0"):
            queue_similarity_loss(rows, rows, rows, *temperatures)
