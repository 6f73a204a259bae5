"""Run folders to one self-contained HTML page: no scripts, nothing fetched from anywhere, figures inside."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from crossdistill.reports import figures
from crossdistill.reports.curves import Curve, curves, keys_starting_with
from crossdistill.reports.figures import LineStyle
from crossdistill.reports.pictures import RetrievalExample, data_uri
from crossdistill.reports.runs import Run, load_runs, methods_of
from crossdistill.reports.tables import differences, differences_sheet, headline_sheet
from crossdistill.reports.wording import listed, main_method, summary, title
from crossdistill.types import InputError

# columns of metrics.jsonl -> panel titles, and what to see in them
ACCURACIES = {"student/top1": "student top-1", "teacher/top1": "teacher top-1", "gap": "gap, teacher − student"}
GAP_CAPTION = "Distillation works where the gap closes because the student rises, not because the teacher falls"
COSINES = {"cosine/pair": "cosine, same sample", "cosine/same_class": "cosine, same class"}
COSINE_CAPTION = (
    "The closer to 1, the nearer a student's representation is to its teacher's for the same sample, and for other "
    "samples of the same class"
)
LAMBDAS = {"lambda_1": "λ₁, same sample", "lambda_2": "λ₂, same class"}
LAMBDA_CAPTION = "The two weights add up to 1; the larger one marks the alignment that lags behind"
LOSS_CAPTION = "Each panel has its own scale; a term that levels off early no longer drives the training"


@dataclass(frozen=True)
class Plate:
    """Panels side by side under one caption; legend: the methods whose lines they hold; title: of a single panel."""

    panels: tuple[str, ...]
    caption: str
    legend: Mapping[str, LineStyle] = field(default_factory=dict)
    title: str = ""


def write_report(runs: Sequence[Path], output: Path, pictures: Sequence[RetrievalExample] = ()) -> Path:
    """Write a comparison of finished runs as one HTML file and return its path.

    runs: run folders; a run of method `baseline` and one of `teacher` make differences and the gap recovered possible.
    pictures: queries with their nearest samples; empty leaves that section out. The same runs give the same bytes.
    Raises InputError when a folder is no finished run, the runs cannot be compared or `output` cannot be written.
    """
    loaded = load_runs(runs)
    page = render(loaded, pictures)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}; give a file to write to") from error
    return output


def render(runs: Sequence[Run], pictures: Sequence[RetrievalExample] = ()) -> str:
    """The page's HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_uri"] = data_uri
    template = environment.from_string(resources.files(__package__).joinpath("report.html").read_text("utf-8"))
    method = main_method(runs)
    # the main method first: it gets the first colour
    styles = figures.line_styles([method, *(other for other in methods_of(runs) if other != method)])
    return template.render(
        title=title(runs),
        summary=summary(runs),
        headline=headline_sheet(runs),
        differences=differences_sheet(runs),
        difference_plate=_difference_plate(runs, styles),
        curve_plates=_curve_plates(runs, styles),
        class_plate=_class_plate(runs, method),
        confusion_plate=_confusion_plate(runs, method),
        pictures=pictures,
        runs=runs,
        commands=[f"crossdistill train {shlex.quote((run.folder / 'recipe.yaml').as_posix())}" for run in runs],
        versions=_versions(runs),
    )


def _difference_plate(runs: Sequence[Run], styles: Mapping[str, LineStyle]) -> Plate | None:
    table = {method: row for method, row in differences(runs).items() if math.isfinite(row.difference)}
    if not table:
        return None
    figure = figures.difference_intervals(table, styles)
    caption = (
        "A method differs from the baseline by more than the noise between runs where its bar stays clear of zero."
    )
    title = "Student top-1 minus baseline (percentage points)"
    return Plate((_svg(figure, "difference"),), caption, title=title)


def _curve_plates(runs: Sequence[Run], styles: Mapping[str, LineStyle]) -> dict[str, Plate]:
    """Heading -> panels over epochs; headings without any logged quantity are left out."""
    losses = {key: key.removeprefix("loss/") for key in keys_starting_with(runs, "loss/")}
    players = {key: key.replace("/", ": ") for key in keys_starting_with(runs, "discriminators/")}
    accuracy = GAP_CAPTION if curves(runs, "gap") else "Accuracy on the evaluation split after each epoch"
    plates = {
        "Accuracy over epochs": _lines(ACCURACIES, accuracy, runs, styles, percent=True),
        "Alignment over epochs": _lines(COSINES, COSINE_CAPTION, runs, styles),
        "Balance of the discriminators": _lines(LAMBDAS, LAMBDA_CAPTION, runs, styles),
        "Loss terms over epochs": _lines(losses | players, LOSS_CAPTION, runs, styles),
    }
    return {heading: plate for heading, plate in plates.items() if plate.panels}


def _lines(
    quantities: Mapping[str, str],
    caption: str,
    runs: Sequence[Run],
    styles: Mapping[str, LineStyle],
    percent: bool = False,
) -> Plate:
    """One panel for each quantity (column of metrics.jsonl -> title) that any run logged."""
    drawn: dict[str, dict[str, Curve]] = {key: curves(runs, key) for key in quantities}
    panels = tuple(
        _svg(figures.lines(quantities[key], found, styles, percent), f"lines-{key}")
        for key, found in drawn.items()
        if found
    )
    methods = {method for found in drawn.values() for method in found}
    several = any(len(own) > 1 for own in methods_of(runs).values())
    band = "; line: mean over runs, band: lowest to highest run" if several else ""
    return Plate(panels, f"{caption}{band}.", {method: style for method, style in styles.items() if method in methods})


def _class_plate(runs: Sequence[Run], method: str) -> Plate | None:
    values, baseline = _per_class(runs, method), _per_class(runs, "baseline")
    against_baseline = method != "baseline" and bool(np.isfinite(values - baseline).any())
    if against_baseline:
        values = values - baseline
        heading = f"{method} student minus baseline, accuracy by class (percentage points)"
        caption = f"Classes above zero (blue) are recognised better by the {method} student than by the baseline"
    else:
        heading = f"{method} student, accuracy by class (%)"
        caption = f"The classes that the {method} student recognises best are at the top"
    shown = int(np.isfinite(values).sum())
    if not shown:
        return None
    if shown > figures.MAX_BARS:
        caption += f"; of {shown} classes the {figures.MAX_BARS // 2} at either end are shown"
    figure = figures.class_bars(runs[0].classes, values, signed=against_baseline)
    return Plate((_svg(figure, "classes"),), f"{caption}.", title=heading)


def _confusion_plate(runs: Sequence[Run], method: str) -> Plate | None:
    counts = sum(
        (run.scores["student"].confusion for run in runs if run.label == method and "student" in run.scores),
        start=np.zeros((len(runs[0].classes),) * 2),
    )
    if not counts.sum() > 0:
        return None
    heading = f"{method} student, confusion (% of the true class)"
    caption = "Off the diagonal are the classes that are taken for one another, summed over the method's runs."
    return Plate((_svg(figures.confusion(counts, runs[0].classes), "confusion"),), caption, title=heading)


def _per_class(runs: Sequence[Run], method: str) -> npt.NDArray[np.float64]:
    """(C,) mean over the method's runs; NaN where a class (or the method's student) is missing in any."""
    students = [run.scores["student"].per_class for run in runs if run.label == method and "student" in run.scores]
    return np.mean(students, axis=0) if students else np.full(len(runs[0].classes), math.nan)


def _versions(runs: Sequence[Run]) -> str:
    """Every version that took part: "torch 2.9.0", or "torch 2.9.0 and 2.10.0" where runs differ."""
    packages = dict.fromkeys(package for run in runs for package in run.versions)
    return ", ".join(
        f"{package} {listed(list(dict.fromkeys(str(r.versions[package]) for r in runs if package in r.versions)))}"
        for package in packages
    )


def _svg(figure: Figure, name: str) -> str:
    return figures.to_svg(figure, "".join(letter if letter.isalnum() else "-" for letter in name))
