"""Cross-validated simple models of target, auxiliary and all modalities; a rehearsal of what unlabelled pairs do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdistill.data.splits import most_folds, stratified_folds
from crossdistill.data.targets import Labels, is_labelled
from crossdistill.diagnosis.features import Features
from crossdistill.diagnosis.scores import Score
from crossdistill.diagnosis.simple import Answers, Simple

Rows = npt.NDArray[np.int64]

FOLDS = 5
REPETITIONS = ((100, 6), (500, 3))
"""(labels at most, divisions into folds whose answers are averaged): of few, the answer hangs on the division."""

LEAST = 2 * FOLDS
"""Labelled samples without which nothing is said of several labels or of numbers."""


@dataclass(frozen=True)
class Pairs:
    """N samples that have all modalities.

    target, auxiliary: (N, F) features; labels: (N,) classes, -1 for none, or (N, C), rows of NaN for none; groups:
    (N,) numbers; grouped: whether no group may be on both sides of a fold
    """

    target: Features
    auxiliary: Features
    labels: Labels
    groups: Rows
    grouped: bool

    @property
    def all(self) -> Features:
        return np.concatenate([self.target, self.auxiliary], axis=1)

    @property
    def labelled(self) -> Rows:
        return np.flatnonzero(is_labelled(self.labels))

    @property
    def unlabelled(self) -> Rows:
        return np.flatnonzero(~is_labelled(self.labels))


@dataclass(frozen=True)
class Rehearsed:
    """What the simple models said of the labelled samples (L,), each by models that did not learn from it.

    answers: "target", "auxiliary", "all", and with unlabelled pairs "taught", the target's model that learns the
    unlabelled samples too, as models that see the auxiliary name them, and "self_taught", as the target's own names
    them -> (T, L, C), by each of T divisions into folds
    labels: of the L samples; units: (L,) numbers of what is independent of each other; simple: whose models they are
    """

    answers: Mapping[str, Answers]
    labels: Labels
    units: Rows
    simple: Simple

    def score(self, name: str) -> Score:
        """The headline measure of one of them."""
        return self.simple.score(self.answers[name], self.labels, self.units)

    def difference(self, first: str, second: str) -> Score:
        """How much higher it is for the first than for the second, on the same samples."""
        return self.simple.difference(self.answers[first], self.answers[second], self.labels, self.units)

    def told(self, name: str) -> Features:
        """(L, C) what one of them said, the mean over divisions."""
        told: Features = np.mean(self.answers[name], axis=0)
        return told


def rehearse(pairs: Pairs, simple: Simple, seed: int) -> Rehearsed:
    """What models that did not see it say of every labelled sample. Needs `folds_of(pairs)` not to be empty."""
    labels = pairs.labels[pairs.labelled]
    times = next((count for most, count in REPETITIONS if len(labels) <= most), 1)
    made = [_once(pairs, simple, seed + 1000 * time) for time in range(times)]
    units = pairs.groups[pairs.labelled] if pairs.grouped else np.arange(len(labels))
    return Rehearsed({name: np.stack([told[name] for told in made]) for name in made[0]}, labels, units, simple)


def _once(pairs: Pairs, simple: Simple, seed: int) -> dict[str, Features]:
    """(L, C) of each, by one division into folds."""
    labelled, unlabelled = pairs.labelled, pairs.unlabelled
    views = {"target": pairs.target, "auxiliary": pairs.auxiliary, "all": pairs.all}
    names = [*views, *(["taught", "self_taught"] if len(unlabelled) else [])]
    told = {name: np.zeros((len(labelled), simple.outputs)) for name in names}
    for learnt, held_out in folds_of(pairs, seed):
        train, test = labelled[learnt], labelled[held_out]
        models = {name: simple.fitted(view[train], pairs.labels[train]) for name, view in views.items()}
        shift = simple.shift(pairs.labels[train], pairs.labels[labelled])
        for name, view in views.items():
            told[name][held_out] = simple.told(models[name], view[test]) + shift
        free = unlabelled[~np.isin(pairs.groups[unlabelled], pairs.groups[test])] if pairs.grouped else unlabelled
        if not len(unlabelled):
            continue
        if not len(free):
            for name in ("taught", "self_taught"):
                told[name][held_out] = told["target"][held_out]
            continue
        says = {name: simple.told(models[name], view[free]) for name, view in views.items()}
        teachers = {
            "taught": (says["all"] + says["auxiliary"]) / 2,
            "self_taught": says["target"],
        }  # as AMID-U has them
        for name, teacher in teachers.items():
            labels = np.concatenate([pairs.labels[train], simple.named(teacher)])
            student = simple.fitted(np.concatenate([pairs.target[train], pairs.target[free]]), labels)
            told[name][held_out] = simple.told(student, pairs.target[test]) + shift
    return told


def folds_of(pairs: Pairs, seed: int) -> list[tuple[Rows, Rows]]:
    """Places among the labelled samples that each fold learns from and is tested on; none where half of the classes
    have but one sample, where several labels or numbers have fewer than ten or, where groups are kept apart, there are
    no two groups with labels."""
    labels, groups = pairs.labels[pairs.labelled], pairs.groups[pairs.labelled]
    of_classes = labels.ndim == 1
    if of_classes and len(np.unique(labels)) < 2:
        return []
    units = len(np.unique(groups)) if pairs.grouped else len(labels)
    most = int(np.median(np.unique(labels, return_counts=True)[1])) if of_classes else len(labels) // 2
    strata = labels if of_classes else np.zeros(len(labels), dtype=np.int64)
    count = min(FOLDS, units if pairs.grouped else most, most_folds(strata))
    if count < 2 or not (of_classes or len(labels) >= LEAST):
        return []
    made = stratified_folds(strata, groups, pairs.grouped, count, seed)
    folds = [(learnt, tested) for learnt, tested in made if len(tested)]
    return folds if not of_classes or all(len(np.unique(labels[learnt])) > 1 for learnt, _ in folds) else []
