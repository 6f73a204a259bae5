"""Cross-validation: WA and UA as means over the folds, and of all folds' test samples together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from crossdistill.evaluation import mean_ci, unweighted_accuracy, weighted_accuracy
from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.formats import with_ci
from crossdistill.reports.groups import grouped
from crossdistill.reports.runs import Run, configurations_of
from crossdistill.reports.units import unit_means
from crossdistill.runs.results import Scores

NOTE = (
    "One fold is tested at a time. Mean: of the folds' WA and UA. Pooled: of all folds' test samples together, as if "
    "they were one test set; the two differ where folds are of different size or lack a class. In %, means over the "
    "seeds whose every fold is there; ± is the 95 % confidence interval over seeds, of which those that label the same "
    "groups in every fold count as one; it says nothing about other speakers or subjects than those tested."
)


View = Literal["student", "teacher"]
VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True)
class Validated:
    """One model over all folds, fractions; means over `seeds` seeds, those that label the same groups in every fold as
    one, and half widths of their 95 % intervals."""

    seeds: int
    mean_wa: tuple[float, float]
    pooled_wa: tuple[float, float]
    mean_ua: tuple[float, float]
    pooled_ua: tuple[float, float]


def fold_numbers(runs: Sequence[Run]) -> list[int]:
    """The folds that occur in these runs, in order."""
    return sorted({run.fold for run in runs if run.fold >= 0})


def folds_table(runs: Sequence[Run]) -> ReportTable | None:
    """A row for each configuration's student and teacher; None where there are no two folds, or no classes."""
    folds, groups = fold_numbers(runs), grouped(runs)
    if len(folds) < 2 or runs[0].task != "classification":
        return None
    configurations = configurations_of(runs)
    rows = []
    for label in groups:
        for view in VIEWS:
            over_folds = validated(configurations[label], view, folds)
            if over_folds.seeds:
                measures = (over_folds.mean_wa, over_folds.pooled_wa, over_folds.mean_ua, over_folds.pooled_ua)
                cells = (label, view, str(over_folds.seeds), *(with_ci(*measure) for measure in measures))
                rows.append(Row(cells, groups[label]))
    columns = ("configuration", "model", "seeds", "WA, mean", "WA, pooled", "UA, mean", "UA, pooled")
    return ReportTable(columns, tuple(rows)) if rows else None


def validated(runs: Sequence[Run], view: View, folds: Sequence[int]) -> Validated:
    """Measure one configuration over the seeds that have all folds."""
    by_seed: dict[int, dict[int, Run]] = {}
    for run in runs:
        if view in run.scores and run.fold in folds:
            by_seed.setdefault(run.seed, {})[run.fold] = run
    runs_of_seed = [[by_fold[fold] for fold in folds] for by_fold in by_seed.values() if len(by_fold) == len(folds)]
    whole = [[scores for run in of_seed if isinstance(scores := run.scores[view], Scores)] for of_seed in runs_of_seed]
    if not whole:
        nothing = (math.nan, math.nan)
        return Validated(0, nothing, nothing, nothing, nothing)
    units = [tuple(run.labels or run.seed for run in of_seed) for of_seed in runs_of_seed]
    pooled = [accuracies(np.sum([scores.confusion for scores in of_seed], axis=0)) for of_seed in whole]
    return Validated(
        len(whole),
        mean_ci(unit_means(units, [float(np.mean([scores.wa for scores in of_seed])) for of_seed in whole])),
        mean_ci(unit_means(units, [wa for wa, _ in pooled])),
        mean_ci(unit_means(units, [float(np.mean([scores.ua for scores in of_seed])) for of_seed in whole])),
        mean_ci(unit_means(units, [ua for _, ua in pooled])),
    )


def accuracies(confusion: npt.NDArray[np.number[Any]]) -> tuple[float, float]:
    """WA and UA from counts (C, C), row = true class; classes without a sample do not count."""
    true, predicted = np.repeat(np.indices(confusion.shape).reshape(2, -1), confusion.astype(int).ravel(), axis=1)
    return weighted_accuracy(predicted, true), unweighted_accuracy(predicted, true)
