"""How figures look: colours that colour-blind readers can tell apart, one look for each configuration, small text."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import LayoutEngine

INK, RULE = "#1d2430", "#d9dde3"
"""Text and grid. In the page both become CSS variables, so that figures follow light and dark mode."""

BLUE, RED, GREEN, PURPLE = "#0072b2", "#c94f00", "#00805d", "#b0568a"
GREY, AMBER, CYAN = "#6b7480", "#a86a00", "#1f8a9e"
"""Okabe and Ito's palette, which colour-blind readers can tell apart, darkened until each has a contrast of 3.7 with a
page's cards."""

ON_DARK = {
    BLUE: "#5cb3ec",
    RED: "#ff8a47",
    GREEN: "#35c99d",
    PURPLE: "#e596c4",
    GREY: "#a0a9b6",
    AMBER: "#f0b43c",
    CYAN: "#6fd3e6",
}
"""Each colour as it is on dark pages."""

OWN_COLORS = {"baseline": GREY, "teacher": AMBER, "auxiliary": CYAN}
_OWN_DASHES = {"baseline": "1.2 1.2", "teacher": "5 1.5 1.2 1.5", "auxiliary": "5 1.5 1.2 1.5 1.2 1.5"}
CYCLE = (BLUE, RED, GREEN, PURPLE)

_DASHES = ("", "6 2", "2.5 1.5", "9 2 3 2")

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

GAIN, LOSS, NEITHER = BLUE, RED, GREY
"""Colours of what is better, worse and neither."""

_MAX_LETTERS = 24
_MARGIN = 3
"""Of a figure, in points."""


@dataclass(frozen=True)
class LineStyle:
    """How a configuration's line is drawn.

    color: hex; dash: lengths of strokes and gaps as in SVG's stroke-dasharray, "" for a solid line.
    """

    color: str
    dash: str


def line_styles(labels: Sequence[str]) -> dict[str, LineStyle]:
    """One fixed look for each configuration, told apart by colour and by dashes; the first of those without a colour of
    their own gets a solid blue line."""
    styles = {label: LineStyle(color, _OWN_DASHES[label]) for label, color in OWN_COLORS.items() if label in labels}
    for index, label in enumerate(label for label in labels if label not in OWN_COLORS):
        dash = _DASHES[(index + index // len(CYCLE)) % len(_DASHES)]
        styles[label] = LineStyle(CYCLE[index % len(CYCLE)], dash)
    return styles


def shortened(name: str, letters: int = _MAX_LETTERS) -> str:
    """The name on one line, cut with an ellipsis; letters: Latin ones, of Chinese and other wide ones half as many."""
    name = " ".join(name.split())
    if width(name) <= letters:
        return name
    kept = sum(end < letters for end in itertools.accumulate(map(width, name)))
    return f"{name[:kept].rstrip()}…"


def width(name: str) -> int:
    """How many Latin letters take as much room; a Chinese, Japanese or Korean letter or an emoji counts as two."""
    return len(name) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in name)


def panel(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A transparent figure of this size in inches, with one pair of axes that fills it when it is drawn."""
    figure = Figure(figsize=size, layout=_Filled(), facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    return figure, axes


class _Filled(LayoutEngine):
    """One pair of axes, with what is written beside it, fills the figure but for a margin: where matplotlib's
    constrained layout would have it, which measures all text twice and takes half of the time that a figure takes."""

    _adjust_compatible, _colorbar_gridspec = True, False

    def execute(self, fig: FigureBase) -> None:
        assert isinstance(fig, Figure)
        [axes] = fig.axes
        _fill(fig, axes)
        if axes.texts:  # they stand at values, which have moved: how far they reach beyond the axes is another length
            _fill(fig, axes)


def _fill(figure: Figure, axes: Axes) -> None:
    whole, inside = figure.bbox, axes.bbox
    outside = axes.get_tightbbox(for_layout_only=True) or inside
    margin = _MARGIN * figure.dpi / 72
    figure.subplots_adjust(
        left=(inside.x0 - outside.x0 + margin) / whole.width,
        right=1 - (outside.x1 - inside.x1 + margin) / whole.width,
        bottom=(inside.y0 - outside.y0 + margin) / whole.height,
        top=1 - (outside.y1 - inside.y1 + margin) / whole.height,
    )
