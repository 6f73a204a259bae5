"""Measures of labels and numbers beside scikit-learn's, which is another implementation of the same definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics

from crossdistill.evaluation import top1
from crossdistill.evaluation.multilabel import average_precisions, f1
from crossdistill.evaluation.regression import (
    mean_absolute_errors,
    pearson_correlations,
    r2_scores,
    root_mean_squared_errors,
)
from crossdistill.evaluation.summary import evaluate_labels, evaluate_numbers

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.random((60, 4)) < [0.5, 0.1, 0.9, 0.3]
SCORES = (RANDOM.normal(size=(60, 4)) + LABELS).round(1)  # rounded, so that there are ties
NUMBERS = RANDOM.normal(size=(60, 3)) * [1, 10, 0.1] + [0, 100, -3]
TOLD = NUMBERS + RANDOM.normal(size=(60, 3)) * [0.5, 20, 0.01]


def test_labels_are_measured_as_scikit_learn_does() -> None:
    found = evaluate_labels(SCORES, LABELS.astype(int))
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(LABELS, SCORES > 0, average="micro"))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(LABELS, SCORES > 0, average="macro"))
    assert found["map"] == pytest.approx(metrics.average_precision_score(LABELS, SCORES, average="macro"))
    each = metrics.average_precision_score(LABELS, SCORES, average=None)
    np.testing.assert_allclose(average_precisions(SCORES, LABELS.astype(int)), each)


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    found = evaluate_numbers(TOLD, NUMBERS)
    assert found["r2"] == pytest.approx(metrics.r2_score(NUMBERS, TOLD))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(NUMBERS, TOLD))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(NUMBERS, TOLD))
    each = [stats.pearsonr(NUMBERS[:, place], TOLD[:, place])[0] for place in range(3)]
    np.testing.assert_allclose(pearson_correlations(TOLD, NUMBERS), each)


def test_each_number_has_errors_in_its_own_unit() -> None:
    """As scikit-learn has them one by one; another unit of one number changes that number's alone."""
    found, other = evaluate_numbers(TOLD, NUMBERS), evaluate_numbers(TOLD * [1, 1, 1000], NUMBERS * [1, 1, 1000])
    for name, measure in {
        "per_number_rmse": metrics.root_mean_squared_error,
        "per_number_mae": metrics.mean_absolute_error,
    }.items():
        np.testing.assert_allclose(found[name], measure(NUMBERS, TOLD, multioutput="raw_values"))
        np.testing.assert_allclose(np.divide(other[name], found[name]), [1, 1, 1000])


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e8, 1.7e9, 1e12])
def test_numbers_far_from_0_are_measured_in_all_their_digits(offset: float) -> None:
    """Seconds since 1970 that vary by some, say; of tensors as of arrays, beside scikit-learn in float64."""
    true, told = NUMBERS[:, :1] + offset, TOLD[:, :1] + offset
    of_tensors, of_arrays = (
        evaluate_numbers(torch.from_numpy(told), torch.from_numpy(true)),
        evaluate_numbers(told, true),
    )
    assert of_tensors == of_arrays
    assert of_tensors["r2"] == pytest.approx(metrics.r2_score(true, told), rel=1e-9)
    assert of_tensors["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, told), rel=1e-9)
    assert of_tensors["mae"] == pytest.approx(metrics.mean_absolute_error(true, told), rel=1e-9)
    assert of_tensors["pearson"] == pytest.approx(stats.pearsonr(true[:, 0], told[:, 0])[0], rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_classes_are_those_of_the_highest_logit_in_every_precision(dtype: torch.dtype) -> None:
    logits = torch.from_numpy(RANDOM.normal(size=(60, 4))).to(dtype)
    logits[:, 1] = logits[:, 0]  # ties, of which the lowest class counts
    true = torch.from_numpy(RANDOM.integers(0, 4, size=60))
    assert top1(logits, true) == metrics.accuracy_score(true, logits.double().numpy().argmax(1))


def test_what_is_not_defined_is_nan_and_not_zero() -> None:
    nobody = np.zeros((5, 2), dtype=int)
    nobody[0, 0] = 1
    precisions = average_precisions(np.ones((5, 2)), nobody)
    assert precisions[0] == 0.2
    assert np.isnan(precisions[1])
    assert evaluate_labels(np.ones((5, 2)), nobody)["map"] == 0.2, "the label that nobody has is left out"
    assert np.isnan(evaluate_labels(np.ones((5, 2)), np.zeros((5, 2), dtype=int))["map"])
    assert f1(-np.ones((5, 2)), np.zeros((5, 2), dtype=int)) == (0.0, 0.0)
    constant = np.ones((4, 1))
    assert np.isnan(r2_scores(constant, constant)[0])
    assert np.isnan(pearson_correlations(constant, NUMBERS[:4, :1])[0])
    assert root_mean_squared_errors(constant, constant) == mean_absolute_errors(constant, constant) == 0


def test_numbers_that_are_the_same_in_all_samples_are_left_out_of_means_that_need_a_spread() -> None:
    """As labels that nobody has are of mAP: R² and r are the means over the others, errors those over all."""
    true, told = np.insert(NUMBERS, 1, 7.0, axis=1), np.insert(TOLD, 1, 7.1, axis=1)
    found = evaluate_numbers(told, true)
    assert found["r2"] == pytest.approx(metrics.r2_score(NUMBERS, TOLD))
    each = [stats.pearsonr(NUMBERS[:, place], TOLD[:, place])[0] for place in range(3)]
    assert found["pearson"] == pytest.approx(np.mean(each))
    assert np.isnan(found["per_number"]).tolist() == [False, True, False, False]
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(true, told))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, told))
    nothing = evaluate_numbers(told[:, 1:2], true[:, 1:2])
    assert np.isnan([nothing["r2"], nothing["pearson"]]).all()
    assert nothing["mae"] == pytest.approx(0.1)
    one_value_said = np.where(np.arange(4) == 0, 3.0, told)  # what is said of a number that varies: r stays undefined
    assert np.isnan(evaluate_numbers(one_value_said, true)["pearson"])


@pytest.mark.parametrize("constant", [0.1, 1e-300, 1234.1, -7.3e12])
@pytest.mark.parametrize("count", [3, 7, 10])
def test_numbers_that_are_all_the_same_are_constant_whatever_their_mean_rounds_to(constant: float, count: int) -> None:
    """The mean of three times 0.1 is not 0.1 in float64: what is left of it would be a variance of 1e-34."""
    same, others = np.full((count, 1), constant), np.arange(float(count))[:, None]
    assert np.isnan(r2_scores(others, same)[0])
    assert np.isnan(pearson_correlations(others, same)[0])
    assert np.isnan(pearson_correlations(same, others)[0])


def test_equal_scores_come_in_together_where_they_are_infinite() -> None:
    """In whichever order the two samples stand that share the highest score, half of them have the label."""
    scores = np.array([[np.inf], [np.inf], [-np.inf], [-np.inf]])
    for labels in ([1, 0, 0, 0], [0, 1, 0, 0]):
        assert average_precisions(scores, np.array(labels)[:, None]).tolist() == [0.5]


@pytest.mark.parametrize("measure", [f1, average_precisions, r2_scores, root_mean_squared_errors])
def test_shapes_that_disagree_are_refused(measure: object) -> None:
    with pytest.raises(ValueError, match="of one shape"):
        measure(np.ones((4, 2)), np.ones((4, 3)))  # type: ignore[operator]
