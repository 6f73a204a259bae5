"""The numbers of a comparison: each configuration's means, as values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from crossdistill.evaluation.significance import gap_recovered, mean_ci
from crossdistill.reports.groups import grouped
from crossdistill.reports.runs import Run, configurations_of


@dataclass(frozen=True)
class Headline:
    """A configuration's means over its runs, fractions, NaN where it has no such model; ..._ci: 95 % half width.

    gap: teacher - student of the same run; gap_recovered: on the way from `baseline` to `teacher`, the configurations.
    """

    runs: int
    student_top1: float
    student_top1_ci: float
    teacher_top1: float
    teacher_top1_ci: float
    auxiliary_top1: float
    auxiliary_top1_ci: float
    gap: float
    gap_recovered: float
    student_r1: float
    student_r5: float
    student_wa: float
    student_ua: float
    seconds: float


def headline(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per configuration (index, in the order of the tables); the columns are `Headline`'s fields."""
    rows = {label: asdict(row) for label, row in headlines(runs).items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("configuration")


def headlines(runs: Sequence[Run]) -> dict[str, Headline]:
    """Label -> its headline, in the order of the tables."""
    configurations = configurations_of(runs)
    baseline = _mean(_values(configurations.get("baseline", []), "student", "top1"))
    teacher = _mean(_values(configurations.get("teacher", []), "teacher", "top1"))
    return {label: _headline(configurations[label], baseline, teacher) for label in grouped(runs)}


def _headline(runs: Sequence[Run], baseline: float, teacher: float) -> Headline:
    student, student_ci = _mean_ci(_values(runs, "student", "top1"))
    own_teacher, own_teacher_ci = _mean_ci(_values(runs, "teacher", "top1"))
    auxiliary, auxiliary_ci = _mean_ci(_values(runs, "auxiliary_alone", "top1"))
    both = [run.scores for run in runs if {"student", "teacher"} <= run.scores.keys()]
    return Headline(
        runs=len(runs),
        student_top1=student,
        student_top1_ci=student_ci,
        teacher_top1=own_teacher,
        teacher_top1_ci=own_teacher_ci,
        auxiliary_top1=auxiliary,
        auxiliary_top1_ci=auxiliary_ci,
        gap=_mean([scores["teacher"].top1 - scores["student"].top1 for scores in both]),
        gap_recovered=gap_recovered(student, baseline, teacher),
        student_r1=_mean(_values(runs, "student", "r1")),
        student_r5=_mean(_values(runs, "student", "r5")),
        student_wa=_mean(_values(runs, "student", "wa")),
        student_ua=_mean(_values(runs, "student", "ua")),
        seconds=_mean([run.seconds for run in runs]),
    )


def _values(runs: Sequence[Run], view: str, measure: str) -> list[float]:
    return [getattr(run.scores[view], measure) for run in runs if view in run.scores]


def _mean(values: Sequence[float]) -> float:
    return _mean_ci(values)[0]


def _mean_ci(values: Sequence[float]) -> tuple[float, float]:
    return mean_ci(values) if values else (math.nan, math.nan)
