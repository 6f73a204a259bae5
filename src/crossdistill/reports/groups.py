"""Which configurations belong together, in which order they are shown, and which carry the message."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from crossdistill.reports.runs import Run, configurations_of

Group = Literal["without distillation", "methods", "ablations", "controls", "variations"]
GROUPS: tuple[Group, ...] = get_args(Group)

ALONE = ("baseline", "teacher", "auxiliary")
"""Methods without distillation, in the order in which they are shown."""

VARIED = re.compile(r"([\w.]+)=(\S+)")
CONTROL = re.compile(r"\b(?:shuffled|noise|noisy|capacity)\b", re.IGNORECASE)
DRAWN_IN_THE_PAPER = re.compile(r"L_MIs|D2")
"""Ablations of Figures 1(a), 4 and 5: L_MIs alone, without L_adv, without D2."""


def group_of(label: str, method: str) -> Group:
    """The group of a configuration by its label's form.

    The method's own name: one of the methods. With `option=value` in it: a variation of that option. With a word for
    shuffled or random auxiliary inputs or for matched capacity: a control. Any other label: an ablation.
    """
    if label == method:
        return "without distillation" if method in ALONE else "methods"
    if VARIED.search(label):
        return "variations"
    return "controls" if CONTROL.search(label) else "ablations"


def grouped(runs: Sequence[Run]) -> dict[str, Group]:
    """Label -> group, in the order of every table: by group, inside it by falling mean accuracy of the student.

    Variations go by their option's value. The order of the runs does not matter.
    """
    groups = {label: group_of(label, replicates[0].method) for label, replicates in configurations_of(runs).items()}
    means = student_means(runs)
    return dict(sorted(groups.items(), key=lambda item: _place(item[0], item[1], means)))


def student_means(runs: Sequence[Run]) -> dict[str, float]:
    """Label -> mean student top-1 over its runs, NaN where there is none."""
    return {label: _student_mean(replicates) for label, replicates in configurations_of(runs).items()}


def main_configuration(runs: Sequence[Run]) -> str:
    """What the report is about: `amid`; without it the student with the highest mean that is no baseline.

    Methods come before ablations, controls and variations. Without such a student: the first in order.
    """
    means, groups = student_means(runs), grouped(runs)
    students = [label for label in groups if not math.isnan(means[label]) and groups[label] != "without distillation"]
    if "amid" in groups:
        return "amid"
    return (students or list(groups))[0]


def by_importance(runs: Sequence[Run]) -> list[str]:
    """All labels, those first that carry the message of a figure with room for a few.

    The main configuration, `baseline`, `teacher`; the ablations of Figures 1(a), 4 and 5; the methods `mi`, also of
    Figure 1(a), and `ccl` of Figure 3; the other ablations; the rest.
    """
    main = main_configuration(runs)
    first = {"ccl": 5, "mi": 4, "teacher": 2, "baseline": 1, main: 0}

    def rank(label: str, group: Group) -> int:
        if label in first:
            return first[label]
        if group == "ablations":
            return 3 if DRAWN_IN_THE_PAPER.search(label) else 6
        return 7 if group in ("methods", "without distillation") else 8

    groups = grouped(runs)
    return sorted(groups, key=lambda label: rank(label, groups[label]))


def first_of(labels: Iterable[str], order: Sequence[str], room: int) -> list[str]:
    """At most `room` of the labels, by the order."""
    present = set(labels)
    return [label for label in order if label in present][:room]


def _place(
    label: str, group: Group, means: Mapping[str, float]
) -> tuple[int, float, str, tuple[tuple[str, float], ...]]:
    if group == "without distillation":
        return GROUPS.index(group), ALONE.index(label), label, ()
    if group == "variations":
        varied = tuple((option, _number(value)) for option, value in VARIED.findall(label))
        return GROUPS.index(group), 0.0, VARIED.sub("", label), varied
    mean = means[label]
    return GROUPS.index(group), math.inf if math.isnan(mean) else -mean, label, ()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value


def _student_mean(runs: Sequence[Run]) -> float:
    values = [run.scores["student"].top1 for run in runs if "student" in run.scores]
    return math.fsum(values) / len(values) if values else math.nan
