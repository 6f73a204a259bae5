"""The pages of a benchmark, from what its folder holds."""

from __future__ import annotations

from pathlib import Path

from crossdistill.cli.progress import console
from crossdistill.reports.benchmark import Provenance, report_of
from crossdistill.reports.markdown import write_document
from crossdistill.reports.page import write_page
from crossdistill.studies.benchmark import read_study
from crossdistill.studies.compare import TABLE
from crossdistill.studies.record import RECORD, Record

NAME = "benchmark"
"""Of the Markdown document, and of the folder of its figures and table."""


def write_pages(folder: Path, page: Path | None, markdown: Path | None, command: str) -> None:
    """The page of a study's folder, or of a copy of its table and record, as HTML and as Markdown, where asked for, the
    latter with such a copy. command: the one that writes it."""
    table, record = read_study(folder)
    report = report_of(table, provenance(record), command)
    if page is not None:
        write_page(report, page)
        console().print(f"Report: {page}", soft_wrap=True)
    if markdown is not None:
        document = write_document(report, markdown, NAME)
        for name in (TABLE, RECORD):
            if (folder / name).resolve() != (markdown / NAME / name).resolve():
                (markdown / NAME / name).write_bytes((folder / name).read_bytes())
        console().print(f"Markdown: {document}", soft_wrap=True)


def provenance(record: Record) -> Provenance:
    return Provenance(record.commands, record.trials, tuple(record.skipped.values()), record.failed)
