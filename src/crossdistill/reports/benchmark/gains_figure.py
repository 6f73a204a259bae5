"""Every method's gain in every setting as a map: a row for a method, a column for a setting, points in the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossdistill.reports.comparison import Difference
from crossdistill.reports.formats import points
from crossdistill.reports.style import GAIN, INK, LOSS, STYLE, panel, shortened, width

FULL = 0.2
"""The difference, a fraction, from which on a cell's colour is strongest."""
_OPACITY = 0.5
"""Of the strongest colour: numbers stay legible on it, on light pages and on dark ones."""
_CELL, _LINE, _LETTER = 0.4, 0.2, 0.075
"""In inches: a cell's width and height, and the room for a letter of a name."""
_LETTERS = 40


@matplotlib.rc_context(STYLE)
def gains_figure(
    rows: Sequence[str], columns: Sequence[str], differences: Mapping[tuple[str, str], Difference], rule: int
) -> Figure:
    """(Row, column) -> paired difference; significant ones are bold, and what is not among them stays empty.

    rule: the row above which a line is drawn
    """
    names, settings = ([shortened(each, _LETTERS) for each in side] for side in (rows, columns))
    wide, high = (_LETTER * max(map(width, side)) for side in (names, settings))
    figure, axes = panel((wide + _CELL * len(columns), high + _LINE * len(rows)))
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(columns)) + 0.5, settings, rotation=90, fontsize=7.5)
    axes.set_yticks(np.arange(len(rows)) + 0.5, names, fontsize=7.5)
    for (row, column), difference in differences.items():
        _cell(axes, columns.index(column), rows.index(row), difference)
    if 0 < rule < len(rows):
        axes.axhline(rule, color=INK, linewidth=0.9)
    return figure


def _cell(axes: Axes, x: int, y: int, row: Difference) -> None:
    opacity = _OPACITY * min(abs(row.difference) / FULL, 1.0)
    color = to_rgb(GAIN if row.difference > 0 else LOSS)
    axes.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, facecolor=color, alpha=opacity, linewidth=0))
    weight = "bold" if row.verdict in ("better", "worse") else "normal"
    axes.text(x + 0.5, y + 0.5, points(row.difference), ha="center", va="center", fontsize=7, fontweight=weight)
