"""The report's figures: each a function of plain values that returns a matplotlib Figure, never touching pyplot."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from crossdistill.reports.comparison import Difference, Verdict
from crossdistill.reports.curves import Curve
from crossdistill.reports.style import GAIN, INK, LOSS, NEITHER, STYLE, LineStyle, panel, shortened, width
from crossdistill.reports.svg import Spot
from crossdistill.tasks import in_percent

_VERDICT_COLORS: Mapping[Verdict, str] = {"better": GAIN, "worse": LOSS}
ROW, GROUP_GAP = 0.25, 0.6
"""Height of a configuration's row in inches, and the space between groups in rows."""
_LABEL_LETTERS = 44


@dataclass(frozen=True)
class Panel:
    """A quantity over epochs, one curve a configuration; percent: it is a fraction, shown as %."""

    title: str
    curves: Mapping[str, Curve]
    percent: bool = False


@matplotlib.rc_context(STYLE)
def lines(shown: Panel, styles: Mapping[str, LineStyle]) -> Figure:
    """One line a configuration, with a band from the lowest to the highest run."""
    figure, axes = panel((3.7, 2.4))
    _draw_panel(axes, shown, styles)
    return figure


def values_by_epoch(figure: Figure, shown: Panel) -> list[Spot]:
    """For a figure of `lines` that has been drawn: what each epoch's column of it shows, in words."""
    [axes] = figure.axes
    box, scale = axes.get_position(), 100 if shown.percent else 1
    epochs = sorted({float(epoch) for curve in shown.curves.values() for epoch in curve.epochs})
    places = [_across(figure, axes, epoch) for epoch in epochs]
    edges = [box.x0, *((a + b) / 2 for a, b in itertools.pairwise(places)), box.x1]
    spots = []
    for left, right, epoch in zip(edges, edges[1:], epochs, strict=False):
        told = [f"epoch {epoch:g}"]
        for label, curve in shown.curves.items():
            told += [f"{label}: {scale * mean:.4g}" for mean in curve.mean[curve.epochs == epoch]]
        spots.append(Spot(left, right, box.y0, box.y1, "\n".join(told)))
    return spots


def _across(figure: Figure, axes: Axes, value: float) -> float:
    across: float = figure.transFigure.inverted().transform(axes.transData.transform((value, 0)))[0]
    return across


@matplotlib.rc_context(STYLE)
def ladder(steps: Mapping[str, tuple[float, float, str]]) -> Figure:
    """A bar for each step with its value beside it, in %, from 0; steps: name -> (mean, half width or NaN, color)."""
    figure, axes = panel((5.2, 0.5 + 0.36 * len(steps)))  # to be read on a phone, too
    for place, (mean, half, color) in enumerate(steps.values()):
        spread = 0.0 if math.isnan(half) else 100 * half
        axes.barh(place, 100 * mean, color=color, height=0.62)
        if not math.isnan(half):
            axes.errorbar(100 * mean, place, xerr=spread, color=INK, linewidth=1.2, capsize=3)
        end = min(100 * mean + spread, 100) + 1  # an interval may be wider than the axis
        axes.text(end, place, in_percent(mean), va="center", fontsize=9, fontweight="bold")
    axes.set_yticks(range(len(steps)), [shortened(name, _LABEL_LETTERS) for name in steps], fontsize=9)
    axes.set_ylim(len(steps) - 0.5, -0.5)
    axes.set_xlim(min(0.0, *(105 * mean for mean, _, _ in steps.values())), 100)  # R² may be below 0
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def line_grid(panels: Sequence[Panel], styles: Mapping[str, LineStyle]) -> Figure:
    """Panels side by side in one figure, with the legend below: what stands alone in a file."""
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * rows + 0.2), layout="constrained", facecolor="none")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, shown in zip(grid, panels, strict=False):
        _draw_panel(axes, shown, styles)
    for axes in grid[len(panels) :]:
        axes.remove()
    add_legend(figure, styles)
    return figure


@matplotlib.rc_context(STYLE)
def add_legend(figure: Figure, styles: Mapping[str, LineStyle]) -> None:
    """Add a legend below the axes, as many entries in a row as fit."""
    handles = [Line2D([], [], color=style.color, dashes=_dashes(style)) for style in styles.values()]
    labels = [shortened(label, _LABEL_LETTERS) for label in styles]
    letters = 6 + max(map(width, labels))
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 15 / letters)))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)


@matplotlib.rc_context(STYLE)
def small_multiples(
    curves: Mapping[str, Mapping[str, Curve]], styles: Mapping[str, LineStyle], everywhere: Curve | None
) -> Figure:
    """A small panel for each configuration, all with the same axes, in %.

    curves: label -> what is drawn -> curve; styles: of what is drawn; everywhere: a curve that every panel is to be
    compared with, in grey.
    """
    columns = min(4, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(2.4 * columns, 1.5 * rows + 0.1), layout="constrained", facecolor="none")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for index, (axes, (label, by_view)) in enumerate(zip(grid, curves.items(), strict=False)):
        axes.set_facecolor("none")
        axes.set_title(shortened(label, 30), fontsize=7)
        if everywhere is not None:
            axes.plot(everywhere.epochs, 100 * everywhere.mean, color=NEITHER, linewidth=1)
        for name, curve in by_view.items():
            _draw_curve(axes, curve, styles[name], 100)
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(_whole_epochs(4))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        # numbers where nothing is beside or below it
        axes.tick_params(labelsize=6.5, labelleft=index % columns == 0, labelbottom=index + columns >= len(curves))
        _without_label(axes.xaxis)
        _without_label(axes.yaxis)
    corners = np.concatenate([axes.dataLim.get_points() for axes in grid[: len(curves)]])
    for axes in grid[: len(curves)]:  # sharing the axes in matplotlib's way takes a third of the figure's time
        axes.update_datalim(corners)
        axes.autoscale_view()
    for axes in grid[len(curves) :]:
        axes.set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def difference_intervals(table: Mapping[str, Difference], groups: Mapping[str, str]) -> Figure:
    """Each paired difference in points with its interval, coloured by the verdict; table: label -> difference."""
    figure, axes = _rows(list(table), groups)
    intervals = [(row.difference, row.half_width) for row in table.values()]
    _draw_intervals(axes, intervals, _places(list(table), groups), [row.verdict for row in table.values()], "o", 5.5, 3)
    axes.axvline(0, color=INK, linewidth=0.9)
    differences = [100 * row.difference for row in table.values()]
    _cut(axes, min(-100, *differences), max(100, *differences))  # those of R² may be above 1
    return figure


@matplotlib.rc_context(STYLE)
def seed_scatter(
    accuracies: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float]],
    verdicts: Mapping[str, Verdict],
    groups: Mapping[str, str],
    reference: float,
) -> Figure:
    """Every run a dot, with the mean and its 95 % interval, in %.

    accuracies: label -> finite fractions, at least one, by fold and seed; within a row, runs go from top to bottom in
    this order. intervals: label -> mean and half width, NaN for none; verdicts: colours; reference: dashed line, NaN
    for none.
    """
    figure, axes = _rows(list(accuracies), groups)
    places = _places(list(accuracies), groups)
    found = [verdicts.get(label, "not tested") for label in accuracies]
    _draw_intervals(axes, [intervals[label] for label in accuracies], places, found, "|", 11, 0)
    dots = [place + _spread(len(values)) for place, values in zip(places, accuracies.values(), strict=True)]
    values = 100 * np.concatenate([np.asarray(values) for values in accuracies.values()])
    axes.plot(values, np.concatenate(dots), "o", color=INK, markersize=3.4, markeredgewidth=0, zorder=3)
    if math.isfinite(reference):
        axes.axvline(100 * reference, color=INK, linewidth=0.9, dashes=(3, 2))
    _cut(axes, min(0.0, values.min()), 100)  # R² may be below 0
    return figure


def _cut(axes: Axes, lowest: float, highest: float) -> None:
    """Show nothing beyond what can be: the interval of two runs may be ten times as wide, and hide the rest."""
    low, high = axes.get_xlim()
    beyond = 0.02 * (highest - lowest)  # a mark at the end is whole
    axes.set_xlim(max(low, lowest - beyond), min(high, highest + beyond))


def _draw_intervals(
    axes: Axes,
    intervals: Sequence[tuple[float, float]],
    places: Sequence[float],
    verdicts: Sequence[Verdict],
    marker: str,
    size: float,
    cap: float,
) -> None:
    """Fractions (mean, half width or NaN) as marks with bars in %, all of one colour at once."""
    means, halves = 100 * np.array(intervals).T
    colors = np.array([_VERDICT_COLORS.get(verdict, NEITHER) for verdict in verdicts])
    for color in dict.fromkeys(colors.tolist()):
        own = colors == color
        axes.errorbar(
            means[own],
            np.asarray(places)[own],
            xerr=np.nan_to_num(halves[own]),
            color=color,
            marker=marker,
            markersize=size,
            linestyle="",
            elinewidth=2,
            capsize=cap,
        )


def _spread(runs: int) -> npt.NDArray[np.float64]:
    """Where the runs of a row lie, from top to bottom."""
    return np.linspace(-0.3, 0.3, runs) if runs > 1 else np.zeros(1)


def _draw_panel(axes: Axes, shown: Panel, styles: Mapping[str, LineStyle]) -> None:
    axes.set_facecolor("none")
    axes.set_title(shown.title + (" (%)" if shown.percent else ""))
    band = 0.18 if len(shown.curves) <= 3 else 0.08  # many bands on one another hide the lines
    for label, curve in shown.curves.items():
        _draw_curve(axes, curve, styles[label], 100 if shown.percent else 1, band)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(_whole_epochs(6))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("epoch")
    _without_label(axes.yaxis)


def _whole_epochs(most: int) -> MaxNLocator:
    """Numbers of epochs, also below a single one."""
    return MaxNLocator(most, integer=True, min_n_ticks=1)


def _without_label(axis: Axis) -> None:
    """Measure no numbers to find the place of a label that is not there."""
    axis.set_label_coords(0, 0)


def _draw_curve(axes: Axes, curve: Curve, style: LineStyle, scale: float, band: float = 0.18) -> None:
    single = "o" if len(curve.epochs) == 1 else ""  # a line through one point shows nothing
    axes.fill_between(curve.epochs, scale * curve.low, scale * curve.high, color=style.color, alpha=band, linewidth=0)
    axes.plot(curve.epochs, scale * curve.mean, color=style.color, dashes=_dashes(style), marker=single, markersize=4)


def _dashes(style: LineStyle) -> tuple[float, ...]:
    return tuple(map(float, style.dash.split())) or (1, 0)


def _rows(labels: Sequence[str], groups: Mapping[str, str]) -> tuple[Figure, Axes]:
    """Axes with a row for each label, from top to bottom, and a gap between groups."""
    places = _places(labels, groups)
    figure, axes = panel((9.6, 0.5 + ROW * (places[-1] + 1)))
    axes.set_yticks(places, [shortened(label, _LABEL_LETTERS) for label in labels])
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return figure, axes


def _places(labels: Sequence[str], groups: Mapping[str, str]) -> list[float]:
    gaps = np.cumsum([groups[a] != groups[b] for a, b in zip([labels[0], *labels], labels, strict=False)])
    return [index + GROUP_GAP * float(gap) for index, gap in enumerate(gaps)]
