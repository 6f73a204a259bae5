"""How figures look: colours that colour-blind readers can tell apart, one look for each configuration, small text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, RULE = "#1d2430", "#d9dde3"
"""Text and grid. In the page both become CSS variables, so that figures follow light and dark mode."""

OWN_COLORS = {"baseline": "#7c8591", "teacher": "#e69f00", "auxiliary": "#56b4e9"}
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; yellow is left out (too pale for lines)."""

_DASHES = ("", "5 2", "1.5 1.5", "5 1.5 1 1.5")

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

GAIN, LOSS, NEITHER = "#0072b2", "#d55e00", "#7c8591"
"""Colours of what is better, worse and neither."""

_MAX_LETTERS = 24


@dataclass(frozen=True)
class LineStyle:
    """How a configuration's line is drawn.

    color: hex; dash: lengths of strokes and gaps as in SVG's stroke-dasharray, "" for a solid line.
    """

    color: str
    dash: str


def line_styles(labels: Sequence[str]) -> dict[str, LineStyle]:
    """One fixed look for each configuration; the first of those without a colour of their own gets blue."""
    styles = {label: LineStyle(color, "") for label, color in OWN_COLORS.items() if label in labels}
    for index, label in enumerate(label for label in labels if label not in OWN_COLORS):
        dash = _DASHES[index // len(CYCLE) % len(_DASHES)]
        styles[label] = LineStyle(CYCLE[index % len(CYCLE)], dash)
    return styles


def shortened(name: str, letters: int = _MAX_LETTERS) -> str:
    """The name on one line, cut with an ellipsis."""
    name = " ".join(name.split())
    return name if len(name) <= letters else f"{name[: letters - 1].rstrip()}…"


def panel(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A transparent figure of this size in inches, with one pair of axes."""
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    return figure, axes
