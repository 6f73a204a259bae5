"""A scikit-learn classifier that trains with auxiliary modalities and predicts without them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.estimator.inputs import auxiliary_column, checked_auxiliary, checked_target, new_column
from crossdistill.estimator.labels import (
    ClassWeight,
    as_labels,
    classes_among,
    classes_of,
    is_labelled,
    numbered,
    weights_of,
)
from crossdistill.estimator.modalities import sliced
from crossdistill.estimator.training import Fit, Settings, fitted, teacher_labels
from crossdistill.evaluation import gap_recovered
from crossdistill.methods import METHODS
from crossdistill.student import Student
from crossdistill.types import InputError

Array = npt.NDArray[Any]


class CrossModalClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trains with modalities that only training has, `fit(X, y, auxiliary=A)`, and predicts from `X` alone.

    The front door from scikit-learn: in pipelines, searches, calibration and bagging, with the auxiliary modalities cut
    along by metadata routing (`set_fit_request(auxiliary=True)`). What ships is `student_`; it needs neither the
    auxiliary modalities nor scikit-learn.

    X, and auxiliary alike: a table (N, F) or DataFrame; windows (N, T, F); a list of N sequences (T_i, F); or several
    of these by name, in `crossdistill.Modalities` or a dict. NaN in all numbers of an auxiliary sample, or None in a
    list: this sample lacks the modality. y: (N,); -1 among numbers, NaN or None: a sample without a label, from which
    methods such as amid_u learn all the same. The same random_state gives the same bits on the same machine.

    Args:
        method: one of crossdistill.METHODS that trains a student
        n_epochs: of training; None: as many as make about 750 steps, and at least 15
        batch_size: samples of a step; None: 64, of 20,000 samples and more 256
        learning_rate: of AdamW, which falls to 0 along a cosine
        weight_decay: of AdamW
        dropout: in encoders, teacher and before the classifiers
        width: of the encoders' layers and of the representation that `transform` gives
        encoders: modality -> EncoderSettings, where those that its shape suggests are not wanted; what has no name is
            called "X" and "auxiliary"
        method_options: of the method's constructor, such as {"alpha_1": 2.0}
        class_weight: "balanced", or class -> weight; how often training draws samples of a class, in proportion
        early_stopping: hold a part of the labelled samples out and keep the model of the epoch that is best on them;
            all epochs are trained, for the learning rate falls over them
        validation_fraction: of the labelled samples, for early_stopping
        random_state: of splits, initial weights, order of batches and dropout
        device: auto takes a GPU where there is one; cpu, cuda or mps
        verbose: 0 prints nothing, 1 about ten lines, 2 a line for each epoch

    Attributes:
        classes_: (C,) the labels, sorted
        n_features_in_: of X, of all its modalities together, of sequences those of a step
        feature_names_in_: the columns of a DataFrame X
        student_: the `Student` that predicts; `student_.save(folder)` and `crossdistill.load(folder)`
        method_: what trained it: `method`, or baseline where no auxiliary modality was given
        history_: a dict for each epoch: loss terms, learning rate, seconds, accuracies on validation samples
        best_epoch_: whose model it is, counted from 0, with early_stopping; None without

    Raises:
        InputError: a ValueError of one line, for what no training can be made of.

    Example:
        >>> import numpy as np
        >>> from crossdistill import CrossModalClassifier
        >>> random = np.random.default_rng(0)
        >>> y = np.arange(200) % 3
        >>> wrist = np.eye(3, 6)[y] + 0.6 * random.normal(size=(200, 6))
        >>> camera = np.eye(3, 4)[y] + 0.2 * random.normal(size=(200, 4))  # in training alone
        >>> few = np.where(np.arange(200) < 12, y, -1)  # twelve samples have a label
        >>> model = CrossModalClassifier(n_epochs=40, random_state=0).fit(wrist, few, auxiliary=camera)
        >>> model.predict(wrist[:3]).tolist(), model.student_.classes
        ([0, 1, 2], ('0', '1', '2'))
        >>> model.predict_proba(wrist[:3]).shape, model.transform(wrist[:3]).shape
        ((3, 3), (3, 128))
        >>> model.teacher_score(wrist, y, camera) > 0.9
        True
    """

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
        class_weight: ClassWeight = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
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
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any, auxiliary: Any = None, sample_weight: Any = None) -> CrossModalClassifier:
        """Train the student, with the auxiliary modalities where they are given, and return the estimator.

        sample_weight: (N,) at least 0: training draws samples in proportion, and those of weight 0 never. Without
        auxiliary modalities the student is trained alone (method baseline), with a warning. Raises InputError, or
        ValueError as scikit-learn words it, for input that does not fit.
        """
        labels = as_labels(y, type(self).__name__)
        target = checked_target(self, X, reset=True)
        count = len(next(iter(target.values())))
        check_consistent_length(range(count), labels)
        known = classes_of(labels)
        weights = weights_of(sample_weight, self.class_weight, range(count), labels, known)
        kept = weights > 0
        rows = np.flatnonzero(kept)
        classes = classes_among(labels[kept], known)
        given = checked_auxiliary(auxiliary, count) if auxiliary is not None else {}
        columns = {name: new_column(sliced(values, rows), name) for name, values in target.items()}
        for name, samples in given.items():
            if name in columns:
                raise InputError(f"auxiliary: {name} is a modality of X already")
            columns[name] = auxiliary_column(samples.of(kept), name)
        settings = Settings(
            method=self._method(bool(given), int((~is_labelled(labels[kept], classes)).sum())),
            target=tuple(target),
            auxiliary=tuple(given),
            epochs=_plain(self.n_epochs),
            batch_size=_plain(self.batch_size),
            learning_rate=_plain(self.learning_rate),
            weight_decay=_plain(self.weight_decay),
            dropout=_plain(self.dropout),
            width=_plain(self.width),
            encoders=self.encoders or {},
            options=self.method_options,
            validation_fraction=_plain(self.validation_fraction) if self.early_stopping else None,
            seed=int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
            device=self.device,
            verbose=int(self.verbose or 0),
        )
        numbers = numbered(labels[kept], classes)
        trained = fitted(settings, columns, numbers, classes, weights[kept])
        self.classes_, self.method_ = classes, settings.method
        self.student_: Student = trained.student
        self.history_, self.best_epoch_ = trained.history, trained.best_epoch
        self._trained: Fit = trained
        return self

    def predict(self, X: Any) -> Array:
        """The classes (N,) of N samples. Raises NotFittedError, or ValueError for inputs that are not as in `fit`."""
        probabilities = self.predict_proba(X)
        predicted: Array = self.classes_[probabilities.argmax(1)]
        return predicted

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The classes' probabilities (N, C), in the order of `classes_`. Raises like `predict`."""
        probabilities = self._asked(X, "predict_proba").astype(np.float64)
        normalized: npt.NDArray[np.float64] = probabilities / probabilities.sum(1, keepdims=True)
        return normalized

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """The student's representations (N, width), for another classifier or for retrieval. Raises like `predict`."""
        return self._asked(X, "transform").astype(np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of samples whose class is predicted, of those that have a label. Raises like `predict`."""
        return self._accuracy(y, self.predict(X), sample_weight)

    def teacher_score(self, X: Any, y: Any, auxiliary: Any, sample_weight: Any = None) -> float:
        """The share of samples whose class the teacher tells, which sees the auxiliary modalities too: what the student
        could at best learn from it. Of samples that have a label and all modalities.

        Raises InputError where the method trains no teacher, or no sample has all.
        """
        check_is_fitted(self)
        target = checked_target(self, X, reset=False)
        count = len(next(iter(target.values())))
        given = checked_auxiliary(auxiliary, count)
        told, complete = teacher_labels(self._trained, target, given)
        labels = as_labels(y, type(self).__name__)
        check_consistent_length(told, labels)
        weights = weights_of(sample_weight, None, labels, labels, self.classes_)
        return self._accuracy(labels[complete], self.classes_[told[complete]], weights[complete])

    def gap_recovered(self, X: Any, y: Any, auxiliary: Any, baseline: Any) -> float:
        """How much of the way from a student alone to this estimator's own teacher its student has gone, in accuracy on
        samples that were in no training: (student - baseline) / (teacher - baseline).

        baseline: a classifier of X that was fitted on the same samples without help, such as
        `clone(model).set_params(method="baseline").fit(X_train, y_train)`. NaN where the teacher is no better than the
        baseline. No attribute of `fit`, for on training samples the number says nothing. One split says little: repeat
        it, or see `crossdistill compare`, which has intervals and a teacher that is trained alone.
        """
        alone = self._accuracy(y, np.asarray(baseline.predict(X)), None)
        return gap_recovered(self.score(X, y), alone, self.teacher_score(X, y, auxiliary))

    @property
    def _n_features_out(self) -> int:
        """How many features `transform` gives."""
        return self.student_.spec.width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _method(self, helped: bool, unlabelled: int) -> str:
        """The method that is to train: baseline where it needs auxiliary modalities and there are none."""
        if self.method not in METHODS:
            raise InputError(f"method: expected one of {', '.join(METHODS)}, found {self.method!r}")
        method = METHODS[self.method]
        if "target" not in method.predicts:
            raise InputError(f"method: {self.method} trains no student; teacher_score tells what a teacher knows")
        if helped or not set(method.views) - {"target"}:
            return self.method
        without = f", and the {unlabelled} samples without a label are left out" if unlabelled else ""
        warnings.warn(
            f"no auxiliary modality given: the student is trained alone (method baseline, not {self.method}){without}",
            stacklevel=3,
        )
        return "baseline"

    def _accuracy(self, y: Any, predicted: Array, sample_weight: Any) -> float:
        """The share of right predictions among the samples that have a label."""
        labels = as_labels(y, type(self).__name__)
        check_consistent_length(labels, predicted)
        labelled = is_labelled(labels, self.classes_)
        if not labelled.any():
            raise InputError("y: expected labels to compare with, found none")
        right = labels[labelled] == predicted[labelled]
        weights = weights_of(sample_weight, None, labels, labels, self.classes_)[labelled]
        if not weights.any():
            raise InputError("sample_weight: expected some above 0 among the samples with a label, found none")
        return float(np.average(right, weights=weights))

    def _asked(self, X: Any, question: Literal["predict_proba", "transform"]) -> Array:
        """What the student answers, computed in float64, where a sample's answer depends on no other beside it."""
        check_is_fitted(self)
        values = checked_target(self, X, reset=False)
        answer: Array = getattr(copy.deepcopy(self.student_).double(), question)(values)
        if len(answer) != (count := len(next(iter(values.values())))):
            name, spec = next(iter(self.student_.inputs.items()))
            raise InputError(f"{name}: expected samples that are {spec}, found {count} of another shape")
        return answer


def _plain(value: Any) -> Any:
    """Python's number of one of NumPy, as searches give them; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value
