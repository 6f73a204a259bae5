"""Paired comparisons of configurations: differences, corrected tests, and which of them may be called best."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from crossdistill.evaluation.significance import differ_alike, holm, mean_ci, paired_test
from crossdistill.reports.groups import grouped, student_means
from crossdistill.reports.runs import Run, configurations_of
from crossdistill.reports.units import study_units, unit_means

LEVEL = 0.05
Key = TypeVar("Key", bound=Hashable)
Pairs = tuple[list[float], list[float]]
"""The values of both sides of a comparison, b[i] of the unit of a[i]."""
Verdict = Literal["better", "worse", "no significant difference", "not tested"]


@dataclass(frozen=True)
class Difference:
    """The student's headline measure of a configuration less that of a reference, a fraction, the mean over `pairs`
    independent pairs: common seeds (and folds), those of one unit (`study_units`) averaged into one.

    half_width: of the 95 % Student-t interval; p: paired t-test; p_holm: p corrected for all configurations compared
    with this reference. All three are NaN for a single pair; half_width also where all pairs differ by the same, other
    than 0, which says nothing of their spread.
    """

    pairs: int
    difference: float
    half_width: float
    p: float
    p_holm: float

    @property
    def verdict(self) -> Verdict:
        """What the corrected test says at the level of 0.05."""
        if math.isnan(self.p_holm):
            return "not tested"
        if self.p_holm > LEVEL:
            return "no significant difference"
        return "better" if self.difference > 0 else "worse"


def differences(runs: Sequence[Run], reference: str = "baseline") -> dict[str, Difference]:
    """Label -> its paired difference to the configuration with the label `reference`, in the order of the tables.

    Configurations without a student or without a pair are left out; Holm's correction is over all others.
    """
    configurations = configurations_of(runs)
    theirs = _students(configurations.get(reference, []))
    pairs: dict[str, Pairs] = {}
    for label in grouped(runs):
        ours = _students(configurations[label])
        common = sorted(ours.keys() & theirs.keys())
        if label != reference and common:
            labels = {key: (ours[key].labels, theirs[key].labels) for key in common}
            groups = {key: sides if any(sides) else "" for key, sides in labels.items()}
            units = study_units(groups, any(run.in_turn for run in runs)).values()
            a, b = ([side[key].scores["student"].headline for key in common] for side in (ours, theirs))
            pairs[label] = unit_means(units, a), unit_means(units, b)
    return tested_pairs(pairs)


def tested_pairs(pairs: Mapping[Key, Pairs]) -> dict[Key, Difference]:
    """Each paired difference with its test, corrected (Holm) for all of them; pairs: of values of independent units."""
    p_values = [paired_test(a, b) for a, b in pairs.values()]
    found = {}
    for (key, (a, b)), p, p_holm in zip(pairs.items(), p_values, holm(p_values), strict=True):
        mean, half = mean_ci([x - y for x, y in zip(a, b, strict=True)])
        same = differ_alike(a, b) and p < 1  # of no difference it is known
        found[key] = Difference(len(a), mean, math.nan if same else half, p, float(p_holm))
    return found


def highest(runs: Sequence[Run]) -> str:
    """The label with the highest mean headline measure of its student, controls aside; empty where none has one."""
    groups = grouped(runs)
    means = {
        label: mean
        for label, mean in student_means(runs).items()
        if not math.isnan(mean) and groups[label] != "controls"
    }
    return min(means, key=lambda label: (-means[label], label)) if means else ""


def best(runs: Sequence[Run]) -> frozenset[str]:
    """The configurations that may be called best; none where the tests do not say so.

    Those that are significantly better than `baseline` and not significantly worse than the highest mean. Both tests
    are paired t-tests with Holm's correction over everything compared with the same reference. A control is nothing
    that anybody would use, so it is never among them.
    """
    groups, to_highest = grouped(runs), differences(runs, highest(runs))
    return frozenset(
        label
        for label, row in differences(runs).items()
        if groups[label] != "controls"
        if row.verdict == "better" and (label not in to_highest or to_highest[label].verdict != "worse")
    )


def _students(runs: Sequence[Run]) -> dict[tuple[int, int], Run]:
    """Fold and seed -> the run, of those that have a student."""
    return {run.replicate: run for run in runs if "student" in run.scores}
