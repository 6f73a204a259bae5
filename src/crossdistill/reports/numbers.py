"""Several numbers one by one: the errors of each in its own unit, of which no mean says anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.formats import NONE, counted, listed, percent
from crossdistill.reports.groups import main_configuration
from crossdistill.reports.runs import Run, configurations_of, units_of
from crossdistill.reports.units import unit_means
from crossdistill.runs.results import says_errors

HEADING = "Number by number"
_MOST = 40
"""Numbers that the table lists; of more, the first."""


def numbers_table(runs: Sequence[Run]) -> ReportTable | None:
    """The students of the main configuration and the baseline by number, means over the runs that say it; None for
    classes, labels and a single number, and where no run says it, as those of before."""
    names = runs[0].classes
    if runs[0].task != "regression" or len(names) == 1:
        return None
    configurations, rows = configurations_of(runs), []
    for label in dict.fromkeys((main_configuration(runs), "baseline")):
        own = [run for run in configurations.get(label, []) if says_errors(run.scores.get("student"))]
        for place, name in enumerate(names[:_MOST]) if own else ():
            rows.append(Row((name, *_cells(own, place)), label))
    return ReportTable(("number", "R²", "RMSE", "MAE"), tuple(rows)) if rows else None


def note_of(table: ReportTable, runs: Sequence[Run]) -> str:
    """What the table holds, in words."""
    labels, more = list(table.groups), len(runs[0].classes) - _MOST
    left_out = f" Not shown: {counted(more, 'more number')}, which results.json has." if more > 0 else ""
    return (
        f"The {listed(labels)} {'student' if len(labels) == 1 else 'students'}, means over the runs: R² in %; RMSE and "
        f"MAE in the number's own unit, lower is better.{left_out}"
    )


def _cells(runs: Sequence[Run], place: int) -> tuple[str, ...]:
    """R², RMSE and MAE of one number."""
    units = units_of(runs)
    r2, rmse, mae = (
        _mean(unit_means(units, [float(getattr(run.scores["student"], name)[place]) for run in runs]))
        for name in ("per_number", "per_number_rmse", "per_number_mae")
    )
    return percent(r2), *(NONE if math.isnan(value) else f"{value:.4g}" for value in (rmse, mae))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
