"""What simple models learn and say in each task, and how what they say is scored."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from crossdistill.data.targets import Labels
from crossdistill.diagnosis.features import Features
from crossdistill.diagnosis.scores import Score, replicates_of, score_of, score_of_replicates
from crossdistill.evaluation.multilabel import average_precisions
from crossdistill.evaluation.regression import r2_scores

Answers = npt.NDArray[np.float64]
"""(T, L, C) what was said of L labelled samples, in each of T divisions into folds."""

Units = npt.NDArray[np.int64]
MOST_NEIGHBOURS = 10


class Simple(Protocol):
    """Simple models of a task. Labels are (N,) classes or (N, C) numbers; what is said of N samples is (N, C)."""

    @property
    def outputs(self) -> int:
        """C, of classes, labels or numbers."""

    def fitted(self, features: Features, labels: Labels) -> Any:
        """A model of features (N, F)."""

    def told(self, model: Any, features: Features) -> Features:
        """(N, C) what a model says of features (N, F)."""

    def shift(self, learnt: Labels, labels: Labels) -> Features | float:
        """What is added to what models of a fold say, that learnt these of all labels, so that folds compare."""

    def named(self, told: Features) -> Labels:
        """What is said (N, C), as labels that another model learns."""

    def score(self, answers: Answers, labels: Labels, units: Units) -> Score:
        """The headline measure of answers, the mean over divisions, with its interval over units (L,)."""

    def difference(self, first: Answers, second: Answers, labels: Labels, units: Units) -> Score:
        """How much higher it is for the first, on the same samples."""


@dataclass(frozen=True)
class SimpleClasses:
    """One of C classes: (N, C) are probabilities, the measure is the share of samples whose class is told."""

    outputs: int

    def fitted(self, features: Features, labels: Labels) -> Any:
        """The mean of a logistic regression's and a nearest-neighbour model's probabilities."""
        from sklearn.ensemble import VotingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier

        neighbours = int(np.clip(np.median(np.unique(labels, return_counts=True)[1]), 1, MOST_NEIGHBOURS))
        members = [
            ("linear", LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3)),
            ("neighbours", KNeighborsClassifier(neighbours, weights="distance")),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # many classes for so few samples
            return VotingClassifier(members, voting="soft").fit(features, labels)

    def told(self, model: Any, features: Features) -> Features:
        """Probabilities, 0 for classes that the model never saw."""
        made = np.zeros((len(features), self.outputs))
        made[:, model.classes_] = model.predict_proba(features)
        return made

    def shift(self, learnt: Labels, labels: Labels) -> float:
        """Nothing: folds are in proportion to the classes."""
        return 0.0

    def named(self, told: Features) -> Labels:
        best: Labels = told.argmax(1)
        return best

    def score(self, answers: Answers, labels: Labels, units: Units) -> Score:
        return score_of(_right(answers, labels), units, (0.0, 1.0))

    def difference(self, first: Answers, second: Answers, labels: Labels, units: Units) -> Score:
        return score_of(_right(first, labels) - _right(second, labels), units)


STRENGTH = 30.0
"""Inverse regularisation of the logistic regression, for features whose variances add up to 1."""


def _right(answers: Answers, labels: Labels) -> Features:
    """(L,) in what share of the divisions a sample's class is told."""
    right: Features = np.mean([told.argmax(1) == labels for told in answers], axis=0)
    return right


@dataclass(frozen=True)
class SimpleTargets:
    """Any number of C labels, or C numbers. Of labels (N, C) is what is expected of each, 0 for absent and 1 for there,
    and the measure is mAP; of numbers it is they, and the measure is R², the mean over them."""

    kind: Literal["multilabel", "regression"]
    outputs: int

    def fitted(self, features: Features, labels: Labels) -> Any:
        """A ridge regression, whose strength leaving one out chose for each label or number, and nearest neighbours."""
        from sklearn.linear_model import RidgeCV
        from sklearn.neighbors import KNeighborsRegressor

        linear = RidgeCV(RIDGES, alpha_per_target=True)
        neighbours = KNeighborsRegressor(min(MOST_NEIGHBOURS, len(features)), weights="distance")
        return [member.fit(features, labels) for member in (linear, neighbours)]

    def told(self, model: Any, features: Features) -> Features:
        """The mean of both."""
        said = [member.predict(features).reshape(len(features), self.outputs) for member in model]
        told: Features = np.mean(said, axis=0)
        return told

    def shift(self, learnt: Labels, labels: Labels) -> Features | float:
        """Of labels the difference of their shares: where those that a fold learns from have a label more often, those
        that it is tested on have it less often, and a model that knows nothing would rank them wrongly."""
        if self.kind == "regression":
            return 0.0
        difference: Features = labels.mean(0) - learnt.mean(0)
        return difference

    def named(self, told: Features) -> Labels:
        """As they are: a label's probability is learnt as a number from 0 to 1."""
        return np.clip(told, 0, 1) if self.kind == "multilabel" else told

    def score(self, answers: Answers, labels: Labels, units: Units) -> Score:
        return score_of_replicates(self._replicates(answers, labels, units), (self._lowest, 1.0))

    def difference(self, first: Answers, second: Answers, labels: Labels, units: Units) -> Score:
        made = [self._replicates(answers, labels, units) for answers in (first, second)]
        return score_of_replicates(made[0] - made[1], (-np.inf, np.inf) if self._lowest else (-1.0, 1.0))

    @property
    def _lowest(self) -> float:
        return 0.0 if self.kind == "multilabel" else -np.inf

    def _replicates(self, answers: Answers, labels: Labels, units: Units) -> Features:
        each = average_precisions if self.kind == "multilabel" else r2_scores

        def measure(rows: Units) -> float:
            found = np.array([each(told[rows], labels[rows]) for told in answers])
            return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan

        return replicates_of(measure, units)


RIDGES = np.geomspace(1e-3, 1e3, 13)
"""Strengths of the ridge regression, for features whose variances add up to 1."""
