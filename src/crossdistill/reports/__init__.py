"""Finished runs to tables, figures, one HTML page or a Markdown document."""

from crossdistill.reports.captioned import illustrated
from crossdistill.reports.cells import headline_table
from crossdistill.reports.comparison import Difference, best, differences
from crossdistill.reports.markdown import write_markdown
from crossdistill.reports.page import write_report
from crossdistill.reports.pictures import Picture, RetrievalExample, RetrievedItem
from crossdistill.reports.runs import Run, configurations_of, load_runs, split_by_measured, unmeasured_sentence
from crossdistill.reports.tables import headline
from crossdistill.reports.wording import findings, lead

__all__ = [
    "Difference",
    "Picture",
    "RetrievalExample",
    "RetrievedItem",
    "Run",
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
    "unmeasured_sentence",
    "write_markdown",
    "write_report",
]
