"""Information estimates against values that are known in closed form or by integration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossdistill.diagnosis import (
    classifier_information,
    classifier_information_of_classes,
    neighbour_information,
    neighbour_information_of_classes,
)

BETWEEN = [neighbour_information, classifier_information]


def normal_pairs(correlation, dimensions=1, count=1500, seed=0):
    """x, y whose coordinates are correlated in pairs, and I(x; y) = -D log(1 - r^2) / 2."""
    x, noise = np.random.default_rng(seed).normal(size=(2, count, dimensions))
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    return x, y, -dimensions * math.log(1 - correlation**2) / 2


def two_normals(distance, count=2000, seed=0):
    """One of two unit normals by its class, and I(x; class) by integration."""
    labels = np.arange(count) % 2
    x = distance * labels[:, None] + np.random.default_rng(seed).normal(size=(count, 1))
    grid = np.linspace(-10, 10 + distance, 20001)
    densities = np.stack([np.exp(-((grid - place) ** 2) / 2) / math.sqrt(2 * math.pi) for place in (0, distance)])
    mixed = densities.mean(0)
    terms = densities * np.log(np.maximum(densities, 1e-300) / np.maximum(mixed, 1e-300))
    return x, labels, float(terms.sum(0).sum() * (grid[1] - grid[0]) / 2)


@pytest.mark.parametrize("estimate", BETWEEN)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_normal_pairs(estimate, dimensions, correlation):
    x, y, truth = normal_pairs(correlation, dimensions)
    assert estimate(x, y) == pytest.approx(truth, abs=0.1 + 0.05 * truth)


@pytest.mark.parametrize("estimate", BETWEEN)
def test_scale_and_place_say_nothing(estimate):
    x, y, _ = normal_pairs(0.7, 2, 400)
    assert estimate(1e6 * x + 5, 1e-6 * y - 3) == pytest.approx(estimate(x, y), abs=1e-3)


def test_a_relation_that_no_line_shows():
    """y = x^2 + noise: not correlated with x, and far from independent; both estimates see it."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 1))
    y = x**2 + 0.1 * random.normal(size=(1500, 1))
    assert abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]) < 0.2
    assert neighbour_information(x, y) > 1
    assert classifier_information(x[:, [0]], np.concatenate([y, x**2], axis=1)) >= 0


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_two_normals(distance):
    x, labels, truth = two_normals(distance)
    assert neighbour_information_of_classes(x, labels) == pytest.approx(truth, abs=0.04)
    odds = distance * x[:, 0] - distance**2 / 2  # what Bayes' rule makes of x
    one = 1 / (1 + np.exp(-odds))
    assert classifier_information_of_classes(np.stack([1 - one, one], axis=1), labels) == pytest.approx(truth, abs=0.04)


def test_a_classifier_that_is_too_sure_is_softened_and_one_that_knows_nothing_gives_nothing():
    x, labels, truth = two_normals(1.5)
    odds = 10 * (1.5 * x[:, 0] - 1.5**2 / 2)
    one = 1 / (1 + np.exp(-odds))
    assert classifier_information_of_classes(np.stack([1 - one, one], axis=1), labels) == pytest.approx(truth, abs=0.05)
    told = np.random.default_rng(1).dirichlet(np.ones(2), size=2000)
    assert classifier_information_of_classes(told, labels) < 0.01


def test_never_more_than_the_labels_hold():
    labels = np.arange(300) % 3
    assert classifier_information_of_classes(np.eye(3)[labels], labels) == pytest.approx(math.log(3), abs=1e-3)
    assert neighbour_information_of_classes(100.0 * np.eye(3)[labels], labels) == pytest.approx(math.log(3), abs=0.02)


def test_repeated_values_and_constant_coordinates_are_finite():
    x = np.repeat([[0.0, 1.0], [1.0, 1.0]], 60, axis=0)
    for estimate in BETWEEN:
        assert math.isfinite(estimate(x, x))
    assert neighbour_information(np.ones((50, 2)), np.random.default_rng(0).normal(size=(50, 1))) < 0.3


def test_a_class_of_one_is_left_out():
    x, labels, truth = two_normals(3.0)
    labels = labels.copy()
    labels[0] = 2
    assert neighbour_information_of_classes(x, labels) == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbour_information(np.ones((5, 1)), np.ones((4, 1))), "as many vectors"),
        (lambda: neighbour_information(np.ones((3, 1)), np.ones((3, 1))), "more than 3"),
        (lambda: classifier_information(np.ones((5, 1)), np.ones((5, 1))), "more than 5"),
        (lambda: neighbour_information_of_classes(np.ones((3, 1)), np.arange(3)), "two samples of some class"),
        (lambda: neighbour_information_of_classes(np.ones((3, 1)), np.arange(2)), "as many labels"),
        (lambda: classifier_information_of_classes(np.ones((3, 2)), np.zeros(2, dtype=int)), "each of 2 labels"),
    ],
    ids=["counts", "few", "few-folds", "alone", "labels", "probabilities"],
)
def test_what_cannot_be_estimated(call, message):
    with pytest.raises(ValueError, match=message):
        call()
