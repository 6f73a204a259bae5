"""The numbers of a comparison: headline and paired differences, as values and formatted for reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from crossdistill.evaluation.significance import gap_recovered, holm, mean_ci, paired_test
from crossdistill.reports.runs import Run, methods_of

NONE = "–"


@dataclass(frozen=True)
class Headline:
    """One method's means over its runs, fractions (not %), NaN where it has no such model; ..._ci: 95 % half width.

    gap: teacher - student of the same run; gap_recovered: on the way from `baseline` to `teacher`, the methods.
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


@dataclass(frozen=True)
class Difference:
    """A method's student top-1 minus the baseline's over `pairs` common seeds (and folds), as a fraction.

    half_width: of the 95 % Student-t interval; p: paired t-test; p_holm: p corrected for all methods compared. All
    three are NaN for a single pair.
    """

    pairs: int
    difference: float
    half_width: float
    p: float
    p_holm: float


def headline(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per method (index, in order of first run); the columns are `Headline`'s fields."""
    rows = {method: asdict(row) for method, row in headlines(runs).items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def headlines(runs: Sequence[Run]) -> dict[str, Headline]:
    """Method -> its headline, in order of first run."""
    grouped = methods_of(runs)
    baseline = _mean(_values(grouped.get("baseline", []), "student", "top1"))
    teacher = _mean(_values(grouped.get("teacher", []), "teacher", "top1"))
    return {method: _headline(own, baseline, teacher) for method, own in grouped.items()}


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


def differences(runs: Sequence[Run]) -> dict[str, Difference]:
    """Method -> its paired difference to `baseline`; methods without a student or without a pair are left out."""
    grouped = methods_of(runs)
    reference = _student_by_replicate(grouped.pop("baseline", []))
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for method, own in grouped.items():
        student = _student_by_replicate(own)
        common = [key for key in student if key in reference]
        if common:
            pairs[method] = [student[key] for key in common], [reference[key] for key in common]
    p_values = [paired_test(ours, theirs) for ours, theirs in pairs.values()]
    found = {}
    for (method, (ours, theirs)), p, p_holm in zip(pairs.items(), p_values, holm(p_values), strict=True):
        mean, half = mean_ci([a - b for a, b in zip(ours, theirs, strict=True)])
        found[method] = Difference(len(ours), mean, half, p, float(p_holm))
    return found


def _student_by_replicate(runs: Sequence[Run]) -> dict[tuple[int, int], float]:
    return {run.replicate: run.scores["student"].top1 for run in runs if "student" in run.scores}


def _values(runs: Sequence[Run], view: str, measure: str) -> list[float]:
    return [getattr(run.scores[view], measure) for run in runs if view in run.scores]


def _mean(values: Sequence[float]) -> float:
    return _mean_ci(values)[0]


def _mean_ci(values: Sequence[float]) -> tuple[float, float]:
    return mean_ci(values) if values else (math.nan, math.nan)


@dataclass(frozen=True)
class Sheet:
    """A table of formatted cells; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def headline_sheet(runs: Sequence[Run]) -> Sheet:
    """The headline in %, one decimal; "–" where a method has no such model."""
    columns: dict[str, Callable[[Headline], str]] = {
        "runs": lambda row: str(row.runs),
        "student top-1": lambda row: with_ci(row.student_top1, row.student_top1_ci),
        "teacher top-1": lambda row: with_ci(row.teacher_top1, row.teacher_top1_ci),
        "auxiliary top-1": lambda row: with_ci(row.auxiliary_top1, row.auxiliary_top1_ci),
        "gap": lambda row: percent(row.gap),
        "gap recovered": lambda row: percent(row.gap_recovered),
        "R@1": lambda row: percent(row.student_r1),
        "R@5": lambda row: percent(row.student_r5),
        "WA": lambda row: percent(row.student_wa),
        "UA": lambda row: percent(row.student_ua),
        "seconds": lambda row: NONE if math.isnan(row.seconds) else f"{row.seconds:.0f}",
    }
    rows = headlines(runs)
    if all(math.isnan(row.auxiliary_top1) for row in rows.values()):
        del columns["auxiliary top-1"]
    cells = ((method, *(cell(row) for cell in columns.values())) for method, row in rows.items())
    return Sheet(("method", *columns), tuple(cells))


def differences_sheet(runs: Sequence[Run]) -> Sheet:
    """Paired differences to `baseline` in percentage points."""
    rows = (
        (
            method,
            str(row.pairs),
            points(row.difference),
            interval(row.difference, row.half_width),
            p_value(row.p),
            p_value(row.p_holm),
        )
        for method, row in differences(runs).items()
    )
    return Sheet(("method", "pairs", "difference", "95 % CI", "p", "p (Holm)"), tuple(rows))


def headline_table(runs: Sequence[Run]) -> Table:
    """The headline for a terminal of 80 columns; WA, which equals top-1, and seconds are left to the page."""
    sheet = headline_sheet(runs)
    kept = [index for index, column in enumerate(sheet.columns) if column not in ("WA", "seconds")]
    caption = "%, mean ± 95 % confidence interval over runs"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, caption=caption, caption_justify="left")
    table.add_column("method", min_width=8, overflow="fold")
    for index in kept[1:]:
        table.add_column(sheet.columns[index].replace(" ", "\n"), justify="right", no_wrap=True)
    for row in sheet.rows:
        table.add_row(*(Text(row[index]) for index in kept))  # Text: a method's name is no markup
    return table


def percent(value: float) -> str:
    return NONE if math.isnan(value) else _signless_zero(f"{100 * value:.1f}")


def with_ci(value: float, half_width: float) -> str:
    return percent(value) if math.isnan(half_width) else f"{percent(value)} ± {percent(half_width)}"


def points(value: float) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return NONE if math.isnan(value) else _signless_zero(f"{100 * value:+.1f}".replace("-", "−"))


def interval(value: float, half_width: float) -> str:
    return NONE if math.isnan(half_width) else f"{points(value - half_width)} to {points(value + half_width)}"


def p_value(value: float) -> str:
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _signless_zero(text: str) -> str:
    return "0.0" if text in ("-0.0", "−0.0", "+0.0") else text.replace("-", "−")
