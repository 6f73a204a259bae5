"""A report as a Markdown document with its figures as SVG files, and samples' pictures as PNG files, to be kept beside
other documents."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from crossdistill.atomic import write_atomically, written_whole
from crossdistill.data.folders import require_place
from crossdistill.reports import figures, svg
from crossdistill.reports.captioned import CaptionedFigure
from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.fields import read_text
from crossdistill.reports.pictures import png
from crossdistill.reports.runs import Run, load_runs
from crossdistill.reports.samples import NO_SAMPLES, ChangedSample, Changes, Picture, SampleViews
from crossdistill.reports.sections import Report, report_of
from crossdistill.types import InputError


def write_markdown(runs: Sequence[Path], folder: Path, command: str = "", samples: SampleViews = NO_SAMPLES) -> Path:
    """Write a comparison of finished runs as `folder`/NAME.md, its figures as `folder`/NAME/*.svg; NAME: of the recipe.

    The same words, tables and figures as the page's, without the runs' recipes and the retrieved pictures. Returns the
    document's path. command: the one that writes this, to be named in it; samples: what is shown of single ones, as of
    `write_report`. The same runs give the same bytes.
    Raises InputError when a folder is no finished run, the runs cannot be compared or `folder` cannot be written to.
    """
    loaded = load_runs(runs)
    return write_document(report_of(loaded, command, samples), folder, document_name(loaded))


def document_name(runs: Sequence[Run]) -> str:
    """What the document of these runs is called: as their recipe, as far as a file's name can be."""
    return "-".join(re.findall(r"\w+", runs[0].name)) or "report"


def replaced_page(document: Path, command: str) -> str:
    """What is to be said where the document is the page of other runs than those that the command names, which it takes
    the place of, as recipes may have one name; empty elsewhere. Raises InputError where it is no such page at all."""
    if not document.exists():
        return ""
    made = re.search(r"^## How this was made\n\n(`{3,})\n(.*)\n\1$", read_text(document), re.MULTILINE)
    if made is None:
        found = "is no page that `crossdistill report` wrote"
        raise InputError(f"{document}: {found}; move it away, or choose another --markdown")
    before, now = _runs_named(made[2]), _runs_named(command)
    return "" if before & now else f"{document}: takes the place of the page that `{made[2]}` had written"


def _runs_named(command: str) -> set[Path]:
    """The folders after `crossdistill report`."""
    try:
        words = shlex.split(command)
    except ValueError:  # what somebody has written there
        return set()
    return {Path(word).resolve() for word in takewhile(lambda word: not word.startswith("--"), words[2:])}


def write_document(report: Report, folder: Path, name: str) -> Path:
    """Write a report as `folder`/NAME.md, its figures as `folder`/NAME/*.svg; returns the document's path.

    Raises InputError when `folder` cannot be written to.
    """
    require_place(folder, "--markdown")
    captioned = [figure for section in report.sections for figure in section.figures]
    captioned += [report.picture] if report.picture is not None else []
    try:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for figure in captioned:
            write_atomically(folder / name / f"{figure.name}.svg", _standing_alone(figure))
        for section in report.sections:
            for shown in _with_pictures(section.changes):
                with written_whole(folder / name / shown.file) as file:
                    file.write(png(shown.picture))
        write_atomically(folder / f"{name}.md", document(report, name))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    return folder / f"{name}.md"


def document(report: Report, figures_in: str) -> str:
    """The Markdown text; figures_in: the folder of the figures, relative to the document."""
    blocks = [f"# {escaped(report.title)}", *([escaped(report.lead)] if report.lead else [])]
    if report.picture is not None:
        blocks += _pictured(report.picture, "", figures_in)
    blocks.append(escaped(" ".join(report.summary)))
    if report.findings:
        blocks.append("\n".join(f"- {escaped(finding)}" for finding in report.findings))
    for section in report.sections:
        blocks.append(f"## {section.heading}")
        if section.table is not None:
            blocks.append(table(section.table))
        if section.note:
            blocks.append(escaped(section.note))
        blocks += _samples(section.changes, figures_in)
        for figure in section.figures:
            blocks += _pictured(figure, section.heading, figures_in)
    blocks.append("## How this was made")
    if report.origin.command:
        blocks += [fenced(report.origin.command), "Written by this command, not by hand."]
    versions = f", with {report.origin.versions}" if report.origin.versions else ""
    blocks.append(escaped(f"{report.origin.replicates}{versions}."))
    if report.origin.notes:
        blocks.append("\n".join(f"- {escaped(note)}" for note in report.origin.notes))
    return "\n\n".join(blocks) + "\n"


def _pictured(figure: CaptionedFigure, heading: str, folder: str) -> list[str]:
    return [f"![{escaped(figure.title or heading)}]({folder}/{figure.name}.svg)", f"*{escaped(figure.caption)}*"]


class _Shown(NamedTuple):
    """A sample's picture: its file; whether it is newly right or wrong; the sample."""

    file: str
    kind: str
    sample: ChangedSample
    picture: Picture


def _with_pictures(changes: Changes | None) -> list[_Shown]:
    if changes is None:
        return []
    kinds = {"newly right": changes.newly_right, "newly wrong": changes.newly_wrong}
    return [
        _Shown(f"{kind.replace(' ', '-')}-{place}.png", kind, sample, sample.picture)
        for kind, samples in kinds.items()
        for place, sample in enumerate(samples)
        if sample.picture is not None
    ]


def _samples(changes: Changes | None, folder: str) -> list[str]:
    """A table of one line for each kind of change: pictures, and under each its class and the wrong answer."""
    blocks = []
    for kind in ("newly right", "newly wrong"):
        shown = [each for each in _with_pictures(changes) if each.kind == kind]
        if not shown:
            continue
        pictures = [f"![{escaped(each.sample.name)}]({folder}/{each.file})" for each in shown]
        samples = [each.sample for each in shown]
        wrong = [f"alone: {each.alone}" if kind == "newly right" else f"now: {each.helped}" for each in samples]
        said = [f"**{escaped(each.label)}**, {escaped(answer)}" for each, answer in zip(samples, wrong, strict=True)]
        blocks += [f"{kind.capitalize()}:", "\n".join(map(_line, (pictures, ["---"] * len(shown), said)))]
    return blocks


def table(report_table: ReportTable) -> str:
    """A Markdown table; a row in bold opens each group where there are several."""
    others = "---" if report_table.prose else "---:"
    lines = [_line(map(escaped, report_table.columns)), _line(["---", *[others] * (len(report_table.columns) - 1)])]
    for group, rows in report_table.groups.items():
        if len(report_table.groups) > 1:
            lines.append(_line([f"**{group}**", *[""] * (len(report_table.columns) - 1)]))
        lines += [_line(_cells(report_table, row)) for row in rows]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~&])", r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """A block of code; its fence is longer than any in the text."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _standing_alone(captioned: CaptionedFigure) -> str:
    """The figure as one SVG document, panels in a grid and the legend inside."""
    if captioned.draw is None:
        figure = figures.line_grid(captioned.panels, captioned.legend)
    else:
        figure = captioned.draw()
        if captioned.legend:
            figures.add_legend(figure, captioned.legend)
    return svg.document(figure, captioned.title)


def _cells(table: ReportTable, row: Row) -> list[str]:
    return [
        f"**{escaped(cell)}**" if row.best and column == table.marked else escaped(cell)
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
