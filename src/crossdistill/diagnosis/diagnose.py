"""From a data set's training pairs to all that is said of them before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from crossdistill.data import MultimodalDataset
from crossdistill.data.columns import Rows
from crossdistill.data.labels import UNLABELLED
from crossdistill.data.splits import by_whole_groups
from crossdistill.diagnosis.features import Features, features_of, reduced
from crossdistill.diagnosis.information import (
    classifier_information,
    classifier_information_of_classes,
    drawn,
    neighbour_information,
    neighbour_information_of_classes,
)
from crossdistill.diagnosis.rehearsal import Pairs, Rehearsed, folds_of, rehearse
from crossdistill.diagnosis.scores import Score
from crossdistill.types import InputError

DIMENSIONS = 3
"""Of what a simple model says of a sample, where nearest neighbours are looked for: in many more they find nothing."""

NO_SCORE = Score(math.nan, math.nan, math.nan)
NO_INFORMATION = (math.nan, math.nan)


@dataclass(frozen=True)
class Counts:
    """How many training samples there are, of which kind.

    Attributes:
        labelled: that have all modalities and a label
        unlabelled: that have all modalities and none
        incomplete: that lack a modality
        classes: how many
        fewest: labels that the rarest class has
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
        scores: "target", "auxiliary", "all", "taught", "self_taught" -> accuracy of simple models on samples that they
            did not see (`Rehearsed`)
        differences: "gap" = all - target, "taught" = taught - target, "by auxiliary" = taught - self_taught
        teacher_student: I(A; S) in nats, by neighbours and as a classifier's bound
        student_label: I(S; label) in nats, by neighbours and as a classifier's bound
        divergence: of what auxiliary and target say of the classes that a sample is not of, Jensen-Shannon in nats
        notes: sentences on what was left out or cannot be known
    """

    counts: Counts
    scores: Mapping[str, Score]
    differences: Mapping[str, Score]
    teacher_student: tuple[float, float]
    student_label: tuple[float, float]
    divergence: float
    notes: tuple[str, ...] = field(default=())

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
        InputError: there is nothing to measure: no auxiliary modality, no pair, no two classes, or no classes at all.
    """
    from threadpoolctl import threadpool_limits

    if dataset.task != "classification":
        raise InputError(
            f"{dataset.name}: diagnose knows what classes promise, found task {dataset.task}; "
            "compare baseline, self_training and amid_u instead"
        )
    if not target or not auxiliary:
        raise InputError("expected target and auxiliary modalities, found none of one of them")
    if both := [name for name in auxiliary if name in target]:
        raise InputError(f"{both[0]}: is both target and auxiliary; what prediction has teaches it nothing new")
    with threadpool_limits(1):  # small matrices; several threads wait for each other more than they compute
        pairs, incomplete, notes = _pairs_of(dataset, target, auxiliary, seed)
        counts = _counts(pairs, incomplete)
        if not folds_of(pairs, seed):
            return _without_scores(counts, notes)
        rehearsed = rehearse(pairs, len(dataset.classes), seed)
        between, of_labels = _information(pairs, rehearsed, seed)
        return Evidence(
            counts,
            {name: rehearsed.score(name) if name in rehearsed.probabilities else NO_SCORE for name in _SCORES},
            {
                name: rehearsed.difference(*sides) if sides[0] in rehearsed.probabilities else NO_SCORE
                for name, sides in _DIFFERENCES.items()
            },
            between,
            of_labels,
            _non_target_divergence(rehearsed),
            notes,
        )


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
        raise InputError(f"{dataset.name}: no training sample has all of {', '.join(names)}")
    found: dict[str, Features] = {}
    present = np.ones(len(complete), dtype=np.bool_)
    for name in names:
        found[name], there = features_of(dataset.columns[name], complete, seed)
        present &= there
    if not present.any():
        raise InputError(f"{dataset.name}: no training sample of which all of {', '.join(names)} can be read")
    notes = (f"{(~present).sum()} samples could not be read and were left out",) if not present.all() else ()
    kept = complete[present]
    made = {name: reduced(features[present], seed) for name, features in found.items()}
    labels: Rows = dataset.labels[kept]
    if len(classes := np.unique(labels[labels != UNLABELLED])) < 2:
        raise InputError(
            f"{dataset.name}: expected labels of at least two classes among the training samples that have all "
            f"modalities, found {len(classes)}"
        )
    grouped = by_whole_groups(dataset)
    groups = np.unique(dataset.groups[kept], return_inverse=True)[1].astype(np.int64)
    together = {
        view: np.concatenate([made[name] for name in names], axis=1)
        for view, names in (("target", target), ("auxiliary", auxiliary))
    }
    return Pairs(together["target"], together["auxiliary"], labels, groups, grouped), len(rows) - len(kept), notes


def _counts(pairs: Pairs, incomplete: int) -> Counts:
    labels = pairs.labels[pairs.labelled]
    classes, each = np.unique(labels, return_counts=True)
    groups = len(np.unique(pairs.groups[pairs.labelled])) if pairs.grouped else 0
    return Counts(len(labels), len(pairs.unlabelled), incomplete, len(classes), int(each.min()), groups)


def _without_scores(counts: Counts, notes: tuple[str, ...]) -> Evidence:
    nothing = dict.fromkeys(_SCORES, NO_SCORE)
    return Evidence(
        counts, nothing, dict.fromkeys(_DIFFERENCES, NO_SCORE), NO_INFORMATION, NO_INFORMATION, math.nan, notes
    )


def _information(pairs: Pairs, rehearsed: Rehearsed, seed: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """I(A; S) and I(S; label) of what the auxiliary's and the target's simple models say of the labelled samples."""
    rows = drawn(len(rehearsed.labels), seed)
    student = _said(rehearsed.probabilities["target"])[rows]
    teacher = _said(rehearsed.probabilities["auxiliary"])[rows]
    labels = rehearsed.labels[rows]
    bound = classifier_information_of_classes(rehearsed.probabilities["target"][rows], labels)
    if len(rows) < 20:
        return NO_INFORMATION, (math.nan, bound)
    between = neighbour_information(teacher, student), classifier_information(teacher, student, seed)
    return between, (neighbour_information_of_classes(student, labels), bound)


def _said(probabilities: Features) -> Features:
    """(N, at most 3) principal components of the centred logarithms of probabilities."""
    from sklearn.decomposition import PCA

    logits = np.log(np.maximum(probabilities, 1e-4))
    logits -= logits.mean(1, keepdims=True)
    kept = min(DIMENSIONS, probabilities.shape[1] - 1, len(logits))
    said: npt.NDArray[np.float64] = PCA(kept, svd_solver="full").fit_transform(logits)
    return said


def _non_target_divergence(rehearsed: Rehearsed) -> float:
    """Mean Jensen-Shannon divergence, in nats within [0, log 2], of what auxiliary and target say of the classes other
    than a sample's own (Chen et al. 2024, arXiv 2409.02438); NaN of two classes, where there is but one other."""
    if rehearsed.probabilities["target"].shape[1] < 3:
        return math.nan
    own = np.zeros_like(rehearsed.probabilities["target"], dtype=np.bool_)
    own[np.arange(len(own)), rehearsed.labels] = True
    p, q = (_others(rehearsed.probabilities[name], own) for name in ("auxiliary", "target"))
    middle = (p + q) / 2
    return float(np.mean(np.sum(p * np.log(p / middle) + q * np.log(q / middle), axis=1) / 2))


def _others(probabilities: Features, own: npt.NDArray[np.bool_]) -> Features:
    others = np.maximum(probabilities, 1e-6)[~own].reshape(len(own), -1)
    shares: Features = others / others.sum(1, keepdims=True)
    return shares
