"""Numbers and several labels in scikit-learn's terms."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict

from crossdistill import CrossModalClassifier, CrossModalRegressor, InputError
from tests.estimator.small import SAMPLES, problem

X, CLASSES, A = problem()
Y = 30 + 5 * A[:, 0] - 2 * A[:, 1]
SEVERAL = np.stack([CLASSES == 0, CLASSES > 0, CLASSES < 2], axis=1).astype(int)
QUICK = {"n_epochs": 12, "batch_size": 30, "width": 16, "learning_rate": 1e-2, "random_state": 0, "device": "cpu"}
FEW = np.arange(SAMPLES) < 45


def regressor(method: str = "amid_u", **options: Any) -> CrossModalRegressor:
    return CrossModalRegressor(method, **{**QUICK, **options})


def classifier(method: str = "amid_u", **options: Any) -> CrossModalClassifier:
    return CrossModalClassifier(method, **{**QUICK, **options})


def test_numbers_are_told_of_samples_without_a_label_too() -> None:
    model = regressor(n_epochs=20).fit(X, np.where(FEW, Y, np.nan), auxiliary=A)
    told = model.predict(X)
    assert told.shape == (SAMPLES,)
    assert model.score(X, Y) == pytest.approx(r2_score(Y, told))
    assert model.score(X, Y) > 0.15
    assert model.teacher_score(X, Y, A) > model.score(X, Y)
    assert model.score(X, np.where(FEW, Y, np.nan)) == pytest.approx(r2_score(Y[FEW], told[FEW]))


def test_minus_one_is_a_number_and_doubted() -> None:
    with pytest.warns(UserWarning, match=r"^label is -1 for 45 of 90 labelled training samples .* give NaN in arrays$"):
        regressor("baseline", n_epochs=1).fit(X, np.where(FEW, Y + 10, -1.0))


def test_the_epoch_with_the_highest_r2_is_kept() -> None:
    """Of equal ones the last, and also where all are below 0."""
    model = regressor("baseline", early_stopping=True, n_epochs=4, learning_rate=1e-5).fit(X, Y + 1e3)
    measured = [float(record["evaluation/student/r2"]) for record in model.history_]
    assert model.best_epoch_ == max(range(4), key=lambda epoch: (measured[epoch], epoch))
    assert max(measured) < 0.1


def test_where_nothing_can_be_measured_it_is_said_of_early_stopping() -> None:
    with pytest.raises(InputError, match=r"^early_stopping: .* their labels are all alike, so that nothing can be mea"):
        regressor("baseline", early_stopping=True, n_epochs=1).fit(X, np.ones(SAMPLES))


def test_several_numbers_are_told_together_and_under_their_names() -> None:
    both = pd.DataFrame({"load": Y, "tilt": -(Y**2)})
    model = regressor("baseline").fit(X, both)
    assert model.predict(X).shape == (SAMPLES, 2)
    assert model.student_.classes == ("load", "tilt")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(InputError, match=r"sample 0: expected all of its 2 entries or none"):
        regressor("baseline").fit(X, np.where(np.eye(SAMPLES, 2) > 0, np.nan, both))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, pd.DataFrame])
def test_an_indicator_matrix_is_several_labels(form: Any) -> None:
    model = classifier().fit(X, form(SEVERAL), auxiliary=A)
    shares = model.predict_proba(X)
    assert shares.shape == SEVERAL.shape
    assert not np.allclose(shares.sum(1), 1), "each label has a probability of its own"
    np.testing.assert_array_equal(model.predict(X), (shares > 0.5).astype(int))
    assert model.score(X, SEVERAL) == (model.predict(X) == SEVERAL).all(1).mean() > 0.4
    assert model.teacher_score(X, SEVERAL, A) > 0.8
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("missing", [-1.0, np.nan])
def test_a_row_of_minus_ones_or_nan_has_no_labels(missing: float) -> None:
    known = classifier().fit(X, np.where(FEW[:, None], SEVERAL, missing), auxiliary=A)
    assert known.predict(X).shape == SEVERAL.shape
    told = known.predict(X)
    assert known.score(X, np.where(FEW[:, None], SEVERAL, missing)) == (told == SEVERAL)[FEW].all(1).mean()


def test_what_has_no_meaning_is_one_line() -> None:
    with pytest.raises(InputError, match=r"method: crd has no meaning for regression; .*amid_u"):
        regressor("crd").fit(X, Y, auxiliary=A)
    with pytest.raises(InputError, match=r"class_weight: expected classes of y, \[0, 1, 2\], found 3"):
        classifier(class_weight={3: 2.0}).fit(X, SEVERAL, auxiliary=A)
    with pytest.raises(InputError, match=r"expected 0 or 1 for each label, found 2"):
        classifier().fit(X, 2 * SEVERAL, auxiliary=A)
    with pytest.raises(InputError, match=r"every sample is unlabelled"):
        regressor().fit(X, np.full(SAMPLES, np.nan), auxiliary=A)
    with pytest.raises(AttributeError, match=r"predict_proba"):
        regressor().predict_proba(X)


def test_it_cross_validates() -> None:
    told = cross_val_predict(regressor("baseline", n_epochs=5), X, Y, cv=2)
    assert told.shape == (SAMPLES,)
