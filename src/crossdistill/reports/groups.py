"""Which configurations belong together, in which order they are shown, and which carry the message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from crossdistill.recipes.variants.published import L_MIS, NO_ADVERSARIAL, NO_D2
from crossdistill.reports.runs import Run, configurations_of, units_of
from crossdistill.reports.units import unit_means
from crossdistill.types import Role

Group = Literal["without distillation", "methods", "ablations", "controls", "variations"]
GROUPS: tuple[Group, ...] = get_args(Group)

WITHOUT_AUXILIARY = ("baseline", "self_training")
"""Methods whose student learns from the target modalities alone: auxiliary ones that a recipe names did not help."""

_ALONE = (*WITHOUT_AUXILIARY, "teacher", "auxiliary")
"""Methods without distillation, in the order in which they are shown."""

_GROUP_OF: Mapping[Role, Group] = {
    "method": "methods",
    "ablation": "ablations",
    "control": "controls",
    "variation": "variations",
}
_DRAWN_IN_THE_PAPER = (L_MIS, NO_ADVERSARIAL, NO_D2)
"""Ablations of Figures 1(a), 4 and 5."""


def group_of(run: Run) -> Group:
    """The group of a run's configuration by its role; methods that do not distil are one of their own."""
    return "without distillation" if run.role == "method" and run.method in _ALONE else _GROUP_OF[run.role]


def grouped(runs: Sequence[Run]) -> dict[str, Group]:
    """Label -> group, in the order of every table: by group, inside it by the student's falling mean.

    Variations go by their option's value. The order of the runs does not matter.
    """
    first = [replicates[0] for replicates in configurations_of(runs).values()]
    means = student_means(runs)
    return {run.label: group_of(run) for run in sorted(first, key=lambda run: _place(run, means[run.label]))}


def student_means(runs: Sequence[Run]) -> dict[str, float]:
    """Label -> the mean of its students' headline measure over its runs, NaN where there is none."""
    return {label: _student_mean(replicates) for label, replicates in configurations_of(runs).items()}


def main_configuration(runs: Sequence[Run]) -> str:
    """What the report is about: `reference_method`; without it the student with the highest mean that distils.

    Methods come before ablations, controls and variations. Without such a student: the first that is not the baseline,
    or else the first in order.
    """
    means, groups = student_means(runs), grouped(runs)
    students = [label for label in groups if not math.isnan(means[label]) and label != "baseline"]
    distilled = [label for label in students if groups[label] != "without distillation"]
    return reference_method(runs) or (distilled or students or list(groups))[0]


def reference_method(runs: Sequence[Run]) -> str:
    """The method that all others are compared with: `amid_u` where it learnt from unlabelled pairs, else `amid`; empty
    where neither was run."""
    groups = grouped(runs)
    if "amid_u" in groups and ("amid" not in groups or any(unlabelled(run) for run in runs if run.label == "amid_u")):
        return "amid_u"
    return "amid" if "amid" in groups else ""


def reference_methods(runs: Sequence[Run]) -> list[str]:
    """The `reference_method`, and the other one where its ablations were run beside it."""
    first = reference_method(runs)
    labels = configurations_of(runs).keys()
    taken_apart = sorted({ablated(run) for run in runs if run.role == "ablation"} & labels - {first})
    return [first, *taken_apart] if first else []


def ablated(run: Run) -> str:
    """The method that an ablation takes apart: AMID, some of whose ablations are methods of their own, or AMID-U."""
    return "amid_u" if run.method == "amid_u" else "amid"


def unlabelled(run: Run) -> int:
    """How many of the run's training samples had no label."""
    return run.samples["train"] - run.samples["labelled"] if "labelled" in run.samples else 0


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
            return 3 if label in _DRAWN_IN_THE_PAPER else 6
        return 7 if group in ("methods", "without distillation") else 8

    groups = grouped(runs)
    return sorted(groups, key=lambda label: rank(label, groups[label]))


def first_of(labels: Iterable[str], order: Sequence[str], room: int) -> list[str]:
    """At most `room` of the labels, by the order."""
    present = set(labels)
    return [label for label in order if label in present][:room]


def _place(run: Run, mean: float) -> tuple[int, str, str, float, str]:
    """What configurations are sorted by: group, in it what is varied and to which value, or the student's mean."""
    group = group_of(run)
    if group == "variations":
        return GROUPS.index(group), run.method, run.varied, _last_if_nan(run.value), run.label
    rank = _ALONE.index(run.method) if group == "without distillation" else _last_if_nan(-mean)
    return GROUPS.index(group), "", "", rank, run.label


def _last_if_nan(number: float) -> float:
    return math.inf if math.isnan(number) else number


def _student_mean(runs: Sequence[Run]) -> float:
    made = [run for run in runs if "student" in run.scores]
    values = unit_means(units_of(made), [run.scores["student"].headline for run in made])
    return math.fsum(values) / len(values) if values else math.nan
