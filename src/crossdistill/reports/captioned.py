"""Which figures a report holds, and what their captions say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from crossdistill.evaluation.significance import mean_ci
from crossdistill.reports import class_figures, figures, map_figure
from crossdistill.reports.comparison import differences
from crossdistill.reports.curves import Curve, curves, keys_starting_with
from crossdistill.reports.figures import Panel
from crossdistill.reports.formats import capitalised, listed
from crossdistill.reports.groups import by_importance, first_of, grouped, main_configuration
from crossdistill.reports.runs import Run, alike, configurations_of, repeated_units, several_folds, units_of
from crossdistill.reports.samples import RepresentationMap
from crossdistill.reports.style import CYCLE, GAIN, NEITHER, OWN_COLORS, LineStyle, line_styles
from crossdistill.reports.svg import Spot
from crossdistill.reports.tables import headlines
from crossdistill.reports.terms import headline_name, terms
from crossdistill.reports.units import unit_means
from crossdistill.reports.wording import complete_samples
from crossdistill.runs.measure import GAP, score_key
from crossdistill.runs.results import COSINE_PAIR, COSINE_SAME_CLASS, Scores

TRAINING, LOSSES = "training/", "training/loss/"
LOSS_PANELS = "losses"
"""The name of the figure of the loss terms, which few readers need."""

_MAX_LINES = 6
"""Configurations in one panel; more lines cannot be told apart."""
_MAX_PICTURED = 3
"""Configurations whose retrieved samples are shown."""

# columns of metrics.jsonl -> panel titles, and what to see in them
_GAP_TITLE = "gap, teacher − student"
_GAP_CAPTION = (
    "Distillation works where the gap closes because the student rises, not because the teacher falls (the gap is the "
    "paper's Figure 4)"
)
_GAP_ON = "; the gap is that on samples that have all modalities"
_COSINES = {
    "training/cosine_same_class": "same class, training",
    COSINE_SAME_CLASS: "same class, {} split",
    COSINE_PAIR: "same sample, {} split",
}
_COSINE_CAPTION = (
    "Cosine of teacher and student: the closer to 1, the nearer a student's representation is to its teacher's for "
    "other samples of the same class (the paper's Figure 5) and for the same sample"
)
_LAMBDAS = {"training/lambda_1": "λ₁, same sample", "training/lambda_2": "λ₂, same class"}
_LAMBDA_CAPTION = "The two weights add up to 1; the larger one marks the alignment that lags behind"
_BOUNDS = {"training/mi_bound": "bound on I(teacher; student)"}
_BOUND_CAPTION = (
    "The lower bound on the information that teacher and student share (Eq. 6), on training batches: what the contrast "
    "drives up; it is a bound, so its height says less than its course"
)
_LOSS_CAPTION = "Each panel has its own scale; a term that levels off early no longer drives the training"


@dataclass(frozen=True)
class CaptionedFigure:
    """One figure, or panels of lines, under one caption.

    name: unique, of letters and hyphens; draw: makes a single figure, a new one each time; legend: what the lines stand
    for; title: of a single figure; told: what a page says of parts of a single figure once that has its places.
    """

    name: str
    caption: str
    draw: Callable[[], Figure] | None = None
    panels: tuple[Panel, ...] = ()
    legend: Mapping[str, LineStyle] = field(default_factory=dict)
    title: str = ""
    told: Callable[[Figure], Sequence[Spot]] = lambda figure: ()


def illustrated(runs: Sequence[Run]) -> list[Path]:
    """The folders whose students a reader may want to see at work: the first run of a few configurations."""
    students = {
        label: replicates for label, replicates in configurations_of(runs).items() if "student" in replicates[0].scores
    }
    if not students:
        return []
    return [students[label][0].folder for label in first_of(students, by_importance(runs), _MAX_PICTURED)]


def ladder_figure(runs: Sequence[Run]) -> CaptionedFigure | None:
    """A bar each for the student alone, the one with help in training and the teacher; None without the first two."""
    main, table = main_configuration(runs), headlines(runs)
    if main in ("baseline", "teacher") or "baseline" not in table:
        return None
    run, right = configurations_of(runs)[main][0], capitalised(terms(runs).right)
    students = {"student alone": (table["baseline"], NEITHER), f"student, {main}": (table[main], GAIN)}
    steps = {name: (row.student, row.student_ci, color) for name, (row, color) in students.items()}
    samples = f"{run.split} samples"
    if "teacher" in table:
        teacher, samples = table["teacher"], complete_samples(runs) or samples
        steps = {name: (row.complete, row.complete_ci, color) for name, (row, color) in students.items()}
        steps["teacher, sees all"] = (teacher.teacher, teacher.teacher_ci, OWN_COLORS["teacher"])
    if any(math.isnan(mean) for mean, _, _ in steps.values()):
        return None
    single = all(math.isnan(half) for _, half, _ in steps.values())
    caption = f"{right} on {samples}, {'one run each' if single else 'mean and 95 % interval over the runs'}"
    if "teacher" in table:
        caption += f"; the teacher also sees {listed(run.auxiliary)} when it is asked, the students never do"
    return CaptionedFigure("ladder", f"{caption}.", partial(figures.ladder, steps), title=f"{right} (%)")


def difference_figure(runs: Sequence[Run], reference: str = "baseline") -> CaptionedFigure | None:
    table = {label: row for label, row in differences(runs, reference).items() if math.isfinite(row.difference)}
    if not table:
        return None
    caption = (
        f"Blue: significantly better than {reference}, orange: significantly worse, grey: no significant difference or "
        "not tested; bars are 95 % intervals, each for itself, while the colours are corrected for all comparisons."
    )
    draw = partial(figures.difference_intervals, table, grouped(runs))
    title = f"Student {headline_name(runs)} minus {reference} (percentage points)"
    return CaptionedFigure(f"difference-{reference}", caption, draw, title=title)


def seeds_figure(runs: Sequence[Run]) -> CaptionedFigure | None:
    """Draw every run's student as a dot; None where no configuration has two runs."""
    configurations = configurations_of(runs)
    students = {label: made for label in grouped(runs) if (made := _students(configurations[label]))}
    accuracies = {label: [run.scores["student"].headline for run in made] for label, made in students.items()}
    if not accuracies or max(len(values) for values in accuracies.values()) < 2:
        return None
    verdicts = {label: row.verdict for label, row in differences(runs).items()}
    intervals = {label: mean_ci(unit_means(units_of(made), accuracies[label])) for label, made in students.items()}
    reference = intervals["baseline"][0] if "baseline" in intervals else math.nan
    dashed = ", dashed: the baseline's mean" if "baseline" in intervals else ""
    repeated = f"; runs that {alike(runs)} count as one" if repeated_units(runs) else ""
    caption = (
        f"Each dot is a run, in each row by fold and seed from top to bottom; bar: mean with its 95 % interval{dashed}"
        f"{repeated}; colours as in the differences."
    )
    draw = partial(figures.seed_scatter, accuracies, intervals, verdicts, grouped(runs), reference)
    return CaptionedFigure("seeds", caption, draw, title=f"Student {headline_name(runs)} of every run (%)")


def curve_figures(runs: Sequence[Run]) -> dict[str, CaptionedFigure]:
    """Heading -> panels over epochs; headings without any logged quantity are left out."""
    order = by_importance(runs)
    followed, words, measure = followed_split(runs), terms(runs), headline_name(runs)
    accuracy = f"{capitalised(words.noun)} on the {followed} split after each epoch"
    if curves(runs, GAP):
        accuracy = f"{_GAP_CAPTION}{_GAP_ON if complete_samples(runs) else ''}"
    student, teacher = (score_key(view, runs[0].task) for view in ("student", "teacher"))
    scores = {student: f"student {measure}", teacher: f"teacher {measure}", GAP: _GAP_TITLE}
    cosines = {key: title.format(followed) for key, title in _COSINES.items()}
    captioned = {
        f"{capitalised(words.noun)} over epochs": _lines(words.slug, scores, accuracy, runs, order, percent=True),
        "Alignment over epochs": _lines("alignment", cosines, _COSINE_CAPTION, runs, order),
        "Information over epochs": _lines("information", _BOUNDS, _BOUND_CAPTION, runs, order),
        "Balance of the discriminators": _lines("lambda", _LAMBDAS, _LAMBDA_CAPTION, runs, order),
        "Loss terms over epochs": _lines(LOSS_PANELS, _loss_terms(runs), _LOSS_CAPTION, runs, order),
    }
    return {heading: figure for heading, figure in captioned.items() if figure.panels}


def followed_split(runs: Sequence[Run]) -> str:
    """The split that the runs measured after each epoch; "evaluation" where they differ in it."""
    splits = {run.followed for run in runs}
    return splits.pop() if len(splits) == 1 else "evaluation"


def every_configuration_figure(runs: Sequence[Run]) -> CaptionedFigure | None:
    """Student and teacher of each configuration in a small panel of its own, where lines in one would be too many."""
    drawn = {view: curves(runs, score_key(view, runs[0].task)) for view in ("student", "teacher")}
    by_label_and_view = {
        label: by_view
        for label in grouped(runs)
        if (by_view := {view: by_label[label] for view, by_label in drawn.items() if label in by_label})
    }
    if len(by_label_and_view) <= _MAX_LINES:
        return None
    legend = {"student": LineStyle(CYCLE[0], ""), "teacher": LineStyle(OWN_COLORS["teacher"], "5 2")}
    baseline = drawn["student"].get("baseline")
    draw = partial(figures.small_multiples, by_label_and_view, legend, baseline)
    if baseline is not None:
        legend = {**legend, "the baseline's student": LineStyle(NEITHER, "")}
    caption = "Means over runs with a band from the lowest to the highest run; all panels have the same axes."
    return CaptionedFigure(
        "configurations",
        caption,
        draw,
        legend=legend,
        title=f"{capitalised(headline_name(runs))} over epochs (%)",
    )


def figures_by_class(runs: Sequence[Run]) -> list[CaptionedFigure]:
    """The main configuration by class against the baseline, and AMID against CCL as in the paper's Figure 3."""
    if runs[0].task != "classification":
        return []
    main = main_configuration(runs)
    captioned = [_class_differences(runs, main, "baseline") or _class_accuracies(runs, main)]
    if {"amid", "ccl"} <= configurations_of(runs).keys():
        captioned.append(_class_differences(runs, "amid", "ccl"))
    return [figure for figure in captioned if figure is not None]


def confusion_figure(runs: Sequence[Run]) -> CaptionedFigure | None:
    """What the main configuration confuses; None where there are no classes, or nothing was measured."""
    main = main_configuration(runs)
    counts = sum(
        (
            scores.confusion.astype(np.float64)
            for run in runs
            if run.label == main and isinstance(scores := run.scores.get("student"), Scores)
        ),
        start=np.zeros((len(runs[0].classes),) * 2),
    )
    if not counts.sum() > 0:
        return None
    title = f"{main} student, confusion (% of the true class)"
    caption = "Off the diagonal are the classes that are taken for one another, summed over the configuration's runs."
    draw = partial(class_figures.confusion, counts, runs[0].classes)
    return CaptionedFigure("confusion", caption, draw, title=title)


def map_of_representations(shown: RepresentationMap, runs: Sequence[Run]) -> CaptionedFigure:
    """Where the samples lie for student and teacher, and what the plane does not show."""
    run, count = configurations_of(runs)[shown.configuration][0], len(shown.labels)
    measured = f"{count} of {shown.measured}" if count < shown.measured else f"{count}"
    teacher = f", M with {listed(run.auxiliary)} too" if "teacher" in shown.points else ""
    of_fold = f"fold {shown.fold}, " if several_folds(runs) else ""
    caption = (
        f"{measured} {run.split} samples as {shown.configuration} ({of_fold}seed {shown.seed}) represents them: S from "
        f"{listed(run.target)} alone{teacher}; hollow: taken for another class. All at length one, in the plane of the "
        f"first two principal components of all of them together, which holds {100 * shown.share:.0f} % of their "
        "variance: what lies together here may lie apart in the other directions, and how clean the groups look is no "
        "measure of accuracy."
    )
    classes = run.classes
    return CaptionedFigure(
        "map",
        caption,
        partial(map_figure.drawn, shown, classes),
        title=f"{shown.configuration}: representations of {run.split} samples, by class",
        told=lambda figure: map_figure.told(figure, shown, classes),
    )


def _lines(
    name: str,
    quantities: Mapping[str, str],
    caption: str,
    runs: Sequence[Run],
    order: Sequence[str],
    percent: bool = False,
) -> CaptionedFigure:
    """One panel for each quantity (column of metrics.jsonl -> title) that any run logged."""
    logged: dict[str, dict[str, Curve]] = {key: curves(runs, key) for key in quantities}
    labels = {label for by_label in logged.values() for label in by_label}
    shown = first_of(labels, order, _MAX_LINES)
    panels = tuple(
        Panel(quantities[key], drawn, percent)
        for key, by_label in logged.items()
        if (drawn := {label: by_label[label] for label in shown if label in by_label})
    )
    several = any(len(replicates) > 1 for replicates in configurations_of(runs).values())
    band = "; line: mean over runs, band: lowest to highest run" if several else ""
    kept = f"; {len(shown)} of {len(labels)} configurations are drawn" if len(shown) < len(labels) else ""
    styles = line_styles(order)
    legend = {label: styles[label] for label in shown}
    return CaptionedFigure(name, f"{caption}{band}{kept}.", panels=panels, legend=legend)


def _loss_terms(runs: Sequence[Run]) -> dict[str, str]:
    """Columns of loss terms -> titles; where there are many configurations, those of the main one alone."""
    configurations = configurations_of(runs)
    if len(configurations) > _MAX_LINES:
        runs = configurations[main_configuration(runs)]
    losses = {key: key.removeprefix(LOSSES) for key in keys_starting_with(runs, LOSSES)}
    discriminators = keys_starting_with(runs, f"{TRAINING}discriminators/")
    return losses | {key: key.removeprefix(TRAINING).replace("/", ": ") for key in discriminators}


def _class_differences(runs: Sequence[Run], label: str, reference: str) -> CaptionedFigure | None:
    values = _per_class(runs, label) - _per_class(runs, reference)
    if label == reference or not np.isfinite(values).any():
        return None
    title = f"{label} student minus {reference}, accuracy by class (percentage points)"
    caption = f"Classes above zero (blue) are recognised better by the {label} student than by {_named(reference)}"
    draw = partial(class_figures.class_bars, runs[0].classes, values, signed=True)
    return CaptionedFigure(f"classes-{reference}", f"{caption}{_ends(values)}.", draw, title=title)


def _class_accuracies(runs: Sequence[Run], label: str) -> CaptionedFigure | None:
    values = _per_class(runs, label)
    if not np.isfinite(values).any():
        return None
    caption = f"The classes that the {label} student recognises best are at the top{_ends(values)}."
    draw = partial(class_figures.class_bars, runs[0].classes, values, signed=False)
    return CaptionedFigure("classes", caption, draw, title=f"{label} student, accuracy by class (%)")


def _named(reference: str) -> str:
    return "the baseline" if reference == "baseline" else f"that of {reference}"


def _ends(values: npt.NDArray[np.float64]) -> str:
    shown, most = int(np.isfinite(values).sum()), class_figures.MAX_BARS
    return f"; of {shown} classes the {most // 2} at either end are shown" if shown > most else ""


def _per_class(runs: Sequence[Run], label: str) -> npt.NDArray[np.float64]:
    """(C,) mean over the runs; NaN where a class (or the student) is missing in any."""
    own = [run.scores["student"] for run in runs if run.label == label and "student" in run.scores]
    students = [scores.per_class for scores in own if isinstance(scores, Scores)]
    return np.mean(students, axis=0) if students else np.full(len(runs[0].classes), math.nan)


def _students(runs: Sequence[Run]) -> list[Run]:
    """The runs whose student was measured, by fold and seed."""
    made = [run for run in runs if "student" in run.scores and math.isfinite(run.scores["student"].headline)]
    return sorted(made, key=lambda run: run.replicate)
