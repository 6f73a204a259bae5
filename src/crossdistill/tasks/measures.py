"""What is measured for each kind of task, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crossdistill.types import TaskKind

NONE = "–"
"""What stands in the place of a measure that is not defined."""
_LONG = 100_000
"""% from which on a number is a power of ten; R² alone is beyond 100, where numbers are far from what was learnt."""


@dataclass(frozen=True)
class Measured:
    """A measure. key: its name in logs, tables and results.json; name: in words; percent: whether it is a share, shown
    in %; higher: whether more is better; in_units: whether it is in the unit of the labels."""

    key: str
    name: str
    percent: bool = True
    higher: bool = True
    in_units: bool = False

    def shown(self, value: float) -> str:
        """The value as people read it."""
        if math.isnan(value):
            return NONE
        return f"{in_percent(value)} %" if self.percent else f"{value:.3g}"


MEASURES: Mapping[TaskKind, tuple[Measured, ...]] = {
    "classification": (
        Measured("top1", "top-1"),
        Measured("wa", "WA"),
        Measured("ua", "UA"),
        Measured("r1", "R@1"),
        Measured("r5", "R@5"),
    ),
    "multilabel": (
        Measured("map", "mAP"),
        Measured("micro_f1", "micro-F1"),
        Measured("macro_f1", "macro-F1"),
        Measured("r1", "R@1"),
        Measured("r5", "R@5"),
        Measured("map_100", "mAP@100"),
    ),
    "regression": (
        Measured("r2", "R²"),
        Measured("rmse", "RMSE", percent=False, higher=False, in_units=True),
        Measured("mae", "MAE", percent=False, higher=False, in_units=True),
        Measured("pearson", "Pearson's r", percent=False),
    ),
}
"""The first of each is its headline: what epochs and settings are chosen by, and differences, tests and the gap
recovered are of. More of it is better for every task: of numbers that is R², the share of their variance that is
explained, which is free of units and falls as the squared error rises."""


def measures_of(kind: TaskKind, outputs: int) -> tuple[Measured, ...]:
    """What a model with so many outputs is measured by, the headline first: of several numbers no measure that is in
    their units, since the mean over several units is in none.

    >>> from crossdistill.tasks import measures_of
    >>> [[measure.name for measure in measures_of("regression", numbers)] for numbers in (1, 2)]
    [['R²', 'RMSE', 'MAE', "Pearson's r"], ['R²', "Pearson's r"]]
    """
    return tuple(measure for measure in MEASURES[kind] if outputs == 1 or not measure.in_units)


def in_percent(value: float) -> str:
    """A share in %, one decimal; powers of ten for one so far from 0 that its digits would fill a table.

    >>> in_percent(0.4567), in_percent(-3.2e20)
    ('45.7', '-3.2e+22')
    """
    return f"{100 * value:.1f}" if abs(100 * value) < _LONG or math.isnan(value) else f"{100 * value:.1e}"


def headline(kind: TaskKind) -> Measured:
    """The measure that a task is judged by.

    >>> from crossdistill.tasks import headline
    >>> [headline(kind).name for kind in ("classification", "multilabel", "regression")]
    ['top-1', 'mAP', 'R²']
    """
    return MEASURES[kind][0]
