"""From a data set's training pairs to all that is said of them before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crossdistill.data import MultimodalDataset
from crossdistill.data.same_samples import same_modalities, sentences_of
from crossdistill.data.splits import by_whole_groups
from crossdistill.data.targets import Labels, is_labelled
from crossdistill.diagnosis.features import Features, features_of, reduced
from crossdistill.diagnosis.rehearsal import Pairs, folds_of, rehearse
from crossdistill.diagnosis.scores import Score
from crossdistill.diagnosis.simple import Simple, SimpleClasses, SimpleTargets
from crossdistill.diagnosis.told import NO_INFORMATION, Estimates, information_of, non_target_divergence
from crossdistill.tasks.regression import statistics_of
from crossdistill.types import InputError, TaskKind

NO_SCORE = Score(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Counts:
    """How many training samples there are, of which kind.

    Attributes:
        labelled: that have all modalities and a label
        unlabelled: that have all modalities and none
        incomplete: that lack a modality
        classes: how many classes, labels or numbers there are
        fewest: samples that the rarest class or label has; of numbers, as many as are labelled
        groups: among the labelled, 0 where samples are independent of each other
    """

    labelled: int
    unlabelled: int
    incomplete: int
    classes: int
    fewest: int
    groups: int


@dataclass(frozen=True)
class Evidence:
    """What was measured of a data set's training samples; NaN for what could not be.

    Attributes:
        counts: of samples
        scores: "target", "auxiliary", "all", "taught", "self_taught" -> the task's headline measure (accuracy, mAP, R²)
            of simple models on samples that they did not see (`Rehearsed`)
        differences: "gap" = all - target, "taught" = taught - target, "by auxiliary" = taught - self_taught
        teacher_student: I(A; S) in nats, by neighbours and as a classifier's bound; of several labels or numbers the
            mean over them, each by itself
        student_label: I(S; label) in nats, likewise
        divergence: of what auxiliary and target say of the classes that a sample is not of, Jensen-Shannon in nats; NaN
            where there are no classes
        notes: sentences on what was left out, cannot be known, or is the same in all samples
        task: what is predicted
        same: "target" and "auxiliary" where all of these modalities are the same in all samples
    """

    counts: Counts
    scores: Mapping[str, Score]
    differences: Mapping[str, Score]
    teacher_student: Estimates
    student_label: Estimates
    divergence: float
    notes: tuple[str, ...] = field(default=())
    task: TaskKind = "classification"
    same: tuple[str, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether there were labels enough to measure anything."""
        return not math.isnan(self.scores["target"].mean)


def evidence_of(
    dataset: MultimodalDataset,
    target: Sequence[str],
    auxiliary: Sequence[str],
    seed: int = 0,
) -> Evidence:
    """Measure the training samples of a data set; those of other splits are not read.

    Args:
        dataset: with all modalities
        target: names of the modalities that prediction has
        auxiliary: names of those that training alone has
        seed: of folds and of what is drawn

    Raises:
        InputError: there is nothing to measure: no auxiliary modality, no pair, no two classes, labels that all samples
            have or none, or numbers that are all the same.
    """
    from threadpoolctl import threadpool_limits

    if not target or not auxiliary:
        raise InputError("expected target and auxiliary modalities, found none of one of them")
    if both := [name for name in auxiliary if name in target]:
        raise InputError(f"{both[0]}: is both target and auxiliary; what prediction has teaches it nothing new")
    with threadpool_limits(1):  # small matrices; several threads wait for each other more than they compute
        pairs, incomplete, notes = _pairs_of(dataset, target, auxiliary, seed)
        measured = dataset.only([*target, *auxiliary])
        found = same_modalities(measured)
        notes = (*notes, *sentences_of(measured, found))
        sides = {"target": target, "auxiliary": auxiliary}
        same = tuple(side for side, names in sides.items() if all(name in found for name in names))
        counts = _counts(pairs, incomplete, dataset.task)
        if not folds_of(pairs, seed):
            return replace(_without_scores(counts, notes, dataset.task), same=same)
        rehearsed = rehearse(pairs, _simple(dataset), seed)
        between, of_labels = information_of(rehearsed, dataset.task, seed)
        return Evidence(
            counts,
            {name: rehearsed.score(name) if name in rehearsed.answers else NO_SCORE for name in _SCORES},
            {
                name: rehearsed.difference(*sides) if sides[0] in rehearsed.answers else NO_SCORE
                for name, sides in _DIFFERENCES.items()
            },
            between,
            of_labels,
            non_target_divergence(rehearsed) if dataset.task == "classification" else math.nan,
            notes,
            dataset.task,
            same,
        )


def _simple(dataset: MultimodalDataset) -> Simple:
    count = len(dataset.classes)
    return SimpleClasses(count) if dataset.task == "classification" else SimpleTargets(dataset.task, count)


_SCORES = ("target", "auxiliary", "all", "taught", "self_taught")
_DIFFERENCES = {
    "gap": ("all", "target"),
    "taught": ("taught", "target"),
    "by auxiliary": ("taught", "self_taught"),
}


def _pairs_of(
    dataset: MultimodalDataset, target: Sequence[str], auxiliary: Sequence[str], seed: int
) -> tuple[Pairs, int, tuple[str, ...]]:
    rows = dataset.rows("train")
    names = [*target, *auxiliary]
    complete = rows[dataset.present(names)[rows]]
    if not len(complete):
        raise InputError(f"{dataset.place}: no training sample has all of {', '.join(names)}")
    found: dict[str, Features] = {}
    present = np.ones(len(complete), dtype=np.bool_)
    for name in names:
        found[name], there = features_of(dataset.columns[name], complete, seed)
        present &= there
    if not present.any():
        raise InputError(f"{dataset.place}: no training sample of which all of {', '.join(names)} can be read")
    notes = (f"{(~present).sum()} samples could not be read and were left out",) if not present.all() else ()
    kept = complete[present]
    made = {name: reduced(features[present], seed) for name, features in found.items()}
    labels = _known(dataset, dataset.labels[kept])
    grouped = by_whole_groups(dataset)
    groups = np.unique(dataset.groups[kept], return_inverse=True)[1].astype(np.int64)
    together = {
        view: np.concatenate([made[name] for name in names], axis=1)
        for view, names in (("target", target), ("auxiliary", auxiliary))
    }
    return Pairs(together["target"], together["auxiliary"], labels, groups, grouped), len(rows) - len(kept), notes


def _known(dataset: MultimodalDataset, labels: Labels) -> Labels:
    """The labels as simple models learn them: numbers in units of their deviation. Raises InputError where nothing in
    them could be learnt."""
    known = labels[is_labelled(labels)]
    among = "among the training samples that have all modalities"
    if dataset.task == "classification":
        if (classes := len(np.unique(known))) < 2:
            raise InputError(f"{dataset.place}: expected labels of at least two classes {among}, found {classes}")
        return labels
    if not len(known):
        raise InputError(f"{dataset.place}: expected labels {among}, found none")
    if not np.ptp(known, axis=0).any():
        what = "a label that some have and others lack" if dataset.task == "multilabel" else "numbers that differ"
        raise InputError(f"{dataset.place}: expected {what} {among}, found {len(known):,} that are labelled alike")
    values: Labels = labels.astype(np.float64)
    if dataset.task == "regression":
        mean, deviation = statistics_of(known)
        values = (values - np.array(mean)) / np.array(deviation)
    return values


def _counts(pairs: Pairs, incomplete: int, task: TaskKind) -> Counts:
    labels = pairs.labels[pairs.labelled]
    groups = len(np.unique(pairs.groups[pairs.labelled])) if pairs.grouped else 0
    if task == "classification":
        each = np.unique(labels, return_counts=True)[1]
        return Counts(len(labels), len(pairs.unlabelled), incomplete, len(each), int(each.min()), groups)
    fewest = int(labels.sum(0).min()) if task == "multilabel" else len(labels)
    return Counts(len(labels), len(pairs.unlabelled), incomplete, labels.shape[1], fewest, groups)


def _without_scores(counts: Counts, notes: tuple[str, ...], task: TaskKind) -> Evidence:
    nothing = dict.fromkeys(_SCORES, NO_SCORE)
    return Evidence(
        counts, nothing, dict.fromkeys(_DIFFERENCES, NO_SCORE), NO_INFORMATION, NO_INFORMATION, math.nan, notes, task
    )
