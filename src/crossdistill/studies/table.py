"""results.parquet: every finished run of a comparison as one row."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from crossdistill.atomic import written_whole
from crossdistill.evaluation import gap_recovered
from crossdistill.recipes.files import to_yaml
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.runs.results import RunResults, read_results, require_results_of
from crossdistill.tasks import MEASURES, headline

VIEWS = {"student": "student", "teacher": "teacher", "auxiliary": "auxiliary_alone"}
_COMPLETE, _SAMPLES = "student_complete", "student_complete_samples"
Row = dict[str, Any]


def write_table(rows: Sequence[Row], output: Path) -> pd.DataFrame:
    """Write `row_of` each run to a Parquet file, whole or not at all, and return the table.

    Columns: label, role, method, seed, fold, split; target and auxiliary, modalities joined by " + "; classes, train,
    labelled and evaluated, how many classes, training samples, labelled ones among these, and measured samples there
    were; labelled_groups, the groups that kept their labels joined by " + ", "" where none were drawn, null where a run
    from before that was kept does not say; student_top1 (.._wa, .._ua, .._r1, .._r5), likewise teacher_ and auxiliary_,
    fractions, NaN where a method has no such model or the run measured nothing; of other tasks than classification
    their measures (_map, _micro_f1, _macro_f1; _r2, _rmse, _mae, _pearson, of several numbers their means, also where
    these have several units); where samples lack modalities student_complete, the headline measure on those
    student_complete_samples that have all; gap = teacher - student, and gap_recovered, against the runs labelled
    baseline and teacher of the same seed and fold, are of these; cosine_pair, cosine_same_class, on the evaluation
    split; seconds of training; peak_memory_mb, of the run (see `training.memory.peak_memory_mb`); parameters of the
    student and in all; versions; recipe, a hash of all settings but seed, fold, label and role; folder.
    """
    known = {(row["label"], row["seed"], row["fold"]): row for row in rows}
    table = pd.DataFrame([row | {"gap_recovered": _recovered(row, known)} for row in rows])
    if table[_COMPLETE].isna().all():
        table = table.drop(columns=[_COMPLETE, _SAMPLES])
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(output) as file:
        table.to_parquet(file, index=False)
    return table


def recipe_hash(recipe: Recipe) -> str:
    """12 hexadecimal digits that two runs share when they differ in seed, fold, label and role alone."""
    text = to_yaml(replace(as_method(recipe, recipe.method), seed=0, data=replace(recipe.data, fold=-1)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def row_of(folder: Path, recipe: Recipe) -> Row:
    """A finished run's row, but for the gap recovered. Raises InputError where its results.json is damaged."""
    results = read_results(folder)
    require_results_of(folder, results, recipe.method, recipe.seed, recipe.data.fold)
    row: Row = {
        "label": results.label,
        "role": results.role,
        "method": results.method,
        "seed": results.seed,
        "fold": results.fold,
        "split": results.split,
        "target": " + ".join(results.target),
        "auxiliary": " + ".join(results.auxiliary),
        "classes": len(results.classes),
        "train": (trained := results.samples.get("train", 0)),
        "labelled": results.samples.get("labelled", trained),
        "evaluated": results.samples.get(results.split, 0),
        "labelled_groups": _labelled_groups(results, recipe),
    }
    for column, view in VIEWS.items():
        scores = results.scores.get(view)
        row |= {f"{column}_{each.key}": getattr(scores, each.key, math.nan) for each in MEASURES[results.task]}
    student = results.scores.get("student")
    row |= {_COMPLETE: getattr(student, "complete", math.nan), _SAMPLES: getattr(student, "complete_measured", 0)}
    return row | {
        "gap": _headline(row, "teacher") - _on_complete(row),
        "cosine_pair": results.cosine_pair,
        "cosine_same_class": results.cosine_same_class,
        "seconds": results.seconds,
        "peak_memory_mb": results.peak_memory_mb,
        "student_parameters": results.parameters.student,
        "parameters": results.parameters.total,
        **{f"version_{name}": version for name, version in results.versions.items()},
        "recipe": recipe_hash(recipe),
        "folder": folder.name,
    }


def _labelled_groups(results: RunResults, recipe: Recipe) -> str | None:
    if recipe.data.labelled_groups and "labelled" in results.samples and not results.labelled_groups:
        return None
    return " + ".join(results.labelled_groups)


def _recovered(row: Row, known: Mapping[tuple[str, int, int], Row]) -> float:
    """The run's share of the way from the baseline to the teacher alone, of its own seed and fold."""
    baseline, teacher = (known.get((label, row["seed"], row["fold"])) for label in ("baseline", "teacher"))
    if baseline is None or teacher is None:
        return math.nan
    said = 0 < row[_SAMPLES] == baseline[_SAMPLES]  # else both on all that they are measured on
    student, alone = (_on_complete(each) if said else _headline(each, "student") for each in (row, baseline))
    return gap_recovered(student, alone, _headline(teacher, "teacher"))


def _on_complete(row: Row) -> float:
    """The student's headline measure on the samples that the teacher is measured on, which have all modalities."""
    return _headline(row, "student") if math.isnan(row[_COMPLETE]) else float(row[_COMPLETE])


def _headline(row: Row, model: str) -> float:
    """A model's headline measure, whatever the task."""
    [value] = [row[key] for kind in MEASURES if (key := f"{model}_{headline(kind).key}") in row]
    return float(value)
