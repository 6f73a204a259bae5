"""scikit-learn's own checks of an estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from crossdistill import CrossModalClassifier, CrossModalRegressor

SHUFFLED = (
    "training takes shuffled batches: samples that are repeated or left out make other batches, as for every estimator "
    "that is trained by stochastic steps"
)
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": SHUFFLED}


@pytest.mark.filterwarnings("ignore:no auxiliary modality given", "ignore:y holds -1 and 1 alone")
@parametrize_with_checks(
    # some steps of this size are plenty for the checks' blobs; test_defaults tries the rule for steps itself
    [
        CrossModalClassifier(n_epochs=15, learning_rate=1e-2, width=32, device="cpu"),
        CrossModalRegressor(n_epochs=15, learning_rate=1e-2, width=32, device="cpu"),
    ],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_what_scikit_learn_asks_of_an_estimator(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
