"""What the classifier and the regressor share: from checked inputs to a training, and what its student answers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from crossdistill.data.targets import Labels, is_labelled
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.estimator.given import drawn_seed, require_parameters, warn_of_another_order
from crossdistill.estimator.inputs import Samples, auxiliary_column, checked_auxiliary, checked_target, new_column
from crossdistill.estimator.modalities import sliced
from crossdistill.estimator.training import Fit, Settings, fitted, teacher_logits
from crossdistill.evaluation import gap_recovered
from crossdistill.methods import METHODS, unknown_method
from crossdistill.plain import as_python
from crossdistill.student import Student
from crossdistill.training.settings import Accelerator
from crossdistill.types import InputError, TaskKind

Array = npt.NDArray[Any]


class Given(NamedTuple):
    """What `fit` is given, checked.

    target, auxiliary: modality -> its samples, no auxiliary ones where none are given; features: scikit-learn's
    attributes of X, `n_features_in_` and `feature_names_in_`
    """

    target: Mapping[str, Any]
    auxiliary: Mapping[str, Samples]
    features: Mapping[str, Any]


class CrossModalEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The part of an estimator that does not depend on what is predicted."""

    student_: Student
    _trained: Fit

    def __init__(
        self,
        method: str = "amid_u",
        *,
        n_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        dropout: float = 0.25,
        width: int = 128,
        encoders: Mapping[str, EncoderSettings] | None = None,
        method_options: Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: Accelerator = "auto",
        verbose: int | bool = 0,
    ) -> None:
        self.method = method
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.width = width
        self.encoders = encoders
        self.method_options = method_options
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """The student's representations (N, width), for another estimator or for retrieval.

        Args:
            X: as in `fit`

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        return self._asked(X, "transform").astype(np.float64)

    def gap_recovered(self, X: Any, y: Any, auxiliary: Any, baseline: Any) -> float:
        """How much of the way from a student alone to this estimator's own teacher its student has gone, by `score`'s
        measure on samples that were in no training: (student - baseline) / (teacher - baseline). All three are measured
        on the samples that have a label and all modalities.

        NaN where the teacher is no better than the baseline, or the baseline's R² is below 0. No attribute of `fit`,
        for on training samples the number says nothing. One split says little: repeat it, or see `crossdistill
        compare`, which has intervals and a teacher that is trained alone.

        Args:
            X: as in `fit`
            y: as in `fit`
            auxiliary: as in `fit`
            baseline: an estimator of X that was fitted on the same samples without help, such as
                `clone(model).set_params(method="baseline").fit(X_train, y_train)`

        Raises:
            InputError: the method trains no teacher, or no sample has all.
        """
        if not hasattr(baseline, "predict"):
            raise InputError(f"baseline: expected an estimator that was fitted without help, found {baseline!r}")
        predicted, complete = self._told_by_teacher(X, auxiliary, y)
        said = (self.predict(X), np.asarray(baseline.predict(X)), predicted)
        return gap_recovered(*(self._measured(y, each, None, complete) for each in said))

    def _measured(
        self, y: Any, predicted: Array, sample_weight: Any, counted: npt.NDArray[np.bool_] | None = None
    ) -> float:
        """`score`'s measure of predictions for samples that have a label, and are `counted` (N,)."""
        raise NotImplementedError

    @property
    def _n_features_out(self) -> int:
        """How many features `transform` gives."""
        return self.student_.spec.width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _checked(self, X: Any, y: Any, labels: Any, auxiliary: Any, sample_weight: Any) -> Given:
        """What is given to `fit`, for as many samples as labels."""
        blank = copy.copy(self)  # so that a training that fails leaves an estimator as it was
        target = checked_target(blank, X, reset=True)
        count = len(next(iter(target.values())))
        check_consistent_length(range(count), labels)
        warn_of_another_order({"X": X, "y": y, "auxiliary": auxiliary, "sample_weight": sample_weight}, 4)
        features = {name: value for name, value in vars(blank).items() if name.endswith("_in_")}
        return Given(target, checked_auxiliary(auxiliary, count) if auxiliary is not None else {}, features)

    def _train(
        self,
        given: Given,
        kept: npt.NDArray[np.bool_],
        labels: Labels,
        names: tuple[str, ...],
        weights: npt.NDArray[np.float64],
        task: TaskKind,
    ) -> None:
        """Train on the samples that are `kept` (N,); labels, weights: theirs; names: of classes, labels or numbers."""
        rows = np.flatnonzero(kept)
        columns = {name: new_column(sliced(values, rows), name, rows) for name, values in given.target.items()}
        for name, samples in given.auxiliary.items():
            if name in columns:
                raise InputError(f"auxiliary: {name} is a modality of X already")
            columns[name] = auxiliary_column(samples.of(kept), name)
        parameters = {name: as_python(value) for name, value in self.get_params(deep=False).items()}
        require_parameters(parameters)
        settings = Settings(
            method=self._method(bool(given.auxiliary), int((~is_labelled(labels)).sum())),
            target=tuple(given.target),
            auxiliary=tuple(given.auxiliary),
            epochs=parameters["n_epochs"],
            batch_size=parameters["batch_size"],
            learning_rate=parameters["learning_rate"],
            weight_decay=parameters["weight_decay"],
            dropout=parameters["dropout"],
            width=parameters["width"],
            encoders=parameters["encoders"] or {},
            options=parameters["method_options"],
            validation_fraction=parameters["validation_fraction"] if parameters["early_stopping"] else None,
            seed=drawn_seed(self.random_state),
            device=parameters["device"],
            verbose=int(parameters["verbose"] or 0),
        )
        self._trained = trained = fitted(settings, columns, labels, names, weights, task, rows)
        self.method_, self.student_ = settings.method, trained.student
        self.history_, self.best_epoch_ = trained.history, trained.best_epoch
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(given.features)

    def _method(self, helped: bool, unlabelled: int) -> str:
        """The method that is to train: baseline where it needs auxiliary modalities and there are none."""
        if self.method not in METHODS:
            raise unknown_method(self.method)
        method = METHODS[self.method]
        if "target" not in method.predicts:
            raise InputError(f"method: {self.method} trains no student; teacher_score tells what a teacher knows")
        if helped or not set(method.views) - {"target"}:
            return self.method
        without = f", and the {unlabelled} samples without a label are left out" if unlabelled else ""
        warnings.warn(
            f"no auxiliary modality given: the student is trained alone (method baseline, not {self.method}){without}",
            stacklevel=4,
        )
        return "baseline"

    def _asked(self, X: Any, question: Literal["predict", "predict_proba", "transform"]) -> Array:
        """What the student answers, computed in float64, where a sample's answer depends on no other beside it."""
        check_is_fitted(self, "student_")
        values = checked_target(self, X, reset=False)
        answer: Array = getattr(copy.deepcopy(self.student_).double(), question)(values)
        if len(answer) != (count := len(next(iter(values.values())))):
            name, spec = next(iter(self.student_.inputs.items()))
            raise InputError(f"{name}: expected samples that are {spec}, found {count} of another shape")
        return answer

    def _told_by_teacher(self, X: Any, auxiliary: Any, y: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
        """What the teacher predicts of N samples, and (N,) which of them have all that it needs."""
        check_is_fitted(self, "student_")
        target = checked_target(self, X, reset=False)
        given = checked_auxiliary(auxiliary, len(next(iter(target.values()))))
        logits, complete = teacher_logits(self._trained, target, given)
        check_consistent_length(complete, y)
        warn_of_another_order({"X": X, "y": y, "auxiliary": auxiliary}, 4)
        return self._predicted(logits), complete

    def _predicted(self, logits: torch.Tensor) -> Array:
        """What logits (N, C) predict, as `predict` says it."""
        predicted: Array = self._trained.model.task.predicted(logits)
        return predicted
