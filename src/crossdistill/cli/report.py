"""`crossdistill report`: a page of finished runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from crossdistill.cli.progress import console
from crossdistill.reports import headline_table, illustrated, load_runs, write_markdown, write_report
from crossdistill.reports.examples import retrieval_examples
from crossdistill.runs import folder as layout
from crossdistill.types import InputError


def report(folders: Sequence[Path], out: Path, markdown: Path | None = None) -> None:
    """An HTML page, and Markdown where a folder is given for it, from run folders or folders that hold run folders."""
    found = [run for folder in folders for run in run_folders(folder)]
    command = ["crossdistill", "report", *map(str, folders)]
    write(found, out, shlex.join([*command, "--out", str(out)]))
    if markdown is not None:
        document = write_markdown(found, markdown, shlex.join([*command, "--markdown", str(markdown)]))
        console().print(f"Markdown: {document}", soft_wrap=True)


def write(folders: Sequence[Path], out: Path, command: str) -> None:
    """The page of these runs; command: the one that was given, which the page names."""
    runs = load_runs(folders)
    examples = retrieval_examples(illustrated(runs), lambda line: console().print(line, soft_wrap=True))
    write_report(folders, out, examples, command)
    console().print(headline_table(runs))
    console().print(f"Report: {out}", soft_wrap=True)


def run_folders(folder: Path) -> list[Path]:
    """The folder itself, or the finished runs directly in it, in the order in which they were begun."""
    if (folder / layout.RECIPE).is_file():
        return [folder]
    found = [path.parent for path in folder.glob(f"*/{layout.RESULTS}")]
    if not found:
        raise InputError(f"{folder}: expected a run folder or a folder that holds finished runs")
    return sorted(found, key=lambda path: (path / layout.RECIPE).stat().st_mtime_ns)
