"""A report as one self-contained HTML page: nothing fetched from anywhere, figures inside, and one small script that
sorts tables and opens what is folded for a printer; without it all is there to be read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import is_folder, make_folder
from crossdistill.reports import figures, svg
from crossdistill.reports.captioned import CaptionedFigure
from crossdistill.reports.pictures import data_uri
from crossdistill.reports.runs import load_runs
from crossdistill.reports.samples import NO_SAMPLES, SampleViews
from crossdistill.reports.sections import Report, report_of
from crossdistill.reports.style import ON_DARK
from crossdistill.types import InputError


def write_report(runs: Sequence[Path], output: Path, samples: SampleViews = NO_SAMPLES, command: str = "") -> Path:
    """Write a comparison of finished runs as one HTML file and return its path.

    runs: run folders; runs labelled `baseline` and `teacher` make differences and the gap recovered possible.
    samples: what is shown of single ones; what it lacks is left out. command: the one that writes this, to be named in
    it. The same runs give the same bytes.
    Raises InputError when a folder is no finished run, the runs cannot be compared or `output` cannot be written.
    """
    return write_page(report_of(load_runs(runs), command, samples), output)


def write_page(report: Report, output: Path) -> Path:
    """Write a report as one HTML file and return its path. Raises InputError when `output` cannot be written."""
    if is_folder(output):
        raise InputError(f"{output}: cannot be written: expected a file to write, found a folder")
    page = _rendered(report)
    try:
        make_folder(output.parent)
        write_atomically(output, page)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from error
    return output


def _rendered(report: Report) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_uri"] = data_uri
    environment.filters["panels"] = panels
    files = resources.files(__package__)
    template = environment.from_string(files.joinpath("report.html").read_text("utf-8"))
    script = files.joinpath("report.js").read_text("utf-8")
    return template.render(report=report, on_dark=ON_DARK, variables=svg.VARIABLES, script=script)


def panels(captioned: CaptionedFigure) -> list[str]:
    """The <svg> elements that a captioned figure consists of."""
    if captioned.draw is not None:
        figure = captioned.draw()
        return [svg.inline(figure, captioned.name, captioned.title, lambda: captioned.told(figure))]
    return [_curves(captioned, index) for index in range(len(captioned.panels))]


def _curves(captioned: CaptionedFigure, index: int) -> str:
    shown = captioned.panels[index]
    figure = figures.lines(shown, captioned.legend)
    title = f"{shown.title} over epochs: {', '.join(shown.curves)}"
    return svg.inline(figure, f"{captioned.name}-{index}", title, lambda: figures.values_by_epoch(figure, shown))
