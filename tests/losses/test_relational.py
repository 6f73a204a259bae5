"""Park et al. 2019: relative distances of pairs, angles of triplets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from crossdistill.losses import angle_relation_loss, distance_relation_loss, relational
from tests.losses.examples import normal, properties, rows, value_and_gradients
from tests.losses.relations import angle, relation_loss, relative_distance

SLOW: dict[str, tuple[Callable[..., Tensor], int, Callable[..., float]]] = {
    "distance": (distance_relation_loss, 2, relative_distance),
    "angle": (angle_relation_loss, 3, angle),
}
every_loss = pytest.mark.parametrize("name", SLOW)


def assert_is_the_slow_loss(name: str, student: Tensor, teacher: Tensor, rel: float, absolute: float) -> None:
    loss, size, potential = SLOW[name]
    for reduction in ("sum", "mean"):
        expected = relation_loss(size, potential, student.tolist(), teacher.tolist(), reduction)
        assert loss(student, teacher, reduction).item() == pytest.approx(expected, rel=rel, abs=absolute)


@every_loss
@properties
@given(data=st.data(), batch=st.integers(2, 5), width=st.integers(1, 4))
def test_is_the_printed_equation(name: str, data: st.DataObject, batch: int, width: int) -> None:
    student, teacher = (data.draw(rows(batch, width)) for _ in range(2))
    assert_is_the_slow_loss(name, student, teacher, 1e-10, 1e-12)


@every_loss
def test_by_hand(name: str) -> None:
    """Three points in a line, 0 1 3, against the corners of a right triangle with legs 1 and 1."""
    line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]).double()
    corner = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]).double()
    if name == "distance":  # means 2 and (2 + √2) / 3
        mean = (2 + math.sqrt(2)) / 3
        differences = [1 / 2 - 1 / mean, 3 / 2 - math.sqrt(2) / mean, 2 / 2 - 1 / mean]
    else:  # at the ends of the line cos 0° = 1, in its middle cos 180°; at the corner cos 90°, elsewhere cos 45°
        differences = [1 - math.sqrt(0.5), -1 - 0.0, 1 - math.sqrt(0.5)]
    expected = sum(0.5 * d**2 for d in differences) / 3
    assert SLOW[name][0](line, corner).item() == pytest.approx(expected, rel=1e-12)


@every_loss
@properties
@given(st.integers(0, 1000), st.sampled_from([1e-20, 1e-3, 1e3, 1e20]))
def test_relations_do_not_see_scale_position_or_orientation(name: str, seed: int, scale: float) -> None:
    student, teacher = normal(5, 4, seed=seed), normal(5, 4, seed=seed + 1)
    rotation, _ = torch.linalg.qr(normal(4, 4, seed=seed + 2))
    loss = SLOW[name][0]
    expected = loss(student, teacher)
    assert_close(loss(student @ rotation + 3.0, teacher), expected, rtol=1e-9, atol=1e-12)
    assert_close(loss(student, scale * teacher), expected, rtol=1e-9, atol=1e-12)
    assert loss(student, scale * student @ rotation).item() == pytest.approx(0, abs=1e-12)


ORDINARY = normal(6, 4, seed=7, dtype=torch.float32)
EXTREMES = {
    "identical rows": ORDINARY[:1].expand(6, 4),
    "all zero": torch.zeros(6, 4),
    "two identical rows": ORDINARY[[0, 1, 1, 2, 3, 3]],
    "batch of 2": ORDINARY[:2],
    "batch of 2, identical": ORDINARY[:1].expand(2, 4),
    "batch of 1": ORDINARY[:1],
    "huge": 1e30 * ORDINARY,
    "tiny": 1e-30 * ORDINARY,
    "one far away": ORDINARY + torch.tensor([[1e4], [0], [0], [0], [0], [0]]),
    "width 1": ORDINARY[:, :1],
}


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("extreme", EXTREMES)
@every_loss
def test_extremes(name: str, extreme: str, reduction: str) -> None:
    """Either side may be degenerate, or both; the values are the slow loop's."""
    broken, loss = EXTREMES[extreme], SLOW[name][0]
    fine = normal(len(broken), broken.shape[1], seed=8, dtype=torch.float32)
    for student, teacher in ((broken, fine), (fine, broken), (broken, broken), (broken, broken.flip(0))):
        value, gradients = value_and_gradients(lambda s, t: loss(s, t, reduction), student, teacher)
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)
        if len(broken) > 1:
            assert_is_the_slow_loss(name, student, teacher, 1e-4, 1e-5)


@pytest.mark.parametrize("nearness", [1e-3, 1e-6])
@every_loss
def test_near_duplicates_keep_their_relations(name: str, nearness: float) -> None:
    """Half of the rows are the other half but for a thousandth, or for what float32 can just tell: a float32 Gram
    matrix has nothing left of such a distance."""
    once, more = normal(4, 32, seed=1), normal(4, 32, seed=2)
    student = (torch.cat([once, once + nearness * more]) + 3).float()
    teacher = normal(8, 32, seed=3, dtype=torch.float32)
    for first, second in ((student, teacher), (teacher, student)):
        assert_is_the_slow_loss(name, first, second, 2e-6, 0)
    loss = SLOW[name][0]
    (gradient, _), (exact, _) = (value_and_gradients(loss, *given)[1] for given in (
        (student, teacher), (student.double(), teacher.double())
    ))  # fmt: skip
    assert (gradient - exact).norm() <= 1e-3 * exact.norm()
    leaf, slope = student.double().requires_grad_(), 1e-3 * float(exact.abs().max())
    steps = {"eps": 1e-3 * nearness, "atol": slope, "fast_mode": True}
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher.double()), [leaf], **steps)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_blocks_of_any_size_give_one_loss(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = normal(7, 4, seed=1), normal(7, 4, seed=2)
    expected, gradients = value_and_gradients(angle_relation_loss, student, teacher)
    monkeypatch.setattr(relational, "_vertices_of_block", lambda squares: rows)
    assert_is_the_slow_loss("angle", student, teacher, 1e-12, 0)
    value, found = value_and_gradients(angle_relation_loss, student, teacher)
    assert_close((value, *found), (expected, *gradients), rtol=1e-12, atol=1e-14)


@every_loss
def test_nothing_of_all_triplets_or_all_differences_is_made(name: str) -> None:
    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            self.numel = max([self.numel, *(x.numel() for x in tree_leaves(made) if isinstance(x, Tensor))])
            return made

    with Largest() as largest:
        value_and_gradients(SLOW[name][0], normal(128, 64, seed=1), normal(128, 64, seed=2))
    assert 128**2 <= largest.numel <= 8 * 128**2


@every_loss
def test_identical_rows_get_no_gradient(name: str) -> None:
    """Where all of the student's samples coincide there is no direction to move in."""
    same = normal(1, 4, seed=1).repeat(5, 1)
    _, (gradient, _) = value_and_gradients(SLOW[name][0], same, normal(5, 4, seed=2))
    assert (gradient == 0).all()


@every_loss
def test_gradients_where_some_rows_coincide_on_the_other_side(name: str) -> None:
    teacher = normal(5, 4, seed=2)[[0, 1, 1, 2, 3]]
    student = normal(5, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: SLOW[name][0](s, teacher), [student])


@every_loss
def test_descent_reaches_the_other_s_relations(name: str) -> None:
    student, teacher, loss = normal(6, 3, seed=1), normal(6, 3, seed=2), SLOW[name][0]
    start = loss(student, teacher)
    for _ in range(200):
        student = student - 10 * value_and_gradients(loss, student, teacher)[1][0]
    assert loss(student, teacher) < 0.01 * start


@every_loss
def test_mistakes_are_refused(name: str) -> None:
    loss = SLOW[name][0]
    for other in (torch.ones(4, 1), torch.ones(1, 3), torch.ones(4, 3, 1), torch.ones(4, 3).long()):
        with pytest.raises(ValueError, match=r"student and teacher|floating-point"):
            loss(torch.ones(4, 3), other)
    with pytest.raises(ValueError, match="expected reduction 'sum' or 'mean', got 'none'"):
        loss(torch.ones(4, 3), torch.ones(4, 3), "none")
