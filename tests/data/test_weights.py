"""Samples that count more are drawn more often, by one rule for every method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crossdistill.data import from_arrays, with_class_weights
from crossdistill.data.columns import SequenceColumn
from crossdistill.data.fingerprint import differing, fingerprint
from crossdistill.data.loading import EpochBatches, drawn, training_batches
from crossdistill.estimator.labels import weights_of_indicators
from crossdistill.types import InputError

ROWS = np.arange(20)


def counts(weights: Any, epochs: int, size: int = 4, **options: Any) -> Any:
    """How often each row came in so many epochs."""
    total = np.zeros(len(weights), dtype=int)
    for epoch in range(epochs):
        for batch in EpochBatches(ROWS, size, 3, epoch, weights=np.asarray(weights, dtype=float), **options):
            np.add.at(total, batch, 1)
    return total


def test_rows_come_in_proportion_to_their_weights() -> None:
    weights = np.where(ROWS < 5, 4.0, 0.5)
    shares = counts(weights, 800) / (800 * 20)
    assert shares == pytest.approx(weights / weights.sum(), abs=0.004)


@pytest.mark.parametrize("seed", range(20))
def test_a_round_has_each_row_as_often_as_its_weight_says_rounded_down_or_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.uniform(0.01, 3, size=50)
    times = np.bincount(drawn(np.arange(50), weights, random), minlength=50)
    expected = 50 * weights / weights.sum()
    assert times.sum() == 50
    assert (np.abs(times - expected) < 1 + 1e-9).all()


def test_equal_weights_bring_each_row_once() -> None:
    for batch in EpochBatches(ROWS, 20, 0, 0, weights=np.full(20, 0.1)):
        assert sorted(batch) == ROWS.tolist()


def test_unlabelled_rows_keep_their_share_and_have_weights_among_themselves() -> None:
    others = np.arange(20, 40)
    weights = np.concatenate([np.ones(20), np.where(others < 30, 3.0, 1.0)])
    total = counts(weights, 400, size=8, unlabelled=others, share=0.5)
    assert total[:20].sum() == total[20:].sum()
    assert total[20:30].sum() / total[30:].sum() == pytest.approx(3, rel=0.05)


def test_ranks_draw_the_batch_of_one_process() -> None:
    weights = np.linspace(1, 5, 20)
    alone = list(EpochBatches(ROWS, 4, 0, 1, weights=weights))
    ranks = [list(EpochBatches(ROWS, 4, 0, 1, rank, 2, weights=weights)) for rank in range(2)]
    assert [a + b for a, b in zip(*ranks, strict=True)] == alone


def test_a_data_set_s_weights_reach_its_batches() -> None:
    weights = np.where(np.arange(10) == 7, 1e6, 1e-6)
    data = from_arrays({"x": np.eye(10)}, np.arange(10) % 2, weights=weights)
    rows = [row for batch in training_batches(data, data.rows("train"), 5, 0, 0) for row in batch.rows.tolist()]
    assert rows == [7] * 10
    plain = from_arrays({"x": np.eye(10)}, np.arange(10) % 2)
    assert differing(fingerprint(plain), fingerprint(data)) == ["weights"]


@pytest.mark.parametrize("weights", [[1.0] * 9, [0.0] + [1.0] * 9, [np.nan] * 10, [[1.0]] * 10])
def test_weights_that_cannot_be_are_refused(weights: Any) -> None:
    with pytest.raises(InputError, match="weights: expected"):
        from_arrays({"x": np.eye(10)}, np.arange(10) % 2, weights=weights)


def test_a_column_is_taken_as_it_is() -> None:
    column = SequenceColumn([np.ones((3, 2))] * 4)
    data = from_arrays({"pen": column}, [0, 1, 0, 1])
    assert data.columns["pen"] is column
    with pytest.raises(InputError, match="a column says itself who lacks it"):
        from_arrays({"pen": column}, [0, 1, 0, 1], present={"pen": [True, True, True, False]})


def classed(labels: list[str | None], **options: Any) -> Any:
    return from_arrays({"x": np.eye(len(labels))}, labels, **options)


@pytest.mark.parametrize("seed", range(10))
def test_balanced_draws_bring_every_class_equally_often(seed: int) -> None:
    """Over the training samples with a label, by the weights that they have; those of other splits do not count."""
    random = np.random.default_rng(seed)
    labels = [*"abc", *random.choice([*"abc"], size=57, p=[0.7, 0.25, 0.05])]
    own, test = random.uniform(0.5, 2, size=60), random.random(60) < 0.3
    test[:3] = False
    data = with_class_weights(classed(labels, weights=own, splits=test))
    totals = {name: data.weights[[label == name for label in labels] & ~test].sum() for name in "abc"}
    assert np.ptp(list(totals.values())) == pytest.approx(0, abs=1e-9)
    assert sum(totals.values()) == pytest.approx(own[~test].sum()), "the mean weight stays"
    ratio = data.weights / own
    assert all(np.ptp(ratio[[label == name for label in labels]]) < 1e-12 for name in "abc")


def test_class_weights_multiply_those_of_samples_and_leave_unlabelled_ones() -> None:
    data = classed(["a", "b", None, "b"], weights=[1, 2, 3, 4])
    assert with_class_weights(data, {"b": 0.5}).weights.tolist() == [1, 1, 3, 2]
    assert with_class_weights(data).weights[2] == 3


def test_a_class_that_only_held_out_samples_have_stays_as_it_is() -> None:
    data = classed(["a", "b", "b", "c"])
    data = replace(data, splits=np.array(["train", "train", "train", "held_out"]))
    assert with_class_weights(data).weights.tolist() == pytest.approx([1.5, 0.75, 0.75, 1])


def test_an_unknown_class_is_one_line_that_names_those_there_are() -> None:
    with pytest.raises(InputError, match=r"data\.class_weights: expected classes of .*\(a, b\), found 'd'"):
        with_class_weights(classed(["a", "b"]), {"a": 1.0, "d": 2.0})


def test_balanced_training_sees_every_class_equally_often() -> None:
    labels = np.repeat(["rest", "walk", "fall"], [80, 15, 5]).tolist()
    data = with_class_weights(classed(labels))
    seen = np.zeros(3, dtype=int)
    for epoch in range(30):
        for batch in training_batches(data, data.rows("train"), 10, 0, epoch):
            seen += np.bincount(batch.labels.numpy(), minlength=3)
    assert seen / seen.sum() == pytest.approx([1 / 3] * 3, abs=0.01)


LABELS = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]], dtype=float)
"""One label is common, two are rare, one of them beside the common one; two samples have none of them."""


def labelled(labels: Any, **given: Any) -> Any:
    return from_arrays({"x": np.eye(len(labels))}, labels, classes=["a", "b", "c"], task="multilabel", **given)


def test_a_sample_s_labels_multiply_its_weight() -> None:
    made = with_class_weights(labelled(LABELS, weights=[1, 2, 1, 1, 1, 1]), {"a": 2.0, "b": 5.0})
    assert made.weights.tolist() == [2, 4, 10, 1, 2, 1]


@pytest.mark.parametrize("own", [np.ones(6), np.array([1, 3, 0.5, 2, 1, 1])])
def test_balanced_labels_are_drawn_one_by_one(own: Any) -> None:
    """Class-aware sampling as it is told: a label, or none of them, then a sample that has it, by its own weight."""
    expected = np.zeros(6)
    kinds = [np.flatnonzero(LABELS[:, label]) for label in range(3)] + [np.flatnonzero(~LABELS.any(1))]
    for rows in kinds:
        for row in rows:
            expected[row] += own[row] / own[rows].sum() / len(kinds)
    weights = with_class_weights(labelled(LABELS, weights=own)).weights
    assert weights / weights.sum() == pytest.approx(expected)
    assert weights.sum() == pytest.approx(own.sum())


def test_samples_of_other_splits_and_without_labels_count_for_nothing() -> None:
    labels = np.concatenate([LABELS, np.ones((3, 3)), np.full((1, 3), np.nan)])
    more = with_class_weights(labelled(labels, splits=["train"] * 6 + ["test"] * 3 + ["train"]))
    assert more.weights[:6] == pytest.approx(with_class_weights(labelled(LABELS)).weights)
    assert more.weights[9] == 1


@pytest.mark.parametrize("weight", ["balanced", {1: 5.0, 2: 0.0}])
def test_the_estimator_weighs_labels_as_recipes_do(weight: Any) -> None:
    labels = np.concatenate([LABELS, np.full((1, 3), np.nan)])
    found = weights_of_indicators(None, weight, labels, np.arange(3))
    if weight == "balanced":
        assert found == pytest.approx(with_class_weights(labelled(labels)).weights)
    else:
        assert found.tolist() == [1, 1, 5, 1, 0, 1, 1]
