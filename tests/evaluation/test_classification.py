"""Classification metrics against hand-counted examples, scikit-learn and torchmetrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from crossdistill.evaluation import confusion_matrix, per_class_accuracy, top1, unweighted_accuracy, weighted_accuracy

# class 0: 3 of 4 right; class 1: 0 of 1; class 2: 1 of 1; class 3 does not occur
PREDICTED = np.array([0, 0, 0, 2, 0, 2])
LABELS = np.array([0, 0, 0, 0, 1, 2])


def test_hand_counted_example() -> None:
    assert top1(PREDICTED, LABELS) == pytest.approx(4 / 6)
    assert weighted_accuracy(PREDICTED, LABELS) == pytest.approx(4 / 6)
    assert unweighted_accuracy(PREDICTED, LABELS) == pytest.approx((0.75 + 0 + 1) / 3)
    np.testing.assert_allclose(per_class_accuracy(PREDICTED, LABELS, 4), [0.75, 0, 1, np.nan])
    expected = [[3, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(PREDICTED, LABELS, 4), expected)


@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(1, 60))
def test_agrees_with_sklearn_and_torchmetrics(seed: int, classes: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(samples, classes))
    labels = rng.integers(0, classes, samples)
    predicted = logits.argmax(1)
    assert top1(logits, labels) == pytest.approx(sk.accuracy_score(labels, predicted))
    occurring = np.unique(labels)
    assert unweighted_accuracy(logits, labels) == pytest.approx(
        sk.recall_score(labels, predicted, labels=occurring, average="macro")
    )
    matrix = confusion_matrix(logits, labels, classes)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(labels, predicted, labels=range(classes)))
    scores, true = torch.tensor(logits), torch.tensor(labels)
    np.testing.assert_array_equal(matrix, multiclass_confusion_matrix(scores, true, classes).numpy())
    recalls = per_class_accuracy(scores, true, classes)
    oracle = multiclass_accuracy(scores, true, classes, average=None).numpy()
    np.testing.assert_allclose(recalls[occurring], oracle[occurring], rtol=1e-6)
    assert np.isnan(np.delete(recalls, occurring)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_tensors_of_every_precision(dtype: torch.dtype) -> None:
    logits = torch.eye(4, dtype=dtype, requires_grad=True)
    assert top1(logits, torch.tensor([0, 1, 2, 0])) == 0.75


def test_huge_and_infinite_logits() -> None:
    assert top1(np.array([[1e300, -np.inf], [-1e300, np.inf]]), np.array([0, 1])) == 1.0


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), "expected logits"),
        (np.zeros((3, 2, 1)), np.zeros(3, int), "expected logits"),
        (np.zeros(3, int), np.zeros((3, 1), int), "expected logits"),
        (np.zeros(0, int), np.zeros(0, int), "at least one sample"),
        (np.zeros((2, 0)), np.zeros(2, int), "no classes"),
        (np.zeros(3), np.zeros(3, int), "integer classes"),
        (np.zeros(3, int), np.zeros(3), "integer classes"),
        (np.array([0, -1]), np.array([0, 0]), "counted from 0"),
        (np.array([0, 0]), np.array([0, -100]), "counted from 0"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), np.array([0, 1]), "row 1"),
    ],
)
def test_mistakes_are_named(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        top1(scores, labels)
    with pytest.raises(ValueError, match=message):
        unweighted_accuracy(scores, labels)


def test_classes_beyond_the_count_are_named() -> None:
    with pytest.raises(ValueError, match="labels go up to 2"):
        confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="predictions go up to 2"):
        per_class_accuracy(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="3 columns"):
        confusion_matrix(np.eye(3), np.array([0, 0, 0]), 5)


@pytest.mark.parametrize("measure", [top1, weighted_accuracy, unweighted_accuracy])
def test_a_label_that_logits_have_no_column_for_is_named(measure: Callable[[np.ndarray, np.ndarray], float]) -> None:
    with pytest.raises(ValueError, match="labels go up to 7, expected less than the number of classes, 3"):
        measure(np.eye(3), np.array([0, 1, 7]))
    assert measure(np.array([0, 1, 2]), np.array([0, 1, 7])) == pytest.approx(2 / 3)  # of classes C is not known
