"""results.parquet: every finished run of a comparison as one row."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from crossdistill.evaluation import gap_recovered
from crossdistill.recipes import folder as layout
from crossdistill.recipes.files import to_yaml
from crossdistill.recipes.recipe import Recipe
from crossdistill.training import Machine

VIEWS = {"student": "student", "teacher": "teacher", "auxiliary": "auxiliary_alone"}
Row = dict[str, Any]
MEASURES = ("top1", "wa", "ua", "r1", "r5")


def write_table(folders: Iterable[tuple[Path, Recipe]], output: Path) -> pd.DataFrame:
    """Write the finished ones among the runs to a Parquet file, whole or not at all, and return the table.

    Columns: label, method, seed, fold, split; student_top1 (.._wa, .._ua, .._r1, .._r5), likewise teacher_ and
    auxiliary_, fractions, NaN where a method has no such model; gap = teacher - student; gap_recovered, against the
    runs labelled baseline and teacher of the same seed and fold; cosine_pair, cosine_same_class; seconds of training;
    peak_memory_mb; parameters of the student and in all; versions; recipe, a hash of all settings but seed, fold,
    label and machine; folder.
    """
    rows = [_row(folder, recipe) for folder, recipe in folders if layout.is_finished(folder)]
    table = pd.DataFrame([row | {"gap_recovered": _recovered(row, rows)} for row in rows])
    partial = output.with_name(output.name + ".partial")
    table.to_parquet(partial, index=False)
    partial.replace(output)
    return table


def recipe_hash(recipe: Recipe) -> str:
    """12 hexadecimal digits that two runs share when they differ in seed, fold, label and machine alone."""
    data = replace(recipe.data, fold=-1)
    return hashlib.sha256(
        to_yaml(replace(recipe, seed=0, label="", data=data, machine=Machine())).encode()
    ).hexdigest()[:12]


def _row(folder: Path, recipe: Recipe) -> Row:
    found = layout.read_results(folder)
    row: Row = {
        "label": found["label"],
        "method": found["method"],
        "seed": found["seed"],
        "fold": recipe.data.fold,
        "split": found["split"],
    }
    for column, view in VIEWS.items():
        row |= {f"{column}_{measure}": _number(found.get(view, {}).get(measure)) for measure in MEASURES}
    return row | {
        "gap": row["teacher_top1"] - row["student_top1"],
        "cosine_pair": _number(found.get("cosine/pair")),
        "cosine_same_class": _number(found.get("cosine/same_class")),
        "seconds": found["seconds"],
        "peak_memory_mb": found["peak_memory_mb"],
        "student_parameters": found["parameters"]["student"],
        "parameters": found["parameters"]["total"],
        **{f"version_{name}": version for name, version in found["versions"].items()},
        "recipe": recipe_hash(recipe),
        "folder": folder.name,
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _recovered(row: Row, rows: Sequence[Row]) -> float:
    """The run's share of the way from the baseline to the teacher alone, of its own seed and fold."""
    same = {other["label"]: other for other in rows if (other["seed"], other["fold"]) == (row["seed"], row["fold"])}
    if not {"baseline", "teacher"} <= same.keys():
        return math.nan
    return gap_recovered(row["student_top1"], same["baseline"]["student_top1"], same["teacher"]["teacher_top1"])
