"""Run folders read into typed values, checked so that every later step can rely on them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from crossdistill.types import InputError

T = TypeVar("T")

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
    scores: "student", "teacher", "auxiliary_alone" -> its scores; only the models that the method has
    metrics: one row per epoch of the method itself (pre-training stages are left out), columns as in metrics.jsonl
    fold: of the recipe's data, -1 where there is none
    recipe: the text of recipe.yaml
    """

    folder: Path
    name: str
    method: str
    label: str
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
    classes or splits, two runs have the same label, seed and fold, or one label stands for two methods.
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
    recipe = _read(folder / RECIPE)
    results = _Fields(folder / RESULTS, _json(folder / RESULTS, _read(folder / RESULTS)))
    classes = tuple(str(label) for label in results.get("classes", list))
    method = results.get("method", str)
    return Run(
        folder=folder,
        name=results.get("name", str),
        method=method,
        label=(results.get("label", str) if "label" in results.values else "") or method,
        seed=results.get("seed", int),
        fold=_fold(folder / RECIPE, recipe),
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


@dataclass(frozen=True)
class _Fields:
    """A JSON object whose fields are read with their type; `path` names it in messages."""

    path: Path
    values: Mapping[str, Any]
    prefix: str = ""

    def get(self, key: str, kind: type[T]) -> T:
        value = self.values.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            actual = "nothing" if key not in self.values else repr(value)[:40]
            raise InputError(f"{self.path}: {self.prefix}{key}: expected {kind.__name__}, found {actual}")
        return value

    def number(self, key: str) -> float:
        """A float; null, which stands for NaN in strict JSON, is NaN."""
        value = self.values.get(key)
        if key in self.values and value is None:
            return math.nan
        return float(value) if type(value) is int else self.get(key, float)

    def within(self, key: str) -> _Fields:
        return _Fields(self.path, self.get(key, dict), f"{self.prefix}{key}.")

    def array(self, key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        try:
            array = np.asarray(self.get(key, list), dtype=np.float64)  # null becomes NaN
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.path}: {self.prefix}{key}: expected numbers, found something else") from error
        if array.shape != shape:
            raise InputError(f"{self.path}: {self.prefix}{key}: expected shape {shape}, found {array.shape}")
        return array


def _scores(fields: _Fields, classes: int) -> Scores:
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
    rows = [_json(path, line, f" line {number}") for number, line in enumerate(_read(path).splitlines(), 1)]
    if any(not isinstance(row.get("epoch"), int) for row in rows):
        raise InputError(f"{path}: every line needs a whole number `epoch`, at least one has none")
    # a resumed run may have logged an epoch twice: the later one counts
    rows_by_epoch = {row["epoch"]: row for row in rows if row.get("stage") == method}
    return pd.DataFrame(list(rows_by_epoch.values()), columns=None if rows_by_epoch else ["epoch"])


def _fold(path: Path, recipe: str) -> int:
    try:
        fields = yaml.safe_load(recipe)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    data = fields.get("data") if isinstance(fields, dict) else None
    fold = data.get("fold", -1) if isinstance(data, dict) else -1
    return fold if isinstance(fold, int) else -1


def _json(path: Path, text: str, where: str = "") -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}{where}: not valid JSON ({error.msg}); was the run cut off?") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}{where}: expected a JSON object, found {type(value).__name__}")
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from error


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
    for label, replicates in configurations_of(runs).items():
        other = next((run for run in replicates if run.method != replicates[0].method), None)
        if other is not None:
            raise InputError(
                f"{replicates[0].folder} and {other.folder}: both are labelled {label}, but their methods are "
                f"{replicates[0].method} and {other.method}; give one of them another label"
            )
