"""What each task makes of outputs and labels, against slow float64 loops and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crossdistill.tasks import Classification, MultiLabel, Regression, Task
from crossdistill.tasks.regression import statistics_of
from crossdistill.testing.problem import labels_of
from crossdistill.types import InputError

NAMES = ("a", "b", "c")
MEAN, DEVIATION = (1.0, 5 / 3, -1.0), (0.5, 2.0, 3.0)
TASKS: dict[str, Task] = {
    "classification": Classification(NAMES),
    "multilabel": MultiLabel(NAMES),
    "regression": Regression(NAMES, MEAN, DEVIATION),
}
CLASSES = torch.tensor([0, 2, -1, 1, 0])
LOGITS = torch.linspace(-3, 4, 15, dtype=torch.float64).reshape(5, 3)[:, [1, 0, 2]]
OTHER = LOGITS.flip(0) * 0.7


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def labels(name: str) -> Tensor:
    return labels_of(TASKS[name].kind, CLASSES)


def binary_kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def test_several_labels_are_learnt_by_binary_cross_entropy_in_slow_loops() -> None:
    """The mean over labels and labelled samples; a row of NaN takes no part."""
    total, known = 0.0, labels("multilabel")
    for row in (0, 1, 3, 4):
        for place in range(3):
            p = sigmoid(float(LOGITS[row, place]))
            total += -(math.log(p) if known[row, place] else math.log(1 - p)) / 3 / 4
    assert float(TASKS["multilabel"].loss(LOGITS, known)) == pytest.approx(total, rel=1e-12)


def test_numbers_are_learnt_by_their_standardized_distance_in_slow_loops() -> None:
    total, known = 0.0, labels("regression")
    for row in (0, 1, 3, 4):
        for place in range(3):
            standardized = (float(known[row, place]) - MEAN[place]) / DEVIATION[place]
            total += (float(LOGITS[row, place]) - standardized) ** 2 / 3 / 4
    assert float(TASKS["regression"].loss(LOGITS, known)) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_divergences_in_slow_loops(temperature: float) -> None:
    kl = js = squared = 0.0
    for s, t in zip(LOGITS.flatten().tolist(), OTHER.flatten().tolist(), strict=True):
        p, q = sigmoid(t / temperature), sigmoid(s / temperature)
        kl += binary_kl(p, q) / 15
        one, two = sigmoid(s), sigmoid(t)
        js += (binary_kl(one, (one + two) / 2) + binary_kl(two, (one + two) / 2)) / 2 / 15
        squared += (s - t) ** 2 / 15
    several, numbers = TASKS["multilabel"], TASKS["regression"]
    assert float(several.divergence(LOGITS, OTHER, temperature)) == pytest.approx(kl, rel=1e-9)
    assert float(several.agreement(LOGITS, OTHER)) == pytest.approx(js, rel=1e-9)
    assert temperature**2 * float(numbers.divergence(LOGITS, OTHER, temperature)) == pytest.approx(squared, rel=1e-12)
    assert float(numbers.agreement(LOGITS, OTHER)) == pytest.approx(squared, rel=1e-12)


@pytest.mark.parametrize("name", TASKS)
def test_what_labels_teach_is_what_sure_soft_labels_teach(name: str) -> None:
    """Of the labelled samples; of the others `known_or` keeps the soft label."""
    task, soft = TASKS[name], TASKS[name].probabilities(OTHER)
    known = CLASSES >= 0
    sure = task.known_or(soft, labels(name))
    assert torch.allclose(task.loss(LOGITS, labels(name)), task.soft_loss(LOGITS[known], sure[known]))
    assert torch.equal(sure[~known], soft[~known])
    assert not torch.equal(sure[known], soft[known])


@pytest.mark.parametrize("name", TASKS)
def test_weights_of_samples_multiply_what_each_teaches(name: str) -> None:
    task, soft = TASKS[name], TASKS[name].probabilities(OTHER)
    weights = torch.arange(5, dtype=torch.float64)
    alone = [float(task.soft_loss(LOGITS[i : i + 1], soft[i : i + 1])) for i in range(5)]
    expected = sum(i * loss for i, loss in enumerate(alone)) / 5
    assert float(task.soft_loss(LOGITS, soft, weights)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", TASKS)
def test_gradients_are_right_and_reach_no_label(name: str) -> None:
    task, leaf = TASKS[name], LOGITS.clone().requires_grad_()
    soft = task.probabilities(OTHER)
    assert torch.autograd.gradcheck(lambda z: task.loss(z, labels(name)), leaf)
    assert torch.autograd.gradcheck(lambda z: task.soft_loss(z, soft), leaf)
    assert torch.autograd.gradcheck(lambda z: task.divergence(z, OTHER, 2.0), leaf)
    assert torch.autograd.gradcheck(lambda z: task.agreement(z, OTHER), leaf)
    [gradient] = torch.autograd.grad(task.loss(leaf, labels(name)), leaf)
    assert not gradient[2].any(), "the sample without a label teaches nothing"
    assert gradient[0].any()


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_extremes_stay_finite(name: str, scale: float) -> None:
    task, leaf = TASKS[name], (scale * LOGITS.float()).requires_grad_()
    soft = task.sharpened(task.probabilities(-leaf.detach()), 2.0)
    nobody = labels_of(task.kind, torch.full((5,), -1))
    losses = [
        *(task.loss(leaf, labels(name)), task.loss(leaf, nobody), task.soft_loss(leaf, soft)),
        *(task.divergence(leaf, -leaf, 3.0), task.agreement(leaf, -leaf)),
    ]
    [gradient] = torch.autograd.grad(torch.stack(losses).sum(), leaf)
    assert all(torch.isfinite(loss) for loss in losses)
    assert torch.isfinite(gradient).all()
    assert float(losses[1].detach()) == 0, "nothing is learnt where nobody has a label"


def test_sharpening_makes_surer_and_leaves_numbers() -> None:
    q = torch.tensor([[0.9, 0.5, 0.2]], dtype=torch.float64)
    sharp = TASKS["multilabel"].sharpened(q, 2.0)
    assert torch.allclose(sharp, q**2 / (q**2 + (1 - q) ** 2))
    assert torch.equal(TASKS["regression"].sharpened(q, 2.0), q)
    assert torch.equal(TASKS["regression"].softened(q, 2.0), q)


@pytest.mark.parametrize("name", TASKS)
def test_logits_and_probabilities_are_each_others_inverse(name: str) -> None:
    task = TASKS[name]
    again = task.probabilities(task.logits_of(task.probabilities(LOGITS)))
    assert torch.allclose(again, task.probabilities(LOGITS), atol=1e-15)


def test_positives_have_the_same_set_of_labels_and_numbers_have_none() -> None:
    known = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [math.nan] * 2, [0.0, 0.0], [1.0, 1.0], [math.nan] * 2])
    numbers = MultiLabel(("x", "y")).positives(known).tolist()
    same = [[a == b for b in numbers] for a in numbers]
    sets = [(1, 0), (0, 0), (1, 0), "unknown", (0, 0), (1, 1), "unknown too"]
    assert same == [[a == b for b in sets] for a in sets]
    alone = TASKS["regression"].positives(torch.zeros(4, 3))
    assert len(set(alone.tolist())) == 4
    assert (alone < 0).all()


def test_a_change_of_unit_changes_neither_loss_nor_gradient() -> None:
    """y -> a y + b moves mean and deviation alike; a large b costs no digits, as labels stay in float64."""
    values = np.random.default_rng(0).normal(size=(40, 1))
    logits = torch.linspace(-1, 1, 40).reshape(40, 1).requires_grad_()
    losses = {}
    for scale, shift in ((1.0, 0.0), (-1e-3, 0.0), (1e6, 1e9)):
        moved = scale * values + shift
        task = Regression(("y",), *statistics_of(moved))
        loss = task.loss(math.copysign(1, scale) * logits, torch.from_numpy(moved))
        [gradient] = torch.autograd.grad(loss, logits)
        losses[scale] = (float(loss.detach()), gradient)
        told = task.outputs((math.copysign(1, scale) * logits.detach()).double())["values"].numpy()
        np.testing.assert_allclose((told - shift) / scale, losses_in(values, logits.detach()), rtol=1e-6, atol=1e-6)
    first, gradient = losses[1.0]
    for loss, other in losses.values():
        assert loss == pytest.approx(first, rel=1e-5)
        assert torch.allclose(other, gradient, rtol=1e-4, atol=1e-7)


def losses_in(values: np.ndarray, logits: Tensor) -> np.ndarray:
    """The predictions of standardised outputs in the first unit."""
    return values.std() * logits.double().numpy() + values.mean()


def test_numbers_that_are_all_the_same_are_standardized_to_zero() -> None:
    task = Regression(("y",), *statistics_of(np.full((5, 1), 1e8 + 0.1)))
    assert float(task.loss(torch.zeros(5, 1), torch.full((5, 1), 1e8 + 0.1, dtype=torch.float64))) < 1e-12
    with pytest.raises(InputError, match=r"numbers too large to be standardised"):
        statistics_of(np.array([[1e300], [-1e300]]))
