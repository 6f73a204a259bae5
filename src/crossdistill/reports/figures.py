"""The report's figures: each a function of plain values that returns a matplotlib Figure, never touching pyplot."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crossdistill.reports.curves import Curve
from crossdistill.reports.tables import Difference

INK, RULE = "#1d2430", "#d9dde3"
"""Text and grid. In the page both become CSS variables, so that figures follow light and dark mode."""

OWN_COLORS = {"baseline": "#7c8591", "teacher": "#e69f00", "auxiliary": "#56b4e9"}
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; yellow is left out (too pale for lines)."""

DASHES = ("", "5 2", "1.5 1.5", "5 1.5 1 1.5")

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "crossdistill",  # the same figure gives the same bytes
    "svg.fonttype": "none",  # text stays text: searchable, in the page's font
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "text.parse_math": False,  # class names may hold $
    "axes.unicode_minus": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": RULE,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}
GAIN, LOSS = "#0072b2", "#d55e00"
MAX_BARS, MAX_NAMED, MAX_COUNTED, MAX_LETTERS = 40, 60, 16, 24


@dataclass(frozen=True)
class LineStyle:
    """color: hex; dash: lengths of strokes and gaps as in SVG's stroke-dasharray, "" for a solid line."""

    color: str
    dash: str


def line_styles(methods: Sequence[str]) -> dict[str, LineStyle]:
    """One fixed look for each method; the first of those without a colour of their own gets blue."""
    styles = {method: LineStyle(color, "") for method, color in OWN_COLORS.items() if method in methods}
    for index, method in enumerate(method for method in methods if method not in OWN_COLORS):
        dash = DASHES[index // len(CYCLE) % len(DASHES)]
        styles[method] = LineStyle(CYCLE[index % len(CYCLE)], dash)
    return styles


@matplotlib.rc_context(STYLE)
def lines(title: str, curves: Mapping[str, Curve], styles: Mapping[str, LineStyle], percent: bool = False) -> Figure:
    """A quantity over epochs, one line a method, with a band from the lowest to the highest run.

    percent: the quantity is a fraction, shown as %.
    """
    figure, axes = _panel((3.7, 2.4))
    axes.set_title(title + (" (%)" if percent else ""))
    scale = 100 if percent else 1
    for method, curve in curves.items():
        style = styles[method]
        dash = tuple(map(float, style.dash.split())) or (1, 0)
        single = "o" if len(curve.epochs) == 1 else ""  # a line through one point shows nothing
        axes.fill_between(
            curve.epochs, scale * curve.low, scale * curve.high, color=style.color, alpha=0.18, linewidth=0
        )
        axes.plot(curve.epochs, scale * curve.mean, color=style.color, dashes=dash, marker=single, markersize=4)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("epoch")
    return figure


@matplotlib.rc_context(STYLE)
def difference_intervals(table: Mapping[str, Difference], styles: Mapping[str, LineStyle]) -> Figure:
    """Each method's paired difference to the baseline in points, with its interval; table: method -> difference."""
    figure, axes = _panel((6.4, 0.55 + 0.27 * len(table)))
    for place, (method, row) in enumerate(table.items()):
        axes.errorbar(
            100 * row.difference,
            place,
            xerr=0 if np.isnan(row.half_width) else 100 * row.half_width,
            color=styles[method].color,
            marker="o",
            markersize=6,
            linewidth=2,
            capsize=3.5,
        )
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.grid(axis="x")
    axes.set_yticks(range(len(table)), [shortened(method) for method in table])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def class_bars(classes: Sequence[str], values: npt.NDArray[np.float64], signed: bool) -> Figure:
    """A value for each class in %, sorted; NaN classes are left out, and of many classes the two ends are shown.

    classes: C names; values: (C,) fractions; signed: differences, coloured by their sign.
    """
    order = np.argsort(-values, kind="stable")[: np.isfinite(values).sum()]
    if len(order) > MAX_BARS:
        order = np.concatenate([order[: MAX_BARS // 2], order[-MAX_BARS // 2 :]])
    figure, axes = _panel((6.4, 0.45 + 0.19 * len(order)))
    shown = 100 * values[order]
    colors = [LOSS if signed and value < 0 else GAIN for value in shown]
    axes.barh(range(len(order)), shown, color=colors, height=0.68)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(order)), [shortened(classes[index]) for index in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def confusion(matrix: npt.NDArray[np.float64], classes: Sequence[str]) -> Figure:
    """Where samples of each true class (row) end up, as fractions of the row; matrix: (C, C) counts."""
    size = matrix.sum(1, keepdims=True)
    shares = np.divide(matrix, size, out=np.zeros_like(matrix), where=size > 0)
    figure, axes = _panel(_confusion_size(classes))
    # transparent to blue: an empty cell shows the page, light or dark
    colors = LinearSegmentedColormap.from_list("share", [(0.0, 0.447, 0.698, 0.0), (0.0, 0.447, 0.698, 1.0)])
    image = axes.imshow(shares, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, shrink=0.5, ticks=[0, 0.5, 1], format=lambda share, _: f"{100 * share:.0f} %")
    bar.outline.set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    _name_classes(axes, classes)
    if len(classes) <= MAX_COUNTED:
        for row, column in np.argwhere(shares > 0.005):
            share = shares[row, column]
            ink = "white" if share > 0.55 else INK
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=6.5)
    return figure


def _confusion_size(classes: Sequence[str]) -> tuple[float, float]:
    """Inches: cells large enough for their numbers or names, and room for the longest name on both axes."""
    cell = 0.24 if len(classes) <= MAX_COUNTED else 0.11 if len(classes) <= MAX_NAMED else 0.05
    side = float(np.clip(cell * len(classes), 1.8, 6.0))
    names = 0.06 * max(len(shortened(name)) for name in classes) if len(classes) <= MAX_NAMED else 0.2
    return side + names + 1.0, side + (0.1 if _fit_flat(classes) else names) + 0.4


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    if len(classes) > MAX_NAMED:
        return
    names = [shortened(name) for name in classes]
    size = 7.5 if len(classes) <= MAX_COUNTED else 5.5
    axes.set_xticks(range(len(names)), names, rotation=0 if _fit_flat(classes) else 90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)


def _fit_flat(classes: Sequence[str]) -> bool:
    """Whether the names fit side by side below the matrix without being turned."""
    return len(classes) * max(len(shortened(name)) for name in classes) <= 24


def shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS - 1].rstrip()}…"


def _panel(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    return figure, axes


@matplotlib.rc_context(STYLE)
def to_svg(figure: Figure, name: str) -> str:
    """An <svg> element for an HTML page: no fixed size, ids that start with `name`, text and grid in CSS variables."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # a script that matplotlib's font lacks: the browser draws the text, and its font has it
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    width = 1.4 * 72 / 16 * figure.get_figwidth()  # in rem: 8 pt text at about 11 px
    head = rf'<svg viewBox="\1" role="img" style="--width: {width:.1f}rem">'
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', head, svg, count=1)
    svg = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg).replace("xlink:href=", "href=")
    svg = svg.replace("url(#", f"url(#{name}-")
    return svg.replace(INK, "var(--ink)").replace(RULE, "var(--rule)").strip()
