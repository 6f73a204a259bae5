"""Run folders read into typed values, checked so that every later step can rely on them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from crossdistill.reports.fields import Fields, field_at, read_json, read_text, read_yaml
from crossdistill.types import InputError, Role

RECIPE, METRICS, RESULTS = "recipe.yaml", "metrics.jsonl", "results.json"


@dataclass(frozen=True)
class Scores:
    """One model's measures on the evaluation split, in [0, 1]; NaN where a measure is not defined.

    per_class: (C,) recall of each class; confusion: (C, C) counts, row = true class.
    """

    top1: float
    wa: float
    ua: float
    r1: float
    r5: float
    per_class: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A finished run.

    label: the name of its configuration in comparisons; the method's name unless the recipe gives another
    role: what its configuration is; a run that does not say so is a method
    varied: the option or field that a variation sets, empty for all others; value: what to, NaN for no number
    scores: "student", "teacher", "auxiliary_alone" -> its scores; only the models that the method has
    metrics: one row per epoch of the method itself (pre-training stages are left out), columns as in metrics.jsonl
    fold: of the recipe's data, -1 where there is none
    recipe: the text of recipe.yaml
    """

    folder: Path
    name: str
    method: str
    label: str
    role: Role
    varied: str
    value: float
    seed: int
    fold: int
    split: str
    classes: tuple[str, ...]
    samples: Mapping[str, int]
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    seconds: float
    parameters: Mapping[str, int]
    versions: Mapping[str, str]
    scores: Mapping[str, Scores]
    metrics: pd.DataFrame
    recipe: str

    @property
    def replicate(self) -> tuple[int, int]:
        """What runs of different configurations share when they may be compared as a pair: fold and seed."""
        return self.fold, self.seed


def load_runs(paths: Sequence[Path]) -> list[Run]:
    """Read finished runs that can be compared, in the order given.

    Raises InputError when a folder is no finished run, a file in it cannot be read, runs were evaluated on different
    classes or splits, two runs have the same label, seed and fold, or one label stands for two methods or roles.
    """
    if not paths:
        raise InputError("no run folders given; name at least one, e.g. runs/amid-0")
    runs = [_load(Path(path)) for path in paths]
    _check_comparable(runs)
    return runs


def configurations_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Label -> its runs; labels in the order of their first run."""
    configurations: dict[str, list[Run]] = {}
    for run in runs:
        configurations.setdefault(run.label, []).append(run)
    return configurations


def _load(folder: Path) -> Run:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that `crossdistill train` wrote")
    for name in (RECIPE, METRICS, RESULTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: has no {name}, so this is no finished run; finish it or leave it out")
    recipe = read_text(folder / RECIPE)
    results = Fields(folder / RESULTS, read_json(folder / RESULTS, read_text(folder / RESULTS)))
    classes = tuple(str(label) for label in results.get("classes", list))
    method = results.get("method", str)
    settings = read_yaml(folder / RECIPE, recipe)
    varied, fold = field_at(settings, "varied"), field_at(settings, "data.fold")
    return Run(
        folder=folder,
        name=results.get("name", str),
        method=method,
        label=(results.get("label", str) if "label" in results.values else "") or method,
        role=_role(results),
        varied=varied if isinstance(varied, str) else "",
        value=_number(field_at(settings, varied)) if isinstance(varied, str) else math.nan,
        seed=results.get("seed", int),
        fold=fold if isinstance(fold, int) else -1,
        split=results.get("split", str),
        classes=classes,
        samples=results.get("samples", dict),
        target=tuple(results.get("target", list)),
        auxiliary=tuple(results.get("auxiliary", list)),
        seconds=results.number("seconds"),
        parameters=results.get("parameters", dict),
        versions=results.get("versions", dict),
        scores={
            view: _scores(results.within(view), len(classes))
            for view in ("student", "teacher", "auxiliary_alone")
            if view in results.values
        },
        metrics=_metrics(folder / METRICS, method),
        recipe=recipe,
    )


def _scores(fields: Fields, classes: int) -> Scores:
    return Scores(
        top1=fields.number("top1"),
        wa=fields.number("wa"),
        ua=fields.number("ua"),
        r1=fields.number("r1"),
        r5=fields.number("r5"),
        per_class=fields.array("per_class", (classes,)),
        confusion=fields.array("confusion", (classes, classes)),
    )


def _metrics(path: Path, method: str) -> pd.DataFrame:
    rows = [read_json(path, line, f" line {number}") for number, line in enumerate(read_text(path).splitlines(), 1)]
    if any(not isinstance(row.get("epoch"), int) for row in rows):
        raise InputError(f"{path}: every line needs a whole number `epoch`, at least one has none")
    # a resumed run may have logged an epoch twice: the later one counts
    rows_by_epoch = {row["epoch"]: row for row in rows if row.get("stage") == method}
    return pd.DataFrame(list(rows_by_epoch.values()), columns=None if rows_by_epoch else ["epoch"])


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else math.nan


def _role(results: Fields) -> Role:
    given = results.get("role", str) if "role" in results.values else "method"
    if given not in get_args(Role):
        raise InputError(f"{results.path}: role: expected one of {', '.join(get_args(Role))}, found {given!r}")
    return cast(Role, given)


def _check_comparable(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs:
        if run.classes != first.classes or run.split != first.split:
            what = "classes" if run.classes != first.classes else "splits"
            raise InputError(
                f"{run.folder} and {first.folder}: evaluated on different {what}; write one report for each"
            )
    [(key, count)] = Counter((run.label, *run.replicate) for run in runs).most_common(1)
    if count > 1:
        label, fold, seed = key
        same = ", ".join(str(run.folder) for run in runs if (run.label, *run.replicate) == key)
        raise InputError(f"{same}: all are configuration {label}, seed {seed}, fold {fold}; give one of them")
    _check_labels(runs)


def _check_labels(runs: Sequence[Run]) -> None:
    for label, [first, *others] in configurations_of(runs).items():
        for other in others:
            for what in ("method", "role"):
                one, another = getattr(first, what), getattr(other, what)
                if one != another:
                    raise InputError(
                        f"{first.folder} and {other.folder}: both are labelled {label}, but their {what}s are "
                        f"{one} and {another}; give one of them another label"
                    )
