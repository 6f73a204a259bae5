"""Cross-validated simple models of target, auxiliary and all modalities; a rehearsal of what unlabelled pairs do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.splits import stratified_folds
from crossdistill.diagnosis.features import Features
from crossdistill.diagnosis.scores import Score, score_of

Rows = npt.NDArray[np.int64]

FOLDS = 5
REPETITIONS, REPEATED = 3, 500
"""Divisions into folds whose answers are averaged, where there are no more labels than the second number."""

MOST_NEIGHBOURS = 10


@dataclass(frozen=True)
class Pairs:
    """N samples that have all modalities.

    target, auxiliary: (N, F) features; labels: (N,), -1 for none; groups: (N,) numbers; grouped: whether no group may
    be on both sides of a fold
    """

    target: Features
    auxiliary: Features
    labels: Rows
    groups: Rows
    grouped: bool

    @property
    def all(self) -> Features:
        return np.concatenate([self.target, self.auxiliary], axis=1)

    @property
    def labelled(self) -> Rows:
        return np.flatnonzero(self.labels >= 0)

    @property
    def unlabelled(self) -> Rows:
        return np.flatnonzero(self.labels < 0)


@dataclass(frozen=True)
class Rehearsed:
    """What the simple models said of the labelled samples (L,), each by models that did not learn from it.

    probabilities: "target", "auxiliary", "all", and with unlabelled pairs "taught", the target's model that learns the
    unlabelled samples too, as models that see the auxiliary name them, and "self_taught", as the target's own names
    them -> (L, C), means over repetitions; right: the same -> (L,) in what share of them the class was told
    labels: (L,); units: (L,) numbers of what is independent of each other
    """

    probabilities: Mapping[str, Features]
    right: Mapping[str, Features]
    labels: Rows
    units: Rows

    def score(self, name: str) -> Score:
        """The accuracy of one of them."""
        return score_of(self.right[name], self.units, (0.0, 1.0))

    def difference(self, first: str, second: str) -> Score:
        """How much more often the first is right than the second, on the same samples."""
        return score_of(self.right[first] - self.right[second], self.units)


def rehearse(pairs: Pairs, classes: int, seed: int) -> Rehearsed:
    """Every labelled sample's class as told by models that did not see it. Needs `folds_of(pairs)` not to be empty."""
    labels = pairs.labels[pairs.labelled]
    times = REPETITIONS if len(labels) <= REPEATED else 1
    made = [_once(pairs, classes, seed + 1000 * time) for time in range(times)]
    return Rehearsed(
        {name: np.mean([told[name] for told in made], axis=0) for name in made[0]},
        {name: np.mean([told[name].argmax(1) == labels for told in made], axis=0) for name in made[0]},
        labels,
        pairs.groups[pairs.labelled] if pairs.grouped else np.arange(len(labels)),
    )


def _once(pairs: Pairs, classes: int, seed: int) -> dict[str, Features]:
    """(L, C) probabilities by one division into folds."""
    labelled, unlabelled = pairs.labelled, pairs.unlabelled
    views = {"target": pairs.target, "auxiliary": pairs.auxiliary, "all": pairs.all}
    names = [*views, *(["taught", "self_taught"] if len(unlabelled) else [])]
    told = {name: np.zeros((len(labelled), classes)) for name in names}
    for learnt, held_out in folds_of(pairs, seed):
        train, test = labelled[learnt], labelled[held_out]
        models = {name: model_of(view[train], pairs.labels[train]) for name, view in views.items()}
        for name, view in views.items():
            told[name][held_out] = probabilities_of(models[name], view[test], classes)
        if len(unlabelled):
            free = unlabelled[~np.isin(pairs.groups[unlabelled], pairs.groups[test])] if pairs.grouped else unlabelled
            says = {name: probabilities_of(models[name], view[free], classes) for name, view in views.items()}
            teachers = {"taught": says["all"] + says["auxiliary"], "self_taught": says["target"]}  # as AMID-U has them
            for name, teacher in teachers.items():
                named = np.concatenate([pairs.labels[train], teacher.argmax(1)])
                student = model_of(np.concatenate([pairs.target[train], pairs.target[free]]), named)
                told[name][held_out] = probabilities_of(student, pairs.target[test], classes)
    return told


def folds_of(pairs: Pairs, seed: int) -> list[tuple[Rows, Rows]]:
    """Places among the labelled samples that each fold learns from and is tested on; none where a class has but one
    sample or, where groups are kept apart, there are no two groups with labels."""
    labels, groups = pairs.labels[pairs.labelled], pairs.groups[pairs.labelled]
    if len(np.unique(labels)) < 2:
        return []
    units = len(np.unique(groups)) if pairs.grouped else len(labels)
    _, counts = np.unique(labels, return_counts=True)
    count = min(FOLDS, units if pairs.grouped else int(np.median(counts)))
    if count < 2:
        return []
    made = stratified_folds(labels, groups, pairs.grouped, count, seed)
    folds = [(learnt, tested) for learnt, tested in made if len(tested)]
    return folds if all(len(np.unique(labels[learnt])) > 1 for learnt, _ in folds) else []


def model_of(features: Features, labels: Rows) -> Any:
    """The mean of a logistic regression's and a nearest-neighbour model's probabilities, fitted."""
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


STRENGTH = 30.0
"""Inverse regularisation of the logistic regression, for features whose variances add up to 1."""


def probabilities_of(model: Any, features: Features, classes: int) -> Features:
    """(N, C) probabilities, 0 for classes that the model never saw."""
    made = np.zeros((len(features), classes))
    made[:, model.classes_] = model.predict_proba(features)
    return made
