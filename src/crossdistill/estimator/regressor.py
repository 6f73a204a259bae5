"""A scikit-learn regressor that trains with auxiliary modalities and predicts without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_consistent_length

from crossdistill.estimator.base import Array, CrossModalEstimator
from crossdistill.estimator.given import warn_of_another_order
from crossdistill.estimator.labels import as_numbers, in_training_order, names_of, sample_weights
from crossdistill.types import InputError


class CrossModalRegressor(RegressorMixin, CrossModalEstimator):  # type: ignore[misc]
    """Trains with modalities that only training has, `fit(X, y, auxiliary=A)`, and predicts numbers from `X` alone.

    `CrossModalClassifier` for numbers: X, auxiliary and all parameters are as there. y: (N,), or (N, K) for several
    numbers; NaN: a sample without a label, of several numbers NaN in all of them. In what unit y is makes no difference
    but for the unit of what is predicted. A method that has no meaning for numbers is refused, naming those that do.

    Args:
        method: one of crossdistill.METHODS that trains a student and has a meaning for numbers
        n_epochs: of training; None: as many as make about 750 steps, and at least 15
        batch_size: samples of a step; None: 64, of 20,000 samples and more 256
        learning_rate: of AdamW, which falls to 0 along a cosine
        weight_decay: of AdamW
        dropout: in encoders, teacher and before the last layer
        width: of the encoders' layers and of the representation that `transform` gives
        encoders: modality -> EncoderSettings, where those that its shape suggests are not wanted; what has no name is
            called "X" and "auxiliary"
        method_options: of the method's constructor, such as {"alpha_1": 2.0}
        early_stopping: hold a part of the labelled samples out and keep the model of the epoch with the highest R² on
            them; all epochs are trained, for the learning rate falls over them
        validation_fraction: of the labelled samples, for early_stopping
        random_state: of splits, initial weights, order of batches and dropout
        device: auto takes a GPU where there is one; cpu or cuda
        verbose: 0 prints nothing, 1 about ten lines, 2 a line for each epoch

    Attributes:
        n_features_in_: of X, of all its modalities together, of sequences those of a step
        feature_names_in_: the columns of a DataFrame X
        student_: the `Student` that predicts; `student_.save(folder)` and `crossdistill.load(folder)`
        method_: what trained it: `method`, or baseline where no auxiliary modality was given
        history_: a dict for each epoch: loss terms, learning rate, seconds, R² on validation samples
        best_epoch_: whose model it is, counted from 0, with early_stopping; None without

    Raises:
        InputError: a ValueError of one line, for what no training can be made of.

    Example:
        >>> import numpy as np
        >>> from crossdistill import CrossModalRegressor
        >>> random = np.random.default_rng(0)
        >>> load = random.normal(size=300)  # what is to be told
        >>> wrist = load[:, None] + random.normal(size=(300, 4))
        >>> camera = load[:, None] + 0.1 * random.normal(size=(300, 2))  # in training alone
        >>> few = np.where(np.arange(300) < 40, 20 + 5 * load, np.nan)  # forty samples have a label
        >>> model = CrossModalRegressor(n_epochs=40, random_state=0).fit(wrist, few, auxiliary=camera)
        >>> model.predict(wrist[:3]).shape, model.score(wrist, 20 + 5 * load) > 0.5
        ((3,), True)
        >>> model.teacher_score(wrist, 20 + 5 * load, camera) > 0.8
        True
    """

    def fit(self, X: Any, y: Any, auxiliary: Any = None, sample_weight: Any = None) -> CrossModalRegressor:
        """Train the student, with the auxiliary modalities where they are given, and return the estimator.

        Args:
            X: what prediction will have, N samples
            y: (N,) or (N, K) numbers, NaN for a sample without a label
            auxiliary: what training alone has, N samples; None: the student is trained alone (method
                baseline), with a warning
            sample_weight: (N,) at least 0: training draws samples in proportion, and those of weight 0 never

        Raises:
            InputError: or ValueError as scikit-learn words it, for input that does not fit.
        """
        numbers = as_numbers(y, type(self).__name__)
        given = self._checked(X, y, numbers, auxiliary, sample_weight)
        weights = sample_weights(sample_weight, len(numbers))
        kept = weights > 0
        names = names_of(y, 1 if numbers.ndim == 1 else numbers.shape[1], "value")
        self._train(given, kept, numbers[kept], names, weights[kept], "regression")
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """The numbers (N,) of N samples, or (N, K) of several.

        Args:
            X: as in `fit`

        Raises:
            NotFittedError: before `fit`.
            ValueError: inputs that are not as in `fit`.
        """
        return self._asked(X, "predict").astype(np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the samples that have a label, of several numbers their mean.

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
        """R² of the teacher, which sees the auxiliary modalities too: what the student could at best learn from it. Of
        samples that have a label and all modalities.

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
        tags.target_tags.multi_output = True
        return tags

    def _measured(
        self, y: Any, predicted: Array, sample_weight: Any, counted: npt.NDArray[np.bool_] | None = None
    ) -> float:
        """R² among the samples that have a label, and are `counted` (N,)."""
        numbers = as_numbers(in_training_order(y, self.student_.classes), type(self).__name__)
        check_consistent_length(numbers, predicted)
        labelled = ~np.isnan(numbers.reshape(len(numbers), -1)).any(1)
        labelled = labelled if counted is None else labelled & counted
        if not labelled.any():
            raise InputError(
                "y: expected numbers to compare with, found none; in cross-validation shuffle the folds "
                "(KFold(shuffle=True)), so that each has some samples with a label"
            )
        weights = sample_weights(sample_weight, len(numbers))[labelled]
        if not weights.any():
            raise InputError("sample_weight: expected some above 0 among the samples with a label, found none")
        return float(r2_score(numbers[labelled], predicted[labelled], sample_weight=weights))
