"""Per-epoch metrics of several runs, drawn together as a mean with the range over runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.reports.fields import number
from crossdistill.reports.runs import Run, configurations_of
from crossdistill.runs.measure import GAP, score_key

_LARGEST = 1e100
"""Far above any loss in 32 bits: near the largest number of 64 bits, axes and their percents overflow."""


@dataclass(frozen=True)
class Curve:
    """A quantity over epochs: (E,) epochs after which it was measured, the first being 1, and its mean, lowest and
    highest over the runs."""

    epochs: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def curves(runs: Sequence[Run], key: str) -> dict[str, Curve]:
    """Label -> the curve of one key of metrics.jsonl; those that never logged it (or only NaN) are left out."""
    by_label = {label: _by_epoch(replicates, key) for label, replicates in configurations_of(runs).items()}
    return {label: _curve(by_epoch) for label, by_epoch in by_label.items() if by_epoch}


def keys_starting_with(runs: Sequence[Run], prefix: str) -> list[str]:
    """Keys with this prefix in any run, in the order in which they were logged."""
    keys = dict.fromkeys(key for run in runs for record in run.records for key in record)
    return [key for key in keys if key.startswith(prefix)]


def _by_epoch(runs: Sequence[Run], key: str) -> dict[int, list[float]]:
    """Epoch, from 1 as on the terminal (logs count from 0) -> the values of the runs that logged one then; NaN and what
    is too large to be drawn are none."""
    by_epoch: dict[int, list[float]] = {}
    for run in runs:
        for record in run.records:
            value = _logged(record, key, run)
            if abs(value) < _LARGEST:
                by_epoch.setdefault(record["epoch"] + 1, []).append(value)
    return by_epoch


def _logged(record: Mapping[str, Any], key: str, run: Run) -> float:
    if key == GAP and key not in record:
        student, teacher = (record.get(score_key(view, run.task)) for view in ("student", "teacher"))
        return number(teacher) - number(student)
    return number(record.get(key))


def _curve(by_epoch: Mapping[int, Sequence[float]]) -> Curve:
    epochs = sorted(by_epoch)
    together = [by_epoch[epoch] for epoch in epochs]
    return Curve(
        epochs=np.array(epochs, dtype=np.float64),
        mean=np.array([sum(values) / len(values) for values in together]),
        low=np.array([min(values) for values in together]),
        high=np.array([max(values) for values in together]),
    )
