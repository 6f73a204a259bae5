"""`crossdistill report`: a page of finished runs."""

from __future__ import annotations

import shlex
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.headline import show_headline
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import Lines, Quiet, console
from crossdistill.reports import load_runs
from crossdistill.reports.examples import sample_views
from crossdistill.reports.markdown import document_name, replaced_page, write_document
from crossdistill.reports.page import write_page
from crossdistill.reports.sections import Report, report_of
from crossdistill.runs.folder import RECIPE, RESULTS
from crossdistill.studies.record import RECORD
from crossdistill.types import InputError

_PAGE = Path("report.html")
_NAMED = 3
"""Folders that a line names; of more it says how many there are."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    report = command_parser(
        "report",
        "One self-contained HTML page from run folders, or of a benchmark.",
    )
    report.add_argument("runs", type=Path, nargs="+", help="run folders, folders that hold some, or a benchmark's")
    report.add_argument("--out", type=Path, help=f"file to write; {_PAGE} unless given, none with --markdown alone")
    report.add_argument("--data.source", default="", help="where the runs' data are now, if they have moved")
    report.add_argument("--open", action="store_true", help="show the page in the browser")
    report.add_argument("--markdown", type=Path, help="folder for the same as NAME.md, NAME the recipe's, with figures")
    return report


def execute(options: Namespace, command: str) -> int:
    """An HTML page, or Markdown where a folder is given for it, or both, from run folders or folders that hold run
    folders, or of a benchmark's folder."""
    if options.out is None and (options.markdown is None or options.open):
        options.out = _PAGE
    if [folder for folder in options.runs if (folder / RECORD).is_file()]:
        return _benchmark(options)
    runs = load_runs([run for folder in options.runs for run in _run_folders(folder)])
    words = ["crossdistill", "report", *map(str, options.runs)]
    words += ["--data.source", options.data.source] if options.data.source else []
    as_markdown = shlex.join([*words, "--markdown", str(options.markdown)])
    replaced = replaced_page(options.markdown / f"{document_name(runs)}.md", as_markdown) if options.markdown else ""
    if replaced:
        console().print(replaced, soft_wrap=True)
    report = report_of(runs, "", sample_views(runs, Lines(), options.data.source))
    if options.out is not None:
        write_page(_by(report, shlex.join([*words, "--out", str(options.out)])), options.out)
    show_headline(runs)
    if options.out is not None:
        console().print(f"Report: {options.out}", soft_wrap=True)
    if options.markdown is not None:
        document = write_document(_by(report, as_markdown), options.markdown, document_name(runs))
        console().print(f"Markdown: {document}", soft_wrap=True)
    return _shown(options)


def _by(report: Report, command: str) -> Report:
    """The report as the command writes it."""
    return replace(report, origin=replace(report.origin, command=command))


def _benchmark(options: Namespace) -> int:
    """The pages of a benchmark's folder, from its table and record alone."""
    from crossdistill.cli.benchmark_pages import write_pages  # half a second of pandas, which runs' pages need not have

    if len(options.runs) > 1:
        raise InputError(f"{options.runs[0]}: a benchmark's folder makes a page of its own; give it alone")
    words = ["crossdistill", "report", str(options.runs[0])]
    words += ["--markdown", str(options.markdown)] if options.markdown else ["--out", str(options.out)]
    write_pages(options.runs[0], options.out, options.markdown, shlex.join(words))
    return _shown(options)


def _shown(options: Namespace) -> int:
    """Open the page where that is asked for; a machine without a browser says so."""
    if options.open and not webbrowser.open(options.out.resolve().as_uri()):
        console().print(f"No browser was found to show {options.out}.", soft_wrap=True)
    return 0


def write(folders: Sequence[Path], out: Path, command: str, quiet: bool = False) -> None:
    """The page of these runs; command: the one that was given, which the page names."""
    runs = load_runs(folders)
    write_page(report_of(runs, command, sample_views(runs, Quiet() if quiet else Lines())), out)
    show_headline(runs)
    console().print(f"Report: {out}", soft_wrap=True)


def _run_folders(folder: Path) -> list[Path]:
    """The folder itself, or the finished runs directly in it, in the order in which they were begun; what is left out
    is said."""
    if (folder / RECIPE).is_file():
        return [folder]
    begun: dict[Path, int] = {}
    left: dict[str, list[Path]] = {"not finished": [], f"without {RECIPE}": [], "not to be read": []}
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            has_recipe, has_results = (place / RECIPE).is_file(), (place / RESULTS).is_file()
            if has_recipe and has_results:
                begun[place] = (place / RECIPE).stat().st_mtime_ns
            elif has_recipe or has_results:
                left["not finished" if has_recipe else f"without {RECIPE}"].append(place)
        except OSError:
            left["not to be read"].append(place)
    told = "; ".join(_left_out(why, places) for why, places in left.items() if places)
    if not begun:
        raise InputError(
            f"{folder}: expected a run folder or a folder that holds finished runs{told and f'; found {told}'}"
        )
    if told:
        console().print(f"Left out of {folder}: {told}", soft_wrap=True)
    return sorted(begun, key=begun.__getitem__)


def _left_out(why: str, places: Sequence[Path]) -> str:
    """How many folders are left out for what reason, and some of their names."""
    names = [place.name for place in places[:_NAMED]] + ["..."] * (len(places) > _NAMED)
    return f"{len(places)} {'folder' if len(places) == 1 else 'folders'} {why} ({', '.join(names)})"
