"""Finished runs to tables, figures and one HTML page."""

from crossdistill.reports.page import write_report
from crossdistill.reports.pictures import Picture, RetrievalExample, RetrievedItem
from crossdistill.reports.runs import Run, Scores, load_runs
from crossdistill.reports.tables import differences, headline, headline_table

__all__ = [
    "Picture",
    "RetrievalExample",
    "RetrievedItem",
    "Run",
    "Scores",
    "differences",
    "headline",
    "headline_table",
    "load_runs",
    "write_report",
]
