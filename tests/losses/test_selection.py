"""Huo et al. 2024: which soft labels cross the modality gap, and what of them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import non_target_divergence, rank_correlation
from crossdistill.losses.selection import TargetClass
from tests.losses.equations import Row, Rows
from tests.losses.examples import logit_pairs, normal, properties, value_and_gradients

few_values = st.lists(st.integers(-2, 2), min_size=5, max_size=5).map(lambda values: [float(v) for v in values])


def tau_b(first: Row, second: Row) -> float:
    """(concordant − discordant) / √((pairs not tied in the first) (pairs not tied in the second)); 0 for 0 / 0."""
    signs = [
        (math.copysign(1, a - b) if a != b else 0, math.copysign(1, c - d) if c != d else 0)
        for (a, c), (b, d) in itertools.combinations(zip(first, second, strict=True), 2)
    ]
    untied = sum(abs(x) for x, _ in signs) * sum(abs(y) for _, y in signs)
    return sum(x * y for x, y in signs) / math.sqrt(untied) if untied else 0.0


@properties
@given(st.lists(st.tuples(few_values, few_values), min_size=1, max_size=4))
def test_rank_correlation_with_ties(pairs: list[tuple[Row, Row]]) -> None:
    first, second = (torch.tensor(rows, dtype=torch.float64) for rows in zip(*pairs, strict=True))
    found = rank_correlation(first, second)
    assert found.tolist() == pytest.approx([tau_b(a, b) for a, b in pairs], rel=1e-12)
    for tau, (a, b) in zip(found.tolist(), pairs, strict=True):
        if len(set(a)) > 1 and len(set(b)) > 1:
            assert tau == pytest.approx(kendalltau(a, b).statistic, rel=1e-12, abs=1e-12)
        else:
            assert tau == 0


def test_rank_correlation_is_scipy_s_on_real_valued_logits() -> None:
    first, second = normal(40, 26, seed=1), normal(40, 26, seed=2)
    expected = [kendalltau(a, b).statistic for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    assert rank_correlation(first, second).tolist() == pytest.approx(expected, rel=1e-12)


@properties
@given(logit_pairs(batch=3, classes=4, bound=1e4))
def test_rank_correlation_sees_ranks_only(pair: tuple[Tensor, Tensor]) -> None:
    first, second = pair
    tau = rank_correlation(first, second)
    assert (tau.abs() <= 1).all()
    assert_close(rank_correlation(second, first), tau)
    assert_close(rank_correlation(first, -second), -tau)
    assert_close(rank_correlation(first * 8 + 1, second), rank_correlation(first + 1 / 8, second))
    assert (rank_correlation(first, first) == (first.max(1).values > first.min(1).values)).all()


def test_rank_correlation_passes_no_gradient() -> None:
    assert not rank_correlation(normal(2, 3, seed=1).requires_grad_(), normal(2, 3, seed=2)).requires_grad


def log_softmax(logits: Row) -> list[float]:
    total = max(logits) + math.log(sum(math.exp(logit - max(logits)) for logit in logits))
    return [logit - total for logit in logits]


def divergence(student: Row, teacher: Row) -> float:
    if not student:
        return 0.0
    return sum(math.exp(t) * (t - s) for s, t in zip(log_softmax(student), log_softmax(teacher), strict=True))


def slow(student: Rows, teacher: Rows, labels: list[int], selected: list[bool], target_class: str) -> float:
    """Over each selected sample's classes j ≠ y; "zeroed" has logit 0 in place of the logit of y."""
    total = 0.0
    for s, t, label, chosen in zip(student, teacher, labels, selected, strict=True):
        others = [j for j in range(len(s)) if j != label]
        if chosen and target_class == "removed":
            total += divergence([s[j] for j in others], [t[j] for j in others])
        elif chosen:
            total += divergence(
                [s[j] * (j != label) for j in range(len(s))], [t[j] * (j != label) for j in range(len(t))]
            )
    return total / len(labels)


@properties
@given(
    logit_pairs(batch=3, classes=4),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.sampled_from(["removed", "zeroed"]),
)
def test_non_target_divergence_is_the_slow_loop(
    pair: tuple[Tensor, Tensor], labels: list[int], selected: list[bool], target_class: TargetClass
) -> None:
    found = non_target_divergence(*pair, torch.tensor(labels), torch.tensor(selected), target_class)
    expected = slow(pair[0].tolist(), pair[1].tolist(), labels, selected, target_class)
    assert found.shape == ()
    assert found.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_sample_s_own_class_does_not_matter_and_samples_that_are_not_selected_neither() -> None:
    student, teacher = normal(4, 5, seed=1), normal(4, 5, seed=2)
    labels, selected = torch.tensor([3, 0, 4, 4]), torch.tensor([True, False, True, True])
    changed = student + 7 * torch.nn.functional.one_hot(labels, 5)
    changed[1] = -changed[1]
    for target_class in ("removed", "zeroed"):
        expected = non_target_divergence(student, teacher, labels, selected, target_class)
        assert_close(non_target_divergence(changed, teacher, labels, selected, target_class), expected)
        _, gradients = value_and_gradients(
            lambda s, t, c=target_class: non_target_divergence(s, t, labels, selected, c), student, teacher
        )
        for gradient in gradients:
            assert (gradient[1] == 0).all()
            assert (gradient.gather(1, labels[:, None]) == 0).all()
            assert (gradient[selected].abs().sum(dim=1) > 0).all()


EXTREMES = {
    "nothing selected": (normal(3, 4, seed=1), torch.zeros(3, dtype=torch.bool)),
    "two classes": (normal(3, 2, seed=1), torch.ones(3, dtype=torch.bool)),
    "one class": (normal(3, 1, seed=1), torch.ones(3, dtype=torch.bool)),
    "huge": (1e4 * normal(3, 4, seed=1), torch.ones(3, dtype=torch.bool)),
    "all equal": (torch.zeros(3, 4), torch.ones(3, dtype=torch.bool)),
    "batch of 1": (normal(1, 4, seed=1), torch.ones(1, dtype=torch.bool)),
}


@pytest.mark.parametrize("target_class", ["removed", "zeroed"])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes(extreme: str, target_class: TargetClass) -> None:
    teacher, selected = EXTREMES[extreme]
    teacher = teacher.float()
    labels = torch.zeros(len(teacher), dtype=torch.int64)
    student = teacher.flip(1) + 1
    value, gradients = value_and_gradients(
        lambda s, t: non_target_divergence(s, t, labels, selected, target_class), student, teacher
    )
    expected = slow(student.tolist(), teacher.tolist(), labels.tolist(), selected.tolist(), target_class)
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert rank_correlation(student, teacher).isfinite().all()


@pytest.mark.parametrize("target_class", ["removed", "zeroed"])
def test_samples_that_are_not_selected_need_no_label(target_class: TargetClass) -> None:
    student, teacher = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    labels, selected = torch.tensor([0, -1, 3, 9, 2]), torch.tensor([True, False, True, False, True])
    made = non_target_divergence(student, teacher, labels, selected, target_class)
    known = labels[selected]
    alone = non_target_divergence(student[selected], teacher[selected], known, selected[selected], target_class)
    assert_close(made, alone * 3 / 5)


def test_mistakes_are_refused() -> None:
    logits, labels, all_of_them = torch.ones(4, 3), torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"of one shape \(B, C\)"):
        rank_correlation(logits, torch.ones(4, 2))
    with pytest.raises(ValueError, match=r"of one shape \(B, C\)"):
        non_target_divergence(logits, torch.ones(1, 3), labels, all_of_them)
    with pytest.raises(ValueError, match=r"expected labels of shape \(4,\), got \(3,\)"):
        non_target_divergence(logits, logits, labels[:3], all_of_them)
    for selected in (all_of_them[:3], torch.ones(4), all_of_them[:, None]):
        with pytest.raises(ValueError, match=r"expected selected of shape \(4,\) and dtype bool"):
            non_target_divergence(logits, logits, labels, selected)
    for unknown in (-1, 3):
        unlabelled = torch.tensor([0, 0, unknown, 0])
        with pytest.raises(ValueError, match=rf"expected labels in \[0, 3\), got {unknown} of sample 2; leave out"):
            non_target_divergence(logits, logits, unlabelled, all_of_them)
    with pytest.raises(ValueError, match="expected target_class 'removed' or 'zeroed', got 'kept'"):
        non_target_divergence(logits, logits, labels, all_of_them, "kept")  # type: ignore[arg-type]
