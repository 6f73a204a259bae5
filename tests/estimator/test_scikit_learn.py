"""The estimator among scikit-learn's own tools, with the auxiliary modalities sliced along."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crossdistill import CrossModalClassifier, Modalities, load
from tests.estimator.small import CLASSES, SAMPLES, problem, quick

X, Y, A = problem()


class Recording(CrossModalClassifier):
    """Keeps how many samples each of its fits got, and whether their auxiliary rows are those of X."""

    seen: list[tuple[int, bool]] = []

    def fit(self, X: Any, y: Any, auxiliary: Any = None, sample_weight: Any = None) -> Recording:
        first = np.asarray(auxiliary if not isinstance(auxiliary, Modalities) else auxiliary["camera"])[:, 0]
        self.seen.append((len(X), bool(np.isin(first, A[:, 0]).all()) and bool((A[_rows_in(X), 0] == first).all())))
        super().fit(X, y, auxiliary, sample_weight)
        return self


def _rows_in(some: Any) -> Any:
    """The numbers of these rows of X."""
    first = some["wrist"][:, 0] if isinstance(some, Modalities) else np.asarray(some)[:, 0]
    return [int(np.flatnonzero(X[:, 0] == value)[0]) for value in first]


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def recording() -> Recording:
    Recording.seen = []
    return Recording(n_epochs=2, batch_size=30, width=16, random_state=0, device="cpu")


def test_cross_validation_slices_the_auxiliary_with_x(routing: None, recording: Recording) -> None:
    scores = cross_val_score(recording.set_fit_request(auxiliary=True), X, Y, cv=3, params={"auxiliary": A})
    assert len(scores) == 3
    assert recording.seen == [(60, True)] * 3


def test_named_modalities_are_sliced_as_arrays_are(routing: None, recording: Recording) -> None:
    given = Modalities(wrist=X, elbow=X[:, :2])
    params = {"auxiliary": Modalities(camera=A, depth=pd.DataFrame(A))}
    predicted = cross_val_predict(recording.set_fit_request(auxiliary=True), given, Y, cv=3, params=params)
    assert predicted.shape == (SAMPLES,)
    assert recording.seen == [(60, True)] * 3


def test_a_pipeline_passes_the_auxiliary_on(routing: None) -> None:
    pipeline = make_pipeline(StandardScaler(), quick("kd").set_fit_request(auxiliary=True))
    pipeline.fit(X, Y, auxiliary=A)
    assert pipeline[-1].method_ == "kd"
    assert pipeline.predict(X).shape == (SAMPLES,)
    features = make_pipeline(quick().set_fit_request(auxiliary=True), LogisticRegression()).fit(X, Y, auxiliary=A)
    assert features[-1].n_features_in_ == 16


def test_a_search_on_two_processes(routing: None) -> None:
    grid = {"method": ["amid_u", "kd"], "learning_rate": [1e-3, 1e-2]}
    search = GridSearchCV(quick().set_fit_request(auxiliary=True), grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, Y, auxiliary=A)
    assert search.best_estimator_.method_ in grid["method"]
    alone = GridSearchCV(quick().set_fit_request(auxiliary=True), grid, cv=2).fit(X, Y, auxiliary=A)
    assert np.array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_unlabelled_samples_of_a_fold_are_not_scored(routing: None) -> None:
    few = np.where(np.arange(SAMPLES) < 30, Y, -1)
    model = quick(n_epochs=40).set_fit_request(auxiliary=True)
    scores = cross_val_score(model, X, few, cv=3, params={"auxiliary": A})
    assert min(scores) > 0.5  # 60 of 90 have no label; counted as wrong, no score could be above a third


def test_calibration_and_bagging(routing: None) -> None:
    model = quick(n_epochs=20).set_fit_request(auxiliary=True, sample_weight=True)
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, Y, auxiliary=A)
    assert np.allclose(calibrated.predict_proba(X).sum(1), 1)
    bagged = BaggingClassifier(model, n_estimators=3, random_state=0).fit(X, Y, auxiliary=A)
    assert (bagged.predict(X) == Y).mean() > 0.6


def test_a_clone_trains_to_the_same_bits_and_a_pickle_predicts_them() -> None:
    model = quick(early_stopping=True, validation_fraction=0.2).fit(X, Y, auxiliary=A)
    expected = model.predict_proba(X)
    again = clone(model).fit(X, Y, auxiliary=A)
    assert np.array_equal(again.predict_proba(X), expected)
    assert again.best_epoch_ == model.best_epoch_
    thawed = pickle.loads(pickle.dumps(model))
    assert np.array_equal(thawed.predict_proba(X), expected)
    assert thawed.teacher_score(X, Y, A) == model.teacher_score(X, Y, A)
    assert not np.array_equal(clone(model).set_params(random_state=1).fit(X, Y, auxiliary=A).predict_proba(X), expected)


def test_what_ships_predicts_the_same_without_scikit_learn(tmp_path: Path) -> None:
    names = np.array(["push", "turn", "wave"])[Y]
    table = pd.DataFrame(X, columns=[f"f{number}" for number in range(6)])
    model = quick(n_epochs=20).fit(table, names, auxiliary=A)
    student = load(model.student_.save(tmp_path / "student"))
    assert student.predict(table[table.columns[::-1]]).tolist() == model.predict(table).tolist()
    assert np.allclose(student.predict_proba(X), model.predict_proba(table), atol=1e-5)
    assert np.allclose(student.transform(X), model.transform(table), atol=1e-4)
    assert list(model.feature_names_in_) == list(table.columns)
    assert model.get_feature_names_out()[0] == "crossmodalclassifier0"


def test_the_page_of_a_notebook_shows_it() -> None:
    model = quick().fit(X, Y, auxiliary=A)
    assert "CrossModalClassifier" in model._repr_html_()
    assert repr(CrossModalClassifier(n_epochs=3)) == "CrossModalClassifier(n_epochs=3)"
    assert len(model.classes_) == CLASSES
