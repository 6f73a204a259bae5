"""How a report calls what was measured, by what was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossdistill.reports.runs import Run
from crossdistill.tasks import Measured, measures_of
from crossdistill.types import TaskKind


@dataclass(frozen=True)
class Terms:
    """Words for a task's headline measure, which is a share, and shown in %.

    noun, long: in a sentence; reached: what a student does whose measure is `{}` %; alone: how another's is given after
    that; right, tile: what its bars and its tile are called; name, names: one class, several; slug: what links and
    files call its curves
    """

    noun: str
    long: str
    reached: str
    alone: str
    right: str
    tile: str
    name: str
    names: str
    slug: str


_TERMS: Mapping[TaskKind, Terms] = {
    "classification": Terms(
        "accuracy",
        "top-1 accuracy",
        "is right on {} % of new samples",
        "on {} %",
        "right answers",
        "right",
        "class",
        "classes",
        "accuracy",
    ),
    "multilabel": Terms(
        "mean average precision",
        "mean average precision",
        "reaches a mean average precision of {} % on new samples",
        "{} %",
        "mean average precision",
        "mAP",
        "label",
        "labels",
        "precision",
    ),
    "regression": Terms(
        "R²",
        "R²",
        "explains {} % of the variance of new samples",
        "{} %",
        "variance explained (R²)",
        "R²",
        "number",
        "numbers",
        "variance",
    ),
}


def terms(runs: Sequence[Run]) -> Terms:
    """The words for these runs, which are of one task."""
    return _TERMS[runs[0].task]


def measures(runs: Sequence[Run]) -> tuple[Measured, ...]:
    """What was measured of these runs, the headline first."""
    return measures_of(runs[0].task, len(runs[0].classes))


def headline_name(runs: Sequence[Run]) -> str:
    """The short name of the measure that these runs are judged by, such as top-1."""
    return measures(runs)[0].name
