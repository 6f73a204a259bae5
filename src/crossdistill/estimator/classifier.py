"""A scikit-learn classifier that trains with auxiliary modalities and predicts without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.estimator.base import Array, CrossModalEstimator
from crossdistill.estimator.given import warn_of_another_order
from crossdistill.estimator.labels import (
    ClassWeight,
    as_indicators,
    as_labels,
    classes_among,
    classes_of,
    in_training_order,
    is_labelled,
    names_of,
    numbered,
    sample_weights,
    weights_of,
    weights_of_indicators,
)
from crossdistill.training.settings import Accelerator
from crossdistill.types import InputError


class CrossModalClassifier(ClassifierMixin, CrossModalEstimator):  # type: ignore[misc]
    """Trains with modalities that only training has, `fit(X, y, auxiliary=A)`, and predicts from `X` alone.

    The front door from scikit-learn: in pipelines, searches, calibration and bagging, with the auxiliary modalities cut
    along by metadata routing (`set_fit_request(auxiliary=True)`). What ships is `student_`; it needs neither the
    auxiliary modalities nor scikit-learn.

    X, and auxiliary alike: a table (N, F) or DataFrame; windows (N, T, F); a list of N sequences (T_i, F); or several
    of these by name, in `crossdistill.Modalities` or a dict; an auxiliary one may be N texts, too. NaN in all numbers
    of an auxiliary sample, or None in a list: this sample lacks the modality. y: (N,); -1 among numbers, NaN, None or
    a text of spaces at most: a sample without a label, from which methods such as amid_u learn all the same. Or y:
    (N, C), an indicator matrix of 0 and 1, for samples with any number of labels (multi-label); a row of -1, or of NaN:
    a sample without a label. The same random_state gives the same bits on the same machine.

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
        class_weight: "balanced", or class -> weight; how often training draws samples of a class, in proportion; of
            several labels a sample, the product of its labels' weights, and balanced: each label as often as others
        early_stopping: hold a part of the labelled samples out and keep the model of the epoch that is best on them;
            all epochs are trained, for the learning rate falls over them
        validation_fraction: of the labelled samples, for early_stopping
        random_state: of splits, initial weights, order of batches and dropout
        device: auto takes a GPU where there is one; cpu or cuda
        verbose: 0 prints nothing, 1 about ten lines, 2 a line for each epoch

    Attributes:
        classes_: (C,) the labels, sorted; of several labels a sample 0 to C - 1, or the columns of a DataFrame y
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
        >>> bool(np.isclose(np.exp(model.predict_log_proba(wrist[:3])).sum(), 3))
        True
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
        device: Accelerator = "auto",
        verbose: int | bool = 0,
    ) -> None:
        super().__init__(
            method,
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            width=width,
            encoders=encoders,
            method_options=method_options,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            random_state=random_state,
            device=device,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, auxiliary: Any = None, sample_weight: Any = None) -> CrossModalClassifier:
        """Train the student, with the auxiliary modalities where they are given, and return the estimator.

        Args:
            X: what prediction will have, N samples
            y: (N,) classes or (N, C) labels, see above
            auxiliary: what training alone has, N samples; None: the student is trained alone (method
                baseline), with a warning
            sample_weight: (N,) at least 0: training draws samples in proportion, and those of weight 0 never

        Raises:
            InputError: or ValueError as scikit-learn words it, for input that does not fit.
        """
        several = as_indicators(y)
        labels = as_labels(y, type(self).__name__) if several is None else several
        given = self._checked(X, y, labels, auxiliary, sample_weight)
        if several is not None:
            names = names_of(y, several.shape[1], "0")
            called = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(len(names))
            weights = weights_of_indicators(sample_weight, self.class_weight, several, called)
            kept = weights > 0
            self._train(given, kept, several[kept], names, weights[kept], "multilabel")
            self.classes_ = called
            return self
        known = classes_of(labels)
        weights = weights_of(sample_weight, self.class_weight, labels, known)
        kept = weights > 0
        classes = classes_among(labels[kept], known)
        names = tuple(map(str, classes.tolist()))
        numbers = numbered(labels[kept], classes)
        self._train(given, kept, numbers, names, weights[kept], "classification")
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> Array:
        """The classes (N,) of N samples, or of several labels 0 and 1 (N, C).

        Args:
            X: as in `fit`

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        if self._has_several():
            return self._asked(X, "predict")
        predicted: Array = self.classes_[self.predict_proba(X).argmax(1)]
        return predicted

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The classes' probabilities (N, C), in the order of `classes_`; of several labels each has its own.

        Args:
            X: as in `fit`

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        probabilities = self._asked(X, "predict_proba").astype(np.float64)
        if self._has_several():
            return probabilities
        normalized: npt.NDArray[np.float64] = probabilities / probabilities.sum(1, keepdims=True)
        return normalized

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The natural logarithms of `predict_proba` (N, C); minus infinity of a probability of 0.

        Args:
            X: as in `fit`

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        with np.errstate(divide="ignore"):
            logarithms: npt.NDArray[np.float64] = np.log(self.predict_proba(X))
        return logarithms

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of samples whose class is predicted, or of several labels all of them, of those that have a label.

        Args:
            X: as in `fit`
            y: as in `fit`
            sample_weight: (N,) at least 0, how much each counts

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        warn_of_another_order({"X": X, "y": y, "sample_weight": sample_weight})
        return self._measured(y, self.predict(X), sample_weight)

    def teacher_score(self, X: Any, y: Any, auxiliary: Any, sample_weight: Any = None) -> float:
        """The share of samples whose class the teacher tells, which sees the auxiliary modalities too: what the student
        could at best learn from it. Of samples that have a label and all modalities.

        Args:
            X: as in `fit`
            y: as in `fit`
            auxiliary: as in `fit`
            sample_weight: (N,) at least 0, how much each counts

        Raises:
            InputError: the method trains no teacher, or no sample has all.
        """
        predicted, complete = self._told_by_teacher(X, auxiliary, y)
        return self._measured(y, predicted, sample_weight, complete)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _has_several(self) -> bool:
        """Whether a sample may have several labels."""
        check_is_fitted(self, "student_")
        return self.student_.spec.task == "multilabel"

    def _predicted(self, logits: Tensor) -> Array:
        if self._has_several():
            return super()._predicted(logits)
        predicted: Array = self.classes_[logits.argmax(1).numpy()]
        return predicted

    def _measured(
        self, y: Any, predicted: Array, sample_weight: Any, counted: npt.NDArray[np.bool_] | None = None
    ) -> float:
        """The share of right predictions among the samples that have a label, and are `counted` (N,)."""
        several = as_indicators(in_training_order(y, self.student_.classes)) if self._has_several() else None
        if self._has_several() and several is None:
            raise InputError(f"y: expected (N, {len(self.classes_)}), 0 or 1 for each label, found {np.shape(y)}")
        labels = as_labels(y, type(self).__name__) if several is None else several
        check_consistent_length(labels, predicted)
        labelled = is_labelled(labels, self.classes_) if several is None else ~np.isnan(several[:, 0])
        weights = sample_weights(sample_weight, len(labels))
        rows = np.flatnonzero(labelled if counted is None else labelled & counted)
        if not len(rows):
            raise InputError("y: expected labels to compare with, found none")
        if several is None and isinstance(labels[rows[0]], str) != isinstance(self.classes_[0], str):
            raise InputError(
                f"y: expected classes like those of training, {_few(self.classes_)}, found {_few(labels[rows])}"
            )
        right = [bool(np.all(labels[row] == predicted[row])) for row in rows]
        if not weights[rows].any():
            raise InputError("sample_weight: expected some above 0 among the samples with a label, found none")
        return float(np.average(right, weights=weights[rows]))


def _few(labels: Array) -> str:
    """Up to three labels as they are written in Python."""
    return ", ".join(map(repr, labels[:3].tolist())) + (", ..." if len(labels) > 3 else "")
