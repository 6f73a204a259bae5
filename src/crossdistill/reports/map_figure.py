"""The map of representations: samples in the plane, by class."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossdistill.reports.samples import RepresentationMap
from crossdistill.reports.style import AMBER, BLUE, CYAN, GREEN, GREY, PURPLE, RED, STYLE, shortened
from crossdistill.reports.svg import Spot

_COLORS = (BLUE, RED, GREEN, PURPLE, AMBER, CYAN)
_MARKERS = "osD^vXP<>"
MOST_CLASSES = 12
"""That have a mark of their own; more cannot be told apart."""

_LETTERS = {"student": "student, S", "teacher": "teacher, M"}
_NEAR = 0.008
"""Half the side of what a pointer has to hit, as a share of the figure's width."""


@matplotlib.rc_context(STYLE)
def drawn(shown: RepresentationMap, classes: Sequence[str]) -> Figure:
    """Each view in axes of its own with the same scale; a class has a colour and a shape, and a sample that the view's
    classifier gets wrong is hollow."""
    marked = frequent(shown, len(classes))
    views, (across, down) = len(shown.points), _limits(np.concatenate(list(shown.points.values())))
    figure = Figure(figsize=(4.8 * views, 4.6 + 0.18 * (len(marked) // (3 * views) + 1)), layout="constrained")
    figure.set_facecolor("none")
    grid = figure.subplots(1, views, squeeze=False).flat
    for axes, (view, points) in zip(grid, shown.points.items(), strict=True):
        axes.set_title(_LETTERS.get(view, view))
        axes.set(xlim=across, ylim=down)
        _draw(axes, points, shown.labels, shown.predicted[view] == shown.labels, marked)
    handles = [_mark(place) for place in range(len(marked))]
    names = [shortened(classes[number], 30) for number in marked]
    if len(marked) < len(set(shown.labels.tolist())):
        handles, names = [*handles, _mark(-1)], [*names, "other classes"]
    figure.legend(handles, names, loc="outside lower left", ncols=max(1, min(len(names), 3 * views)), frameon=False)
    return figure


def frequent(shown: RepresentationMap, classes: int) -> list[int]:
    """The classes that have a mark of their own, in their order: the most frequent of the samples."""
    counts = np.bincount(shown.labels, minlength=classes)
    return sorted(int(number) for number in np.argsort(-counts, kind="stable")[:MOST_CLASSES] if counts[number])


def _limits(points: np.ndarray) -> np.ndarray:
    """(2, 2) the same length of both axes, around all points."""
    low, high = points.min(0), points.max(0)
    reach = 0.54 * max(float((high - low).max()), 1e-6)
    return np.stack([(low + high) / 2 - reach, (low + high) / 2 + reach], 1)


def _draw(axes: Axes, points: np.ndarray, labels: np.ndarray, right: np.ndarray, marked: Sequence[int]) -> None:
    axes.set_facecolor("none")
    axes.set_aspect("equal")
    axes.grid()
    axes.tick_params(labelleft=False, labelbottom=False)
    for number in [*sorted(set(labels.tolist()) - set(marked)), *marked]:
        mark = _mark(marked.index(number) if number in marked else -1)
        for chosen, fill in ((~right, "none"), (right, mark.get_color())):
            x, y = points[(labels == number) & chosen].T
            axes.plot(
                x, y, linestyle="", marker=mark.get_marker(), color=mark.get_color(), markerfacecolor=fill, ms=4.5
            )


def _mark(place: int) -> Line2D:
    """How a class is drawn; place: among those with a mark of their own, -1 for all others."""
    color = _COLORS[place % len(_COLORS)] if place >= 0 else GREY
    marker = _MARKERS[(place + place // len(_COLORS)) % len(_MARKERS)] if place >= 0 else "."
    return Line2D([], [], color=color, marker=marker, linestyle="", markersize=5)


def told(figure: Figure, shown: RepresentationMap, classes: Sequence[str]) -> list[Spot]:
    """For a figure of `drawn` that has been drawn: which sample each point is, and what is said of it."""
    spots = []
    width, height = figure.get_size_inches()
    half = np.array([_NEAR, _NEAR * width / height])
    for axes, (view, points) in zip(figure.axes, shown.points.items(), strict=True):
        places = figure.transFigure.inverted().transform(axes.transData.transform(points))
        for (left, bottom), (right, top), row in zip(places - half, places + half, range(len(places)), strict=True):
            label, said = classes[shown.labels[row]], classes[shown.predicted[view][row]]
            verdict = "right" if label == said else f"taken for {said}"
            spots.append(Spot(left, right, bottom, top, f"{shown.names[row]}\n{label}: {verdict}"))
    return spots
