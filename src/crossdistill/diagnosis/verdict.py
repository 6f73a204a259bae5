"""From what was measured to an answer in words, and what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossdistill.diagnosis.diagnose import Evidence

Answer = Literal["likely", "unlikely", "cannot tell"]


@dataclass(frozen=True)
class Thresholds:
    """From which gain of the rehearsal on a gain in training is likely, and up to which it is unlikely.

    Chosen on the data sets of docs/diagnose.md, where each set's own verdict is also given with the others' thresholds.

    Args:
        likely: least gain, a share of right answers
        unlikely: largest gain, a share of right answers
    """

    likely: float = 0.02
    unlikely: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether training with the auxiliary modalities is likely to gain.

    Attributes:
        answer: "likely", "unlikely" or "cannot tell"
        because: sentences
        lever: what to do
    """

    answer: Answer
    because: tuple[str, ...]
    lever: str


FEW = 4
"""Unlabelled pairs are few where they are less than one for so many labelled ones."""


ROOM = 0.1
"""A gap that may be as wide, as far as so few labels tell, leaves room for a gain that the rehearsal did not find."""


def judge(evidence: Evidence, thresholds: Thresholds = Thresholds()) -> Verdict:
    """The verdict on what was measured.

    Without unlabelled pairs: unlikely, as with all labels no method gained on any set that this was held against.
    With them it follows the rehearsal's gain: that of the target's simple model that learns unlabelled pairs from the
    models that see the auxiliary, over the target's alone and over one that learns them from the target's own. Likely
    is said only where all modalities surely know more than the target: of few samples a gain alone may be chance.

    Of several labels, and of numbers, the answer is "cannot tell", beside what was measured: no trained runs are there
    to set thresholds by, and those of classes are shares of right answers.

    Args:
        evidence: what `evidence_of` measured
        thresholds: of that gain
    """
    counts, gap = evidence.counts, evidence.differences["gap"]
    if evidence.same:
        return _of_nothing(evidence)
    if evidence.task != "classification":
        return _uncalibrated(evidence)
    if counts.unlabelled * FEW < counts.labelled:
        return _with_all_labels(evidence)
    if not evidence.is_scored:
        return _unscored(evidence)
    least, rehearsal = rehearsed_gain(evidence), _rehearsal_in_words(evidence)
    is_low = (gap.mean <= 0 and least < thresholds.likely) or least <= thresholds.unlikely
    if gap.high <= 0 or (is_low and gap.high < ROOM):
        return Verdict("unlikely", (_gap_in_words(evidence), rehearsal), _lever_of_a_weak_auxiliary(evidence))
    if least >= thresholds.likely and gap.low > 0:
        lever = f"Labels are few and unlabelled pairs many: train amid_u, which learns from all {counts.unlabelled:,}."
        return Verdict("likely", (_gap_in_words(evidence), rehearsal), lever)
    return Verdict("cannot tell", (_gap_in_words(evidence), rehearsal), COMPARE)


_COMPARE = "compare baseline, self_training and amid_u with a few seeds"
COMPARE = f"{_COMPARE.capitalize()}; label more samples to know before."


def rehearsed_gain(evidence: Evidence) -> float:
    """The smaller of the rehearsal's two gains, over the target alone and over the target taught by itself."""
    return min(evidence.differences["taught"].mean, evidence.differences["by auxiliary"].mean)


def _of_nothing(evidence: Evidence) -> Verdict:
    """Where a side is the same in all samples, whatever else was measured is chance."""
    which = " and ".join(evidence.same)
    because = f"What is {which} is the same in all samples (below), so that nothing can be learnt from it."
    return Verdict("unlikely", (because,), f"Mend the {which}, and ask again: each sample should have its own.")


def _with_all_labels(evidence: Evidence) -> Verdict:
    counts, gap = evidence.counts, evidence.differences["gap"]
    every = "All" if not counts.unlabelled else f"{counts.labelled:,} of {counts.labelled + counts.unlabelled:,}"
    because = [
        f"{every} pairs have a label. With labels for all, no method gained for sure on any data set that this was "
        "held against, however much more the auxiliary knew."
    ]
    if evidence.is_scored:
        because.append(_gap_in_words(evidence))
    if evidence.is_scored and gap.low > 0:
        lever = "Record more pairs and leave them without labels: the auxiliary knows more, and amid_u carries it over."
    else:
        lever = "Look for an auxiliary that knows more, or label more samples: the target's model gains by both."
    return Verdict("unlikely", tuple(because), lever)


def _unscored(evidence: Evidence) -> Verdict:
    counts = evidence.counts
    if counts.groups == 1:
        why = "All labels are of one group, so no score says anything of new ones."
        lever = f"Label a second group and ask again, or {_COMPARE}."
    else:
        why = "Half of the classes or more have one label alone, so nothing can be cross-validated."
        lever = "Label two samples of each class and ask again, or compare baseline and amid_u with a few seeds."
    many = f"There are {counts.unlabelled:,} pairs without a label, which is where gains were found."
    return Verdict("cannot tell", (why, many), lever)


def _uncalibrated(evidence: Evidence) -> Verdict:
    """What was measured of several labels or of numbers, with which lever it speaks for."""
    counts, gap = evidence.counts, evidence.differences["gap"]
    what = "several labels a sample" if evidence.task == "multilabel" else "numbers"
    because = [
        "Which scores promise a gain was held against training for classes alone, so there is no verdict for "
        f"{what}, only what was measured."
    ]
    if not evidence.is_scored:
        alone = counts.groups == 1
        because.append("All labels are of one group." if alone else "Fewer than ten samples have a label.")
        lever = "Label a second group" if alone else "Label ten samples"
        return Verdict("cannot tell", tuple(because), f"{lever} and ask again, or {_COMPARE}.")
    because.append(_gap_in_words(evidence))
    if counts.unlabelled:
        because.append(_rehearsal_in_words(evidence))
    lever = _COMPARE.capitalize()
    if gap.high <= 0:
        lever = f"Look for an auxiliary that knows more, or {_COMPARE}."
    elif counts.unlabelled * FEW < counts.labelled:
        lever += "; for classes, gains were found where most pairs have no label, so record more."
    else:
        lever += ": for classes, gains were found where labels are few and pairs without one many, as here."
    return Verdict("cannot tell", tuple(because), lever)


def _rehearsal_in_words(evidence: Evidence) -> str:
    gain, own = evidence.differences["taught"], evidence.differences["by auxiliary"]
    return (
        f"In rehearsal the target's simple model gained {gain.percent(True)} points from unlabelled pairs that the "
        f"auxiliary helped to name; {own.percent(True)} more than when it named them itself."
    )


def _gap_in_words(evidence: Evidence) -> str:
    gap = evidence.differences["gap"]
    says = f"All modalities together have {gap.percent(True)} points over the target alone"
    if gap.low > 0:
        return f"{says}. Such a gap is needed; by itself it promises nothing."
    if gap.high <= 0:
        return f"{says}: the auxiliary adds nothing."
    return f"{says}, which may be chance."


NEARLY_ALL = 0.97
"""Share of right answers of the target's simple model above which there is little left to gain."""


def _lever_of_a_weak_auxiliary(evidence: Evidence) -> str:
    if evidence.scores["target"].mean > NEARLY_ALL:
        return "The target alone tells nearly all labelled pairs: there is little left to gain from any auxiliary."
    if evidence.differences["gap"].low > 0:
        return "The auxiliary knows more, but the target did not learn it in rehearsal: better features of the target."
    return "The auxiliary adds nothing that this shows: look for one that knows the class better, or label more."
