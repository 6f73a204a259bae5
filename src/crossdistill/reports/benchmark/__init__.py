"""The page of the evidence study: which claims hold, over data sets and label budgets; from its table of runs alone."""

from crossdistill.reports.benchmark.sections import Provenance, report_of

__all__ = ["Provenance", "report_of"]
