"""Per-epoch metrics of several runs, drawn together as a mean with the range over runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crossdistill.reports.runs import Run, configurations_of
from crossdistill.runs.measure import GAP, score_key


@dataclass(frozen=True)
class Curve:
    """A quantity over epochs: (E,) epochs at which it was measured, and its mean, lowest and highest over the runs."""

    epochs: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def curves(runs: Sequence[Run], key: str) -> dict[str, Curve]:
    """Label -> the curve of one column of metrics.jsonl; those that never logged it (or only NaN) are left out."""
    by_label = {
        label: _curve([_series(run, key) for run in replicates])
        for label, replicates in configurations_of(runs).items()
    }
    return {label: curve for label, curve in by_label.items() if len(curve.epochs)}


def keys_starting_with(runs: Sequence[Run], prefix: str) -> list[str]:
    """Columns with this prefix in any run, in the order in which they were logged."""
    return list(dict.fromkeys(key for run in runs for key in run.metrics.columns if key.startswith(prefix)))


def _series(run: Run, key: str) -> pd.Series[float]:
    metrics = run.metrics
    student, teacher = (score_key(view, run.task) for view in ("student", "teacher"))
    if key == GAP and key not in metrics and {teacher, student} <= set(metrics.columns):
        metrics = metrics.assign(**{GAP: metrics[teacher] - metrics[student]})
    if key not in metrics:
        return pd.Series(dtype="float64")
    values = pd.to_numeric(metrics[key], errors="coerce").astype("float64")
    values = values.set_axis(metrics["epoch"].to_numpy())
    return values[np.isfinite(values)]


def _curve(series: Sequence[pd.Series[float]]) -> Curve:
    measured = [one for one in series if len(one)]
    together = pd.concat(measured, axis=1).sort_index() if measured else pd.DataFrame()
    return Curve(
        epochs=together.index.to_numpy(dtype=np.float64),
        mean=together.mean(axis=1).to_numpy(dtype=np.float64),
        low=together.min(axis=1).to_numpy(dtype=np.float64),
        high=together.max(axis=1).to_numpy(dtype=np.float64),
    )
