"""What was said in training that numbers hide: the warnings of all runs, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.formats import listed
from crossdistill.reports.runs import Run, configurations_of

NOTE = "Said in training, each run's own in its folder, warnings.txt. Numbers in a line are those of its first run."
_MANY = 6
"""Configurations that a line names; of more it says how many there are."""


def warnings_table(runs: Sequence[Run]) -> ReportTable | None:
    """A row for each warning, what runs have alike but for numbers being one; None where there are none."""
    said: dict[str, list[tuple[Run, str]]] = {}
    for run in runs:
        own = dict[str, str]()
        for line in run.warnings:
            alike = _alike(line)
            said.setdefault(alike if own.setdefault(alike, line) == line else line, []).append((run, line))
    if not said:
        return None
    rows = [Row((_whose([run for run, _ in lines], runs), lines[0][1]), "") for lines in said.values()]
    return ReportTable(("configuration", "warning"), tuple(rows), prose=True)


def _alike(line: str) -> str:
    """The line without the numbers that stand by themselves, which are no part of a name."""
    return re.sub(r"(?<![\w'.-])[0-9]+([.,][0-9]+)*(?![\w'])", "0", line)


def _whose(own: Sequence[Run], runs: Sequence[Run]) -> str:
    """Which configurations have it, and in how many of their runs."""
    everyone, having = configurations_of(runs), configurations_of(own)
    counts = {label: len({run.folder for run in each}) for label, each in having.items()}
    if len(counts) == len(everyone) > 1 and all(count == len(everyone[label]) for label, count in counts.items()):
        return "all runs"
    named = [
        label if counts[label] == len(everyone[label]) else f"{label} ({counts[label]} of {len(everyone[label])} runs)"
        for label in counts
    ]
    return listed(named) if len(named) <= _MANY else f"{len(named)} of {len(everyone)} configurations"
