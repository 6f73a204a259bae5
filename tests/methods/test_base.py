"""Epoch means, and the methods that train one model alone."""

from __future__ import annotations

from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.methods import METHODS, Auxiliary, Baseline, EpochMeans, Teacher
from crossdistill.testing import small_problem
from crossdistill.types import Batch
from tests.methods.small import LABELS, batch, leaves, model, rows

value = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(value, st.floats(0, 100)), min_size=1, max_size=8))
def test_means_are_weighted(entries: list[tuple[float, float]]) -> None:
    means = EpochMeans()
    for number, weight in entries:
        means.add("x", torch.tensor(number, dtype=torch.float64), weight)
    found = means.read()
    numbers, weights = zip(*entries, strict=True)
    if sum(weights) > 0:
        assert found["x"] == pytest.approx(np.average(numbers, weights=weights), abs=1e-9)
    else:
        assert found == {}


def test_reading_starts_a_new_epoch() -> None:
    means = EpochMeans()
    means.add("x", torch.tensor(5.0))
    means.add("y", torch.tensor(1.0), 0.0)
    assert means.read() == {"x": 5.0}
    assert means.read() == {}
    means.add("x", torch.tensor(7.0), torch.tensor(3))
    assert means.read() == {"x": 7.0}


def test_many_small_numbers_add_up_in_float64() -> None:
    means = EpochMeans()
    means.add("x", torch.tensor(1e8))
    for _ in range(100):
        means.add("x", torch.tensor(1.0))
    assert means.read()["x"] == pytest.approx((1e8 + 100) / 101, rel=1e-12)


def test_means_hold_no_graph() -> None:
    means = EpochMeans()
    means.add("x", torch.ones((), requires_grad=True) * 2)
    assert not any(total.requires_grad for total in means._sums.values())


@pytest.mark.parametrize(("kind", "view"), [(Baseline, "target"), (Teacher, "full"), (Auxiliary, "auxiliary")])
def test_a_single_model_has_cross_entropy_alone(kind: type[Baseline | Teacher | Auxiliary], view: str) -> None:
    method, made = kind(model()), leaves()
    (turn,) = method.turns(0)
    objective = turn.objective(made, batch())
    logits = np.array(rows(made.logits[view]))  # type: ignore[index]
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(LABELS)), LABELS])
    assert objective.total.item() == pytest.approx(expected, rel=1e-5)
    assert method.views == method.predicts == (view,)


def test_the_baseline_never_needs_an_auxiliary_input() -> None:
    method, given = Baseline(model()), batch()
    alone = Batch({"video": given.modalities["video"]}, given.labels, given.rows, {})
    made = method.model(alone.modalities, method.views)
    assert torch.isfinite(method.turns(0)[0].objective(made, alone).total)


CHOICES = [
    (name, option, get_args(hint))
    for name, method in METHODS.items()
    for option, hint in get_type_hints(method.__init__).items()
    if get_origin(hint) is Literal
]


@pytest.mark.parametrize(("name", "option", "known"), CHOICES, ids=[f"{name}-{option}" for name, option, _ in CHOICES])
def test_an_option_takes_its_own_words_and_no_other(name: str, option: str, known: tuple[str, ...]) -> None:
    """Made in Python, where no recipe looks at types: another word would be one of the known ones in silence, or an
    error of the first step."""
    method = METHODS[name]
    network, _, _ = small_problem(student=method.student)
    for word in known:
        method(network, **{option: word})
    with pytest.raises(ValueError, match=f"expected {option} {' or '.join(map(repr, known))}, got 'other'"):
        method(network, **{option: "other"})
