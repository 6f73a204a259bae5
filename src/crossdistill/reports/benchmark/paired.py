"""Every paired test of the page, corrected together; and what they say of two configurations over all settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crossdistill.evaluation.significance import mean_ci
from crossdistill.reports.benchmark.results import Measure, Replicate, Setting, common_replicates, standing
from crossdistill.reports.comparison import Difference, Pairs, Verdict, tested_pairs
from crossdistill.reports.units import unit_means

HALF_WAY = "half way"
"""Stands for the middle between the student alone and the teacher alone."""
BEST_CONTROL = "best control"
"""Stands for the one of `CONTROLS` with the highest mean in a setting that has them all."""
CONTROLS = ("baseline", "self_training", "amid_u, zeroed auxiliary", "amid_u, shuffled auxiliary")
"""What can be had without the auxiliary modality: a gain over one that is weak in a setting may be that weakness."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a measure of the configurations with this label, what is half way to the teacher, or
    the best control."""

    label: str
    measure: Measure = "student"

    def values(self, setting: Setting) -> Mapping[Replicate, float]:
        """Replicate -> fraction; empty where the setting has no such runs, or no way to go."""
        if self.label == HALF_WAY:
            return _half_way(setting)
        label = best_control(setting) if self.label == BEST_CONTROL else self.label
        found = setting.configurations.get(label)
        return found.values[self.measure] if found is not None else {}


@dataclass(frozen=True)
class Pair:
    """What is compared: the first side minus the second."""

    first: Side
    second: Side


def _half_way(setting: Setting) -> Mapping[Replicate, float]:
    """The middle between the student alone and the teacher alone; empty where the teacher is not ahead, since going
    there would be a loss."""
    alone, teacher = Side("baseline").values(setting), Side("teacher", "teacher").values(setting)
    common = common_replicates(alone, teacher)
    ahead = math.fsum(teacher[each] - alone[each] for each in common) > 0
    return {each: (alone[each] + teacher[each]) / 2 for each in sorted(common)} if ahead else {}


def best_control(setting: Setting) -> str:
    """The label of the best control; empty where the setting lacks one of them."""
    made = [label for label in CONTROLS if (found := setting.configurations.get(label)) and found.values["student"]]
    if len(made) < len(CONTROLS):
        return ""
    return max(made, key=lambda label: standing(setting, label))


STUDENT_ALONE = Side("baseline")
Tests = Mapping[tuple[str, Pair], Difference]
"""(A setting's key, pair) -> its paired difference."""


def paired_tests(settings: Sequence[Setting], pairs: Iterable[Pair]) -> Tests:
    """Each pair in each setting that has both sides, and every student against the student alone, over independent
    units; p_holm is corrected for all of them together."""
    asked: dict[tuple[str, Pair], Pairs] = {}
    pairs = list(pairs)
    for setting in settings:
        students = [Pair(Side(label), STUDENT_ALONE) for label in setting.configurations if label != "baseline"]
        for pair in dict.fromkeys([*students, *pairs]):
            first, second = pair.first.values(setting), pair.second.values(setting)
            if common := sorted(first.keys() & second.keys()):
                units = [setting.units[each] for each in common]
                a, b = (unit_means(units, [side[each] for each in common]) for side in (first, second))
                asked[setting.key, pair] = a, b
    return tested_pairs(asked)


def count_of(tests: Tests) -> int:
    """How many could be tested, and so how many p is corrected for."""
    return sum(not math.isnan(row.p) for row in tests.values())


@dataclass(frozen=True)
class Evidence:
    """What the settings say of a pair.

    settings: how many have both sides, of how many data sets, sets of one source being one; better: on how many data
    sets the corrected test says so in every setting; partly: in at least one; worse: on how many it says the reverse in
    at least one; difference, half_width: mean over the data sets, the settings of each averaged, and its 95 % interval;
    of a single setting, that setting's
    """

    settings: int
    sets: int
    better: int
    partly: int
    worse: int
    difference: float
    half_width: float


def evidence_of(settings: Sequence[Setting], pair: Pair, tests: Tests) -> Evidence | None:
    """What these settings say of the pair; None where none has both sides."""
    rows = [(setting, tests[setting.key, pair]) for setting in settings if (setting.key, pair) in tests]
    if not rows:
        return None
    mean, half = mean_ci(unit_means([setting.source for setting, _ in rows], [row.difference for _, row in rows]))
    verdicts = verdicts_by_source(rows)
    return Evidence(
        settings=len(rows),
        sets=len(verdicts),
        better=sum(found == {"better"} for found in verdicts.values()),
        partly=sum("better" in found for found in verdicts.values()),
        worse=sum("worse" in found for found in verdicts.values()),
        difference=mean,
        half_width=rows[0][1].half_width if len(rows) == 1 else half,
    )


def verdicts_by_source(rows: Iterable[tuple[Setting, Difference]]) -> dict[str, set[Verdict]]:
    """Source of data -> the verdicts of its settings."""
    found: dict[str, set[Verdict]] = {}
    for setting, row in rows:
        found.setdefault(setting.source, set()).add(row.verdict)
    return found


def share_recovered(settings: Sequence[Setting], label: str) -> float:
    """How much of the way from the student alone to the teacher alone the students have gone: their gains over these
    settings by the gaps, both averaged over each source's settings where the teacher is ahead, and added up over the
    sources; NaN where there is none. In each setting all three are of the replicates that they share."""
    sources, gains, gaps = [], [], []
    for setting in settings:
        made, alone, teacher = (setting.configurations.get(name) for name in (label, "baseline", "teacher"))
        if made is None or alone is None or teacher is None or not made.values["student"]:
            continue
        common = common_replicates(made.values["student"], alone.values["student"], teacher.values["teacher"])
        start = alone.mean(over=common)[0]
        gap = teacher.mean("teacher", common)[0] - start
        if gap > 0:  # False where nothing is shared
            sources.append(setting.source)
            gains.append(made.mean(over=common)[0] - start)
            gaps.append(gap)
    return math.fsum(unit_means(sources, gains)) / math.fsum(unit_means(sources, gaps)) if gaps else math.nan
