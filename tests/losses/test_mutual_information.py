"""Eq. 6-9: the contrastive loss and the bound on mutual information that it stands for."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from crossdistill.losses import mutual_information_bound, mutual_information_loss
from tests.losses import equations
from tests.losses.examples import TEMPERATURES, LabelledBatch, batches, normal, properties, value_and_gradients

REDUCTIONS = st.sampled_from(["sum", "mean"])


def near(expected: float) -> object:
    return pytest.approx(expected, rel=1e-10, abs=1e-12)


@properties
@given(batches(), TEMPERATURES, REDUCTIONS)
def test_loss_is_the_printed_equation(batch: LabelledBatch, temperature: float, reduction: str) -> None:
    loss = mutual_information_loss(*batch, temperature=temperature, reduction=reduction)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    assert loss.item() == near(equations.mutual_information_loss(*batch.rows(), temperature, reduction))


@properties
@given(batches(), TEMPERATURES)
def test_bound_is_the_printed_equation(batch: LabelledBatch, temperature: float) -> None:
    bound = mutual_information_bound(*batch, temperature=temperature)
    assert bound.shape == ()
    assert bound.dtype == torch.float64
    assert bound.item() == near(equations.mutual_information_bound(*batch.rows(), temperature))


def test_two_samples_by_hand() -> None:
    """Anchors are rows of `full`: h(M_i, .) = (1/2, 1/2) for a tie, (e²/(e²+1), 1/(e²+1)) for a match at τ = 1/2."""
    a, b = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double(), torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    labels = torch.tensor([0, 1])
    right, wrong = math.log(math.e**2 / (math.e**2 + 1)), math.log(1 / (math.e**2 + 1))
    # M_1 and M_2 are both S_1: M_1 prefers its own, M_2 the other; with B = 2, 1 - h of one is h of the other.
    assert mutual_information_loss(a, b, labels).item() == near(-(2 * right + 2 * wrong) / 2)
    # The other way round M_2 is orthogonal to both candidates: a tie.
    assert mutual_information_loss(b, a, labels).item() == near(-4 * math.log(1 / 2) / 2)
    assert mutual_information_bound(a, b, labels).item() == near(right + wrong)  # log(N/k) = 0


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize(("classes", "k"), [(2, 1), (3, 4), (5, 2)])
def test_one_hot_classes_in_closed_form(classes: int, k: int, temperature: float) -> None:
    """M = S = one-hot of the class, k samples each: h is e^{1/τ}/Z within the class and 1/Z outside."""
    labels = torch.arange(classes).repeat(k)
    one_hot = torch.eye(classes, dtype=torch.float64)[labels]
    negatives = (classes - 1) * k
    z = k * math.exp(1 / temperature) + negatives
    log_positive, log_negative = 1 / temperature - math.log(z), math.log1p(-1 / z)
    arguments = (one_hot, one_hot, labels, temperature)
    literal = -(k * log_positive + negatives * log_negative)
    assert mutual_information_loss(*arguments).item() == near(literal)
    assert mutual_information_loss(*arguments, reduction="mean").item() == near(-(log_positive + log_negative))
    assert mutual_information_bound(*arguments).item() == near(math.log(negatives / k) - literal)


@properties
@given(batches(), TEMPERATURES, REDUCTIONS, st.randoms(use_true_random=False))
def test_order_names_and_lengths_do_not_matter(
    batch: LabelledBatch, temperature: float, reduction: str, random: object
) -> None:
    full, other, labels = batch
    generator = torch.Generator().manual_seed(random.randrange(2**31))  # type: ignore[attr-defined]
    order = torch.randperm(len(labels), generator=generator)
    names = torch.randperm(4, generator=generator) * 1_000_000_007 - 2**33
    lengths = 2.0 ** torch.randint(-20, 20, (2, len(labels), 1), generator=generator)
    lengths = lengths * (1 + torch.rand(lengths.shape, generator=generator))
    changed = [
        (full[order], other[order], labels[order]),
        (full, other, names[labels]),
        (full * lengths[0], other * lengths[1], labels),
    ]
    loss = mutual_information_loss(*batch, temperature=temperature, reduction=reduction)
    bound = mutual_information_bound(*batch, temperature=temperature)
    for variant in changed:
        assert_close(mutual_information_loss(*variant, temperature, reduction), loss, rtol=1e-10, atol=1e-12)
        assert_close(mutual_information_bound(*variant, temperature), bound, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_any_integer_labels(dtype: torch.dtype) -> None:
    full, other, labels = normal(4, 3, seed=0), normal(4, 3, seed=1), torch.tensor([200, 3, 200, 5])
    expected = mutual_information_loss(full, other, torch.tensor([0, 1, 0, 2]))
    assert torch.equal(mutual_information_loss(full, other, labels.to(dtype)), expected)


@properties
@given(batches(), TEMPERATURES, REDUCTIONS)
def test_signs(batch: LabelledBatch, temperature: float, reduction: str) -> None:
    """Log-probabilities are never positive: the loss is ≥ 0 and the bound at most the mean of log(N/k)."""
    assert mutual_information_loss(*batch, temperature=temperature, reduction=reduction).item() >= 0
    labels = batch.labels.tolist()
    priors = [
        math.log(len(equations.other_classes(labels, i)) / len(equations.same_class(labels, i)))
        for i in range(len(labels))
        if equations.other_classes(labels, i)
    ]
    limit = sum(priors) / len(priors) if priors else 0.0
    assert mutual_information_bound(*batch, temperature=temperature).item() <= limit + 1e-12


@properties
@given(st.integers(2, 4), st.integers(1, 3), TEMPERATURES)
def test_bound_is_the_prior_less_the_loss_when_classes_are_balanced(classes: int, k: int, temperature: float) -> None:
    labels = torch.arange(classes).repeat(k)
    full, other = normal(len(labels), 5, seed=classes), normal(len(labels), 5, seed=9 + k)
    loss = mutual_information_loss(full, other, labels, temperature)
    bound = mutual_information_bound(full, other, labels, temperature)
    assert_close(bound, math.log(classes - 1) - loss, rtol=1e-10, atol=1e-12)


def test_bound_is_zero_without_negatives() -> None:
    one_class = torch.zeros(4, dtype=torch.int64)
    assert mutual_information_bound(normal(4, 3, seed=0), normal(4, 3, seed=1), one_class).item() == 0.0


@properties
@given(st.integers(2, 12), st.integers(2, 24), st.integers(0, 10_000), TEMPERATURES)
def test_bound_never_exceeds_the_information_of_discrete_classes(
    classes: int, batch: int, seed: int, temperature: float
) -> None:
    """M = S = one-hot of one of C equally probable classes: I(M; S) = log C exactly."""
    labels = torch.randint(classes, (batch,), generator=torch.Generator().manual_seed(seed))
    one_hot = torch.eye(classes, dtype=torch.float64)[labels]
    assert mutual_information_bound(one_hot, one_hot, labels, temperature).item() <= math.log(classes)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.7])
def test_bound_is_below_the_information_of_gaussians(correlation: float, temperature: float) -> None:
    """M, S jointly normal in D dimensions with correlation ρ each: I(M; S) = -D/2 log(1 - ρ²). Every class distinct."""
    width, batch, trials = 4, 64, 20
    full, noise = normal(trials, batch, width, seed=1), normal(trials, batch, width, seed=2)
    other = correlation * full + math.sqrt(1 - correlation**2) * noise
    bounds = [
        mutual_information_bound(m, s, torch.arange(batch), temperature).item()
        for m, s in zip(full, other, strict=True)
    ]
    assert sum(bounds) / trials <= -width / 2 * math.log(1 - correlation**2)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_perfect_alignment_of_distinct_classes_costs_nothing(reduction: str) -> None:
    aligned = torch.eye(8, dtype=torch.float64)
    losses = [
        mutual_information_loss(aligned, aligned, torch.arange(8), temperature, reduction).item()
        for temperature in (1.0, 0.3, 0.1, 0.03)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0, abs=1e-12)


def test_perfect_alignment_certifies_all_that_a_batch_can() -> None:
    aligned = torch.eye(8, dtype=torch.float64)
    assert mutual_information_bound(aligned, aligned, torch.arange(8), 0.03).item() == near(math.log(7))


@properties
@given(st.floats(0, math.pi), st.floats(0.05, 1.0), st.sampled_from([0.2, 0.5, 2.0]), REDUCTIONS)
def test_aligning_positives_lowers_the_loss(angle: float, part: float, temperature: float, reduction: str) -> None:
    """Each S turns towards its class's direction in a plane of its own: only positive pairs' cosines change."""
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    directions = torch.eye(9, dtype=torch.float64)
    full, aside = directions[labels], directions[3:]

    def loss(turned: float) -> float:
        other = math.cos(turned) * full + math.sin(turned) * aside
        return mutual_information_loss(full, other, labels, temperature, reduction).item()

    assert loss(angle * (1 - part)) <= loss(angle) + 1e-12
    if angle > 0.1:
        assert loss(angle * (1 - part)) < loss(angle)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_descent_aligns_classes(reduction: str, temperature: float) -> None:
    """Following both gradients brings same-class pairs together and drives the others apart."""
    labels = torch.arange(3).repeat(3)
    full, other = normal(9, 6, seed=0), normal(9, 6, seed=1)
    same = labels[:, None] == labels[None]

    def gap() -> float:
        cosines = torch.nn.functional.normalize(full) @ torch.nn.functional.normalize(other).T
        return (cosines[same].mean() - cosines[~same].mean()).item()

    before = gap()
    for _ in range(50):
        _, gradients = value_and_gradients(
            lambda m, s: mutual_information_loss(m, s, labels, temperature, reduction), full, other
        )
        full, other = full - 0.5 * gradients[0], other - 0.5 * gradients[1]
    assert gap() > before + 0.5


@properties
@given(batches(), TEMPERATURES, REDUCTIONS)
def test_gradients_are_orthogonal_to_their_rows(batch: LabelledBatch, temperature: float, reduction: str) -> None:
    """A cosine does not change along a row, so no gradient points along it; zero rows get none at all."""
    full, other, labels = batch
    _, gradients = value_and_gradients(
        lambda m, s: mutual_information_loss(m, s, labels, temperature, reduction), full, other
    )
    for rows, gradient in zip((full, other), gradients, strict=True):
        scale = (gradient.norm(dim=1) * rows.norm(dim=1)).clamp(min=1e-3)
        assert ((gradient * rows).sum(1).abs() <= 1e-10 * scale / temperature).all()
        assert (gradient[rows.norm(dim=1) == 0] == 0).all()


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradients_reach_both_arguments(reduction: str) -> None:
    labels = torch.tensor([0, 1, 0, 2])
    _, gradients = value_and_gradients(
        lambda m, s: mutual_information_loss(m, s, labels, reduction=reduction),
        normal(4, 3, seed=0),
        normal(4, 3, seed=1),
    )
    assert all((gradient.norm(dim=1) > 1e-3).all() for gradient in gradients)


def test_defaults() -> None:
    full, other, labels = normal(4, 3, seed=0), normal(4, 3, seed=1), torch.tensor([0, 1, 0, 2])
    assert torch.equal(
        mutual_information_loss(full, other, labels), mutual_information_loss(full, other, labels, 0.5, "sum")
    )
    assert torch.equal(
        mutual_information_bound(full, other, labels), mutual_information_bound(full, other, labels, 0.5)
    )


def with_beliefs(batch: LabelledBatch, beliefs: list[list[float]], temperature: float, reduction: str) -> float:
    """Eq. 7 and 8 in loops, each candidate that is no positive weighted by how surely it is of another class."""
    full, other, labels = batch.rows()
    total = 0.0
    for i, anchor in enumerate(full):
        positive = [labels[i] == label for label in labels]
        weights = [
            1.0 if same else 1 - sum(p * q for p, q in zip(beliefs[i], row, strict=True))
            for same, row in zip(positive, beliefs, strict=True)
        ]
        powers = [
            w * math.exp(float(equations.cosine(anchor, candidate)) / temperature)
            for w, candidate in zip(weights, other, strict=True)
        ]
        h = [power / sum(powers) for power in powers]
        positives = [math.log(h[j]) for j, same in enumerate(positive) if same]
        negatives = [weights[j] * math.log1p(-h[j]) for j, same in enumerate(positive) if not same]
        if reduction == "sum":
            total += sum(positives) + sum(negatives)
        else:
            n = sum(w for w, same in zip(weights, positive, strict=True) if not same)
            total += sum(positives) / len(positives) + sum(negatives) / max(n, 1.0)
    return -total / len(full)


@properties
@given(batches(), st.sampled_from([0.5, 2.0]), REDUCTIONS, st.integers(0, 2**31))
def test_beliefs_weigh_candidates_of_unknown_class(
    batch: LabelledBatch, temperature: float, reduction: str, seed: int
) -> None:
    beliefs = (3 * normal(len(batch.labels), 3, seed=seed)).softmax(1)
    loss = mutual_information_loss(*batch, temperature, reduction, beliefs)  # type: ignore[arg-type]
    assert loss.item() == near(with_beliefs(batch, beliefs.tolist(), temperature, reduction))


@properties
@given(batches(), TEMPERATURES, REDUCTIONS)
def test_certain_beliefs_change_nothing(batch: LabelledBatch, temperature: float, reduction: str) -> None:
    """Every class known: other classes have weight 1, the paper's loss."""
    certain = torch.eye(4, dtype=torch.float64)[batch.labels]
    plain = mutual_information_loss(*batch, temperature, reduction)  # type: ignore[arg-type]
    assert_close(mutual_information_loss(*batch, temperature, reduction, certain), plain)  # type: ignore[arg-type]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_samples_that_surely_are_of_one_class_do_not_drive_each_other_apart(temperature: float, reduction: str) -> None:
    """All are a class of their own by label, and one class by belief: only each one's own pair is left."""
    full, other = normal(5, 4, seed=1), normal(5, 4, seed=2)
    same = torch.zeros(5, 3).double().index_fill(1, torch.tensor([1]), 1.0)
    value, gradients = value_and_gradients(
        lambda a, b: mutual_information_loss(a, b, torch.arange(5), temperature, reduction, same),  # type: ignore[arg-type]
        full,
        other,
    )
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    assert all(torch.isfinite(gradient).all() and gradient.abs().max() < 1e-12 for gradient in gradients)


def test_beliefs_are_probabilities_of_each_sample() -> None:
    full, labels = normal(4, 3, seed=1), torch.arange(4)
    with pytest.raises(ValueError, match=r"beliefs of shape \(4, C\), got \(3, 2\)"):
        mutual_information_loss(full, full, labels, beliefs=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="beliefs of a floating-point dtype"):
        mutual_information_loss(full, full, labels, beliefs=torch.zeros(4, 2, dtype=torch.int64))
