"""The critical-difference figure of Demšar (2006): methods on a line of ranks, bars over those that are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossdistill.reports.style import GAIN, INK, NEITHER, RULE, STYLE, panel, shortened

_WIDTH, _LINE, _BAR = 9.6, 0.2, 0.1
"""In inches: the figure, between two names, between two bars."""
_HIGHLIGHTED = {"amid_u": GAIN, "baseline": NEITHER}


@matplotlib.rc_context(STYLE)
def critical_difference_figure(
    ranks: Mapping[str, float], difference: float, bars: Sequence[tuple[float, float]]
) -> Figure:
    """Method -> average rank, 1 the best and left; difference: the critical one, drawn to scale; bars: from the best to
    the worst rank of each group that cannot be told apart."""
    order = sorted(ranks, key=lambda label: (ranks[label], label))
    left = order[: math.ceil(len(order) / 2)]
    right = order[len(left) :]
    below = 0.25 + _BAR * len(bars)  # room for the bars
    height = 0.75 + below + _LINE * len(left)
    figure, axes = panel((_WIDTH, height))
    first, last = 1.0, float(len(order))
    span = last - first
    axes.set_xlim(first - 0.38 * span, last + 0.38 * span)
    axes.set_ylim(-(height - 0.65), 0.65)
    axes.axis("off")
    _scale(axes, len(order))
    axes.plot([first, first + min(difference, span)], [0.45, 0.45], color=INK, linewidth=1.2, marker="|", markersize=5)
    axes.text(first, 0.5, f"critical difference {difference:.2f}", ha="left", va="bottom", fontsize=7.5)
    for place, (best, worst) in enumerate(bars):
        y = -(0.15 + _BAR * place)
        axes.plot([best - 0.01 * span, worst + 0.01 * span], [y, y], color=INK, linewidth=3, solid_capstyle="butt")
    for names, side in ((left, -1), (right[::-1], 1)):
        for place, label in enumerate(names):
            _name(axes, label, ranks[label], -(below + _LINE * (place + 0.5)), side, (first, last))
    return figure


def _scale(axes: Axes, methods: int) -> None:
    axes.plot([1, methods], [0, 0], color=INK, linewidth=1)
    step = 1 if methods <= 12 else 2
    for rank in range(1, methods + 1):
        axes.plot([rank, rank], [0, 0.06], color=INK, linewidth=1)
        if (rank - 1) % step == 0:
            axes.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=7.5)


def _name(axes: Axes, label: str, rank: float, y: float, side: int, ends: tuple[float, float]) -> None:
    """A line from the scale down and out to the method's name, with its rank."""
    color = _HIGHLIGHTED.get(label, RULE)
    end = ends[0] - 0.04 * (ends[1] - ends[0]) if side < 0 else ends[1] + 0.04 * (ends[1] - ends[0])
    axes.plot([rank, rank, end], [0, y, y], color=color, linewidth=1, zorder=0)
    name = f"{shortened(label, 28)}  {rank:.2f}" if side < 0 else f"{rank:.2f}  {shortened(label, 28)}"
    ink = _HIGHLIGHTED.get(label, INK)
    axes.text(end, y, f" {name} ", ha="right" if side < 0 else "left", va="center", fontsize=7.5, color=ink)
