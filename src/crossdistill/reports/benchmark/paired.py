"""Every paired test of the page, corrected together; and what they say of two configurations over all settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crossdistill.evaluation.significance import holm, mean_ci, paired_test
from crossdistill.reports.benchmark.results import Measure, Setting
from crossdistill.reports.comparison import Difference

HALF_WAY = "half way"
"""Stands for the middle between the student alone and the teacher alone."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a measure of the configurations with this label, or what is half way to the teacher."""

    label: str
    measure: Measure = "student"

    def values(self, setting: Setting) -> Mapping[int, float]:
        """Seed -> fraction; empty where the setting has no such runs."""
        if self.label == HALF_WAY:
            alone, teacher = Side("baseline").values(setting), Side("teacher", "teacher").values(setting)
            return {seed: (alone[seed] + teacher[seed]) / 2 for seed in alone if seed in teacher}
        found = setting.configurations.get(self.label)
        return found.values[self.measure] if found is not None else {}


@dataclass(frozen=True)
class Pair:
    """What is compared: the first side minus the second."""

    first: Side
    second: Side


STUDENT_ALONE = Side("baseline")
Tests = Mapping[tuple[str, Pair], Difference]
"""(A setting's key, pair) -> its paired difference."""


def paired_tests(settings: Sequence[Setting], pairs: Iterable[Pair]) -> Tests:
    """Each pair in each setting that has both sides, and every student against the student alone; p_holm is corrected
    for all of them together."""
    asked: dict[tuple[str, Pair], tuple[list[float], list[float]]] = {}
    pairs = list(pairs)
    for setting in settings:
        students = [Pair(Side(label), STUDENT_ALONE) for label in setting.configurations if label != "baseline"]
        for pair in dict.fromkeys([*students, *pairs]):
            first, second = pair.first.values(setting), pair.second.values(setting)
            if common := sorted(first.keys() & second.keys()):
                asked[setting.key, pair] = [first[seed] for seed in common], [second[seed] for seed in common]
    p_values = [paired_test(a, b) for a, b in asked.values()]
    tests = {}
    for (key, (a, b)), p, p_holm in zip(asked.items(), p_values, holm(p_values), strict=True):
        mean, half = mean_ci([x - y for x, y in zip(a, b, strict=True)])
        tests[key] = Difference(len(a), mean, half, p, float(p_holm))
    return tests


def count_of(tests: Tests) -> int:
    """How many could be tested, and so how many p is corrected for."""
    return sum(not math.isnan(row.p) for row in tests.values())


@dataclass(frozen=True)
class Evidence:
    """What the settings say of a pair.

    settings: how many have both sides, of how many data sets; better, worse: in how many the corrected test says so;
    difference, half_width: mean over the settings and its 95 % interval; of a single setting, the interval over seeds
    """

    settings: int
    sets: int
    better: int
    worse: int
    difference: float
    half_width: float


def evidence_of(settings: Sequence[Setting], pair: Pair, tests: Tests) -> Evidence | None:
    """What these settings say of the pair; None where none has both sides."""
    rows = [(setting, tests[setting.key, pair]) for setting in settings if (setting.key, pair) in tests]
    if not rows:
        return None
    mean, half = mean_ci([row.difference for _, row in rows])
    return Evidence(
        settings=len(rows),
        sets=len({setting.name for setting, _ in rows}),
        better=sum(row.verdict == "better" for _, row in rows),
        worse=sum(row.verdict == "worse" for _, row in rows),
        difference=mean,
        half_width=rows[0][1].half_width if len(rows) == 1 else half,
    )


def share_recovered(settings: Sequence[Setting], label: str) -> float:
    """How much of the way from the student alone to the teacher alone the students have gone: their gains over these
    settings by the gaps, both added up over the settings where the teacher is ahead; NaN where there is none."""
    gains, gaps = [], []
    for setting in settings:
        made, alone, teacher = (setting.configurations.get(name) for name in (label, "baseline", "teacher"))
        if made is None or alone is None or teacher is None or not made.values["student"]:
            continue
        gap = teacher.mean("teacher")[0] - alone.mean()[0]
        if gap > 0:
            gains.append(made.mean()[0] - alone.mean()[0])
            gaps.append(gap)
    return math.fsum(gains) / math.fsum(gaps) if gaps else math.nan
