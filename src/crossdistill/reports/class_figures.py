"""Figures about single classes: a value for each, and what is confused with what."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from crossdistill.reports.style import GAIN, INK, LOSS, STYLE, panel, shortened, width

MAX_BARS, MAX_NAMED, MAX_COUNTED = 40, 60, 16


@matplotlib.rc_context(STYLE)
def class_bars(classes: Sequence[str], values: npt.NDArray[np.float64], signed: bool) -> Figure:
    """A value for each class in %, sorted; NaN classes are left out, and of many classes the two ends are shown.

    classes: C names; values: (C,) fractions; signed: differences, coloured by their sign.
    """
    order = np.argsort(-values, kind="stable")[: np.isfinite(values).sum()]
    if len(order) > MAX_BARS:
        order = np.concatenate([order[: MAX_BARS // 2], order[-MAX_BARS // 2 :]])
    figure, axes = panel((6.4, 0.45 + 0.19 * len(order)))
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
    figure, axes = panel(_confusion_size(classes))
    figure.set_layout_engine("constrained")  # which has room for the bar beside the axes
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
    names = 0.06 * max(width(shortened(name)) for name in classes) if len(classes) <= MAX_NAMED else 0.2
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
    return len(classes) * max(width(shortened(name)) for name in classes) <= 24
