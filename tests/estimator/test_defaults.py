"""The rule that stands in where nothing is chosen, and what it gives on a real set that it was not chosen on."""

from __future__ import annotations

import numpy as np
import pytest

from crossdistill import CrossModalClassifier
from crossdistill.data.columns import ArrayColumn, SequenceColumn
from crossdistill.datasets import BUNDLED
from crossdistill.estimator.defaults import LEAST_EPOCHS, STEPS, encoder_for, schedule


@pytest.mark.parametrize("samples", [2, 40, 63, 64, 150, 1000, 5000, 47_999, 48_001, 10**6])
def test_small_sets_get_enough_steps_and_large_ones_enough_epochs(samples: int) -> None:
    planned = schedule(samples)
    steps = planned.epochs * max(1, samples // planned.batch_size)
    assert steps >= STEPS
    assert planned.epochs >= LEAST_EPOCHS
    assert planned.epochs == LEAST_EPOCHS or steps - max(1, samples // planned.batch_size) < STEPS


def test_what_is_chosen_is_kept() -> None:
    assert (schedule(1000, epochs=3).epochs, schedule(1000, batch_size=10).batch_size) == (3, 10)


def test_encoders_follow_the_shape_of_a_sample() -> None:
    vectors, steps = ArrayColumn(np.eye(4)), SequenceColumn([np.ones((3, 2)), np.ones((5, 2))])
    assert encoder_for(vectors, 32, 0.1).kind == "mlp"
    assert encoder_for(steps, 32, 0.1).kind == "signal"
    for shape in ((3, 8, 8), (8, 8, 3)):
        assert encoder_for(ArrayColumn(np.ones((4, *shape))), 32, 0.1).kind == "resnet"
    assert encoder_for(ArrayColumn(np.ones((4, 2, 3, 8, 8))), 32, 0.1).kind == "mlp"
    assert encoder_for(ArrayColumn(np.ones((4, 5, 6, 5))), 32, 0.1).kind == "mlp", "nothing says that it is a picture"


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_few_labels_and_many_pairs_are_worth_more_than_few_labels(seed: int) -> None:
    """Emoji's category from the picture, a tenth of the training samples labelled, with the name in training or not."""
    data = BUNDLED["emoji"]()
    picture, name = (data.columns[modality].fetch(np.arange(len(data))).numpy() for modality in ("picture", "name"))  # type: ignore[union-attr]
    train, test = data.rows("train"), data.rows("test")
    labelled = np.random.default_rng(seed).permutation(train)[: len(train) // 10]
    y = np.where(np.isin(train, labelled), data.labels[train], -1)
    helped = CrossModalClassifier(random_state=seed, n_epochs=10, device="cpu").fit(
        picture[train], y, auxiliary=name[train]
    )
    alone = CrossModalClassifier("baseline", random_state=seed, n_epochs=10, device="cpu").fit(picture[train], y)
    truth = data.labels[test]
    assert helped.score(picture[test], truth) > alone.score(picture[test], truth) + 0.03
