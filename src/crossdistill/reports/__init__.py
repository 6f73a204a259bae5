"""Finished runs to tables, figures, one HTML page or a Markdown document."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from crossdistill.extras import needed_for
from crossdistill.reports.cells import headline_table
from crossdistill.reports.comparable import targets_sentence
from crossdistill.reports.comparison import Difference, best, differences
from crossdistill.reports.runs import Run, configurations_of, load_runs, split_by_measured, unmeasured_sentence
from crossdistill.reports.samples import (
    ChangedSample,
    Changes,
    Picture,
    RepresentationMap,
    RetrievalExample,
    RetrievedItem,
    SampleViews,
)
from crossdistill.reports.tables import headline
from crossdistill.reports.wording import findings, lead, undefined, verdict, without_teacher

if TYPE_CHECKING:
    from crossdistill.reports.captioned import illustrated
    from crossdistill.reports.markdown import write_markdown
    from crossdistill.reports.page import write_report

_DRAWN = {
    "illustrated": "captioned",
    "write_markdown": "markdown",
    "write_report": "page",
}
"""What takes the extra `report`, and the module that it is in; tables on a terminal need not."""

__all__ = [
    "ChangedSample",
    "Changes",
    "Difference",
    "Picture",
    "RepresentationMap",
    "RetrievalExample",
    "RetrievedItem",
    "Run",
    "SampleViews",
    "best",
    "configurations_of",
    "differences",
    "findings",
    "headline",
    "headline_table",
    "illustrated",
    "lead",
    "load_runs",
    "split_by_measured",
    "targets_sentence",
    "undefined",
    "unmeasured_sentence",
    "verdict",
    "without_teacher",
    "write_markdown",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _DRAWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needed_for(f"crossdistill.reports.{name}"):
        return getattr(importlib.import_module(f"{__name__}.{_DRAWN[name]}"), name)
