"""The numbers of a comparison: each configuration's means, as values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdistill.evaluation.significance import gap_recovered, mean_ci
from crossdistill.reports.groups import grouped
from crossdistill.reports.runs import Run, configurations_of, units_of
from crossdistill.reports.terms import measures as measured
from crossdistill.reports.units import unit_means
from crossdistill.runs.results import samples_compared

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Way:
    """Where a configuration's student is on the way from the student of `baseline` to the model of `teacher`: means of
    the samples that have all modalities, if students are `on_same_samples`, over the seeds and folds that all three
    have; NaN where there are none.
    """

    student: float
    baseline: float
    teacher: float


@dataclass(frozen=True)
class Headline:
    """A configuration's means of the task's headline measure over its independent units, a fraction, NaN where it has
    no such model; ..._ci: 95 % half width.

    units: how many, those of `units_of`; complete: the student's on the samples that have all modalities, as the
    teacher's is, if `on_same_samples`; gap: teacher - student of the same run, on these; measures: the student's means
    of all measures of the task, by their keys
    """

    runs: int
    units: int
    student: float
    student_ci: float
    complete: float
    complete_ci: float
    teacher: float
    teacher_ci: float
    auxiliary: float
    auxiliary_ci: float
    gap: float
    way: Way
    measures: Mapping[str, float]
    seconds: float

    @property
    def gap_recovered(self) -> float:
        return gap_recovered(self.way.student, self.way.baseline, self.way.teacher)


def headline(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per configuration (index, in the order of the tables).

    Columns: runs; student_top1, student_top1_ci, likewise teacher_ and auxiliary_, of other tasks by their headline's
    key; gap, gap_recovered, seconds; the student's other measures, student_r1 and so on.
    """
    import pandas as pd  # not where the terminal's table is made of `headlines`

    key, rows = measured(runs)[0].key, {}
    for label, row in headlines(runs).items():
        views = {"student": row.student, "teacher": row.teacher, "auxiliary": row.auxiliary}
        intervals = {"student": row.student_ci, "teacher": row.teacher_ci, "auxiliary": row.auxiliary_ci}
        rows[label] = {
            "runs": row.runs,
            **{f"{view}_{key}": value for view, value in views.items()},
            **{f"{view}_{key}_ci": value for view, value in intervals.items()},
            **{"gap": row.gap, "gap_recovered": row.gap_recovered, "seconds": row.seconds},
            **{f"student_{name}": value for name, value in row.measures.items()},
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("configuration")


def headlines(runs: Sequence[Run]) -> dict[str, Headline]:
    """Label -> its headline, in the order of the tables."""
    configurations = configurations_of(runs)
    baseline, teacher = (configurations.get(label, []) for label in ("baseline", "teacher"))
    compared = "on_complete" if on_same_samples(runs) else "headline"
    return {label: _headline(configurations[label], baseline, teacher, compared) for label in grouped(runs)}


def on_same_samples(runs: Sequence[Run]) -> bool:
    """Whether the students and teachers of each seed and fold are compared on as many samples, those that have all
    modalities; results of before do not say it, nor does a baseline know of media that were never read."""
    compared = {
        (run.replicate, samples_compared(run.scores[view]))
        for run in runs
        for view in ("student", "teacher")
        if view in run.scores
    }
    return len({replicate for replicate, _ in compared}) == len(compared)


def _headline(runs: Sequence[Run], baseline: Sequence[Run], teacher: Sequence[Run], compared: str) -> Headline:
    """compared: the measure that students of several runs have on the same samples."""
    student, student_ci = _mean_ci(_values(runs, "student"))
    complete, complete_ci = _mean_ci(_values(runs, "student", compared))
    own_teacher, own_teacher_ci = _mean_ci(_values(runs, "teacher"))
    auxiliary, auxiliary_ci = _mean_ci(_values(runs, "auxiliary_alone"))
    both = [run for run in runs if {"student", "teacher"} <= run.scores.keys()]
    gaps = [run.scores["teacher"].on_complete - run.scores["student"].on_complete for run in both]
    return Headline(
        runs=len(runs),
        units=len(set(units_of(runs))),
        student=student,
        student_ci=student_ci,
        complete=complete,
        complete_ci=complete_ci,
        teacher=own_teacher,
        teacher_ci=own_teacher_ci,
        auxiliary=auxiliary,
        auxiliary_ci=auxiliary_ci,
        gap=_mean(unit_means(units_of(both), gaps)),
        way=_way(runs, baseline, teacher, compared),
        measures={measure.key: _mean(_values(runs, "student", measure.key)) for measure in measured(runs)},
        seconds=_mean([run.seconds for run in runs]),
    )


def _way(runs: Sequence[Run], baseline: Sequence[Run], teacher: Sequence[Run], compared: str) -> Way:
    """Over the seeds and folds that all three have: others differ in more than the method."""
    sides = ((runs, "student"), (baseline, "student"), (teacher, "teacher"))
    there = [{run.replicate for run in own if view in run.scores} for own, view in sides]
    common = set.intersection(*there)
    common_runs = [([run for run in own if run.replicate in common], view) for own, view in sides]
    return Way(*(_mean(_values(own, view, compared)) for own, view in common_runs))


def _values(runs: Sequence[Run], view: str, measure: str = "headline") -> list[float]:
    """One for each independent unit."""
    made = [run for run in runs if view in run.scores]
    return unit_means(units_of(made), [getattr(run.scores[view], measure) for run in made])


def _mean(values: Sequence[float]) -> float:
    return _mean_ci(values)[0]


def _mean_ci(values: Sequence[float]) -> tuple[float, float]:
    return mean_ci(values) if values else (math.nan, math.nan)
