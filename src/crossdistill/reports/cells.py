"""Tables of formatted cells, the same for the page, for Markdown and for the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from crossdistill.recipes.variants.published import published
from crossdistill.reports.comparison import best, differences
from crossdistill.reports.formats import NONE, interval, listed, p_value, percent, points, with_ci
from crossdistill.reports.groups import grouped
from crossdistill.reports.runs import Run, alike, configurations_of, repeated_units
from crossdistill.reports.samples import Changes
from crossdistill.reports.tables import Headline, headlines
from crossdistill.reports.terms import measures
from crossdistill.reports.wording import complete_samples
from crossdistill.runs.results import says_errors
from crossdistill.tasks import MEASURES, Measured

_LAST = ("WA", "UA")
"""Measures that stand behind the others."""


def _cells(runs: Sequence[Run]) -> Mapping[str, Callable[[Headline], str]]:
    """Column -> a configuration's cell: its models by the headline measure, then the student's other measures."""
    head, *others = measures(runs)
    others.sort(key=lambda measure: measure.name in _LAST)
    return {
        "runs": lambda row: str(row.runs),
        f"student {head.name}": lambda row: with_ci(row.student, row.student_ci),
        f"teacher {head.name}": lambda row: with_ci(row.teacher, row.teacher_ci),
        f"auxiliary {head.name}": lambda row: with_ci(row.auxiliary, row.auxiliary_ci),
        "gap": lambda row: percent(row.gap),
        "gap recovered": lambda row: percent(row.gap_recovered),
        **{measure.name: partial(_measure, measure) for measure in others},
        "seconds": lambda row: NONE if math.isnan(row.seconds) else f"{row.seconds:.0f}",
    }


def _measure(measure: Measured, row: Headline) -> str:
    value = row.measures[measure.key]
    return percent(value) if measure.percent else NONE if math.isnan(value) else f"{value:.4g}"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    cells: the first names the row; group: what the rows that stand together are called; best: the tests call it so, and
    its cell in the marked column is bold.
    """

    cells: tuple[str, ...]
    group: str
    best: bool = False


@dataclass(frozen=True)
class ReportTable:
    """A table ready to be shown.

    columns: their names; rows: in order, rows of one group together; marked: the column that shows the best; prose:
    cells are words, to be read from the left and on several lines.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    marked: str = ""
    prose: bool = False

    @property
    def groups(self) -> dict[str, list[Row]]:
        """The rows of each group, in the order of the table."""
        by_group: dict[str, list[Row]] = {}
        for row in self.rows:
            by_group.setdefault(row.group, []).append(row)
        return by_group


def results_table(runs: Sequence[Run]) -> ReportTable:
    """The headline in %, one decimal; "–" where a configuration has no such model.

    Beside a measure for which the paper printed a figure on this data set stands that figure.
    """
    rows, groups, marked = headlines(runs), grouped(runs), best(runs)
    paper = {label: _paper_figures(replicates) for label, replicates in configurations_of(runs).items()}
    columns: dict[str, dict[str, str]] = {}
    for name, cell in _cells(runs).items():
        if name.startswith("auxiliary ") and all(math.isnan(row.auxiliary) for row in rows.values()):
            continue
        columns[name] = {label: cell(row) for label, row in rows.items()}
        if any(name in figures for figures in paper.values()):
            columns[f"{name}, paper"] = {
                label: f"{paper[label][name]:.1f}" if name in paper[label] else NONE for label in rows
            }
    return ReportTable(
        ("configuration", *columns),
        tuple(
            Row((label, *(cells[label] for cells in columns.values())), groups[label], label in marked)
            for label in rows
        ),
        f"student {measures(runs)[0].name}",
    )


def _paper_figures(runs: Sequence[Run]) -> Mapping[str, float]:
    """Measure -> the paper's figure in % for this configuration; empty unless measured on the paper's test samples."""
    names = {(run.name, run.split) for run in runs}
    [(name, split), *others] = names
    return published(name, runs[0].label) if split == "test" and not others else {}


def differences_table(runs: Sequence[Run], reference: str = "baseline") -> ReportTable:
    """Paired differences to one configuration in percentage points, and what the test says in words."""
    groups = grouped(runs)
    rows = (
        Row(
            (
                label,
                str(row.pairs),
                points(row.difference),
                interval(row.difference, row.half_width),
                p_value(row.p),
                p_value(row.p_holm),
                row.verdict,
            ),
            groups[label],
        )
        for label, row in differences(runs, reference).items()
    )
    return ReportTable(("configuration", "pairs", "difference", "95 % CI", "p", "p (Holm)", "verdict"), tuple(rows))


def changes_table(changes: Changes) -> ReportTable:
    """A row for each sample that is shown: its name, its class, and what the two students say."""
    rows = [
        Row((each.name, each.label, each.alone, each.helped), group)
        for group, samples in (("newly right", changes.newly_right), ("newly wrong", changes.newly_wrong))
        for each in samples
    ]
    return ReportTable(("sample", "class", "student alone", changes.configuration), tuple(rows), prose=True)


FEW_NOTE = "with so few runs ± reaches beyond 0 to 100, and more --seeds narrow it"
"""What is said of intervals where `few_runs`; they are not cut, which would make them seem narrower than they are."""
_FEW = 3
"""Independent runs of which an interval is several times their spread: 9 times of two, 2.5 times of three."""


def few_runs(runs: Sequence[Run]) -> bool:
    """Whether a share's interval is wider than shares can be because there are so few runs."""
    if runs[0].task == "regression":  # R² has no lower end
        return False
    return any(
        value - half < 0 or value + half > 1  # NaN is neither
        for row in headlines(runs).values()
        for value, half in (
            (row.student, row.student_ci),
            (row.teacher, row.teacher_ci),
            (row.auxiliary, row.auxiliary_ci),
        )
        if row.units <= _FEW and half > 0
    )


def _headline_caption(runs: Sequence[Run], columns: Collection[str]) -> str:
    """What the numbers in these columns are: what ± is, and where some are no percentages, which are."""
    over = f"runs, those that {alike(runs)} as one" if repeated_units(runs) else "runs"
    head, *others = measures(runs)
    in_units = [measure.name for measure in others if measure.in_units and measure.name in columns]
    plain = [m.name for m in others if not (m.percent or m.in_units) and m.name in columns]
    shares = f"{head.name}{' and gap' if 'gap' in columns else ''} in %" if in_units or plain else "%"
    notes = [f"{listed(in_units)} in the label's units"] if in_units else []
    notes += [f"{listed(plain)} from −1 to 1"] if plain else []
    if own := [measure.name for measure in MEASURES[runs[0].task] if measure not in (head, *others)]:
        have = any(says_errors(scores) for run in runs for scores in run.scores.values())
        where = "per_number_... in results.json, and in the report" if have else "runs of before do not say them"
        notes.append(f"{listed(own)} are each number's own: {where}")
    notes += [f"gap on {complete}"] if "gap" in columns and (complete := complete_samples(runs)) else []
    notes += [FEW_NOTE] if few_runs(runs) else []
    return "; ".join([f"{shares}, mean ± 95 % confidence interval over {over}", *notes])


_NARROW, _LABEL, _LONG = 60, len("configuration"), 14
"""Columns of a narrow terminal, how many of any are a label's at least, and from where on a label is long."""


def headline_table(runs: Sequence[Run], room: int = 80) -> Table:
    """The headline for a terminal `room` columns wide; WA, which equals top-1, seconds and the paper are not in it.

    What does not fit is left out, which the caption says: beside long labels some of the others first, on narrow
    terminals the number of runs, then from the right.
    """
    headline = results_table(runs)
    longest = max(cell_len(row.cells[0]) for row in headline.rows)
    unasked = ("WA", "seconds")
    asked = [i for i, name in enumerate(headline.columns) if name not in unasked and not name.endswith(", paper")]
    widths = {index: 1 + _least_width(headline, index) for index in asked[1:]}
    first = (f"auxiliary {measures(runs)[0].name}", "R@5", "UA") if longest + sum(widths.values()) > room else ()
    first = (*(first if longest > _LONG else ()), *(("runs",) if room < _NARROW else ()))
    kept, taken = asked[:1], _LABEL
    for index in (index for index in asked[1:] if headline.columns[index] not in first):
        taken += widths[index]
        if taken <= room:
            kept.append(index)
    caption = _headline_caption(runs, [headline.columns[index] for index in kept])
    if left_out := [headline.columns[index] for index in asked if index not in kept]:
        caption += f"; left out at {room} columns: {', '.join(left_out)}, which a wider terminal or the report shows"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, caption=caption, caption_justify="left")
    table.add_column(headline.columns[0], min_width=_LABEL, overflow="fold")
    for index in kept[1:]:
        table.add_column(headline.columns[index].replace(" ", "\n"), justify="right", no_wrap=True)
    for group in headline.groups.values():
        for row in group:
            table.add_row(*(Text(row.cells[index]) for index in kept))  # Text: a label is no markup
        table.add_section()
    return table


def _least_width(table: ReportTable, column: int) -> int:
    """Columns of the terminal below which a cell would be cut, or a word of the name."""
    return max(map(cell_len, [*table.columns[column].split(), *(row.cells[column] for row in table.rows)]))
