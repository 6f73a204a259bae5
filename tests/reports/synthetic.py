"""Synthetic run folders, written in the layout of `crossdistill train`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import yaml

from crossdistill.reports.runs import Run
from crossdistill.runs.results import Scores

CLASSES = ("walk", "run", "sit", "stand")
TERMS = {
    "baseline": ("classification",),
    "teacher": ("classification",),
    "auxiliary": ("classification",),
    "amid": ("classification", "jsd", "mi_student", "mi_auxiliary", "adversarial"),
}
VIEWS = {"baseline": ("student",), "teacher": ("teacher",), "auxiliary": ("auxiliary_alone",)}


def scores(top1: float, classes: int, seed: int = 0) -> dict[str, Any]:
    """Consistent scores of about this accuracy over 50 samples a class."""
    rng = np.random.default_rng(seed)
    confusion = np.zeros((classes, classes), dtype=int)
    for row in range(classes):
        right = int(np.clip(round(50 * top1 + rng.normal(0, 4)), 0, 50))
        confusion[row, row] = right
        others = [column for column in range(classes) if column != row] or [row]
        for column in rng.choice(others, 50 - right):
            confusion[row, column] += 1
    per_class = (confusion.diagonal() / confusion.sum(1)).tolist()
    measures = {"top1": top1, "wa": top1, "ua": float(np.mean(per_class)), "r1": top1 - 0.02, "r5": top1 + 0.1}
    return {**measures, "per_class": per_class, "confusion": confusion.tolist(), "measured": 50 * classes}


def write_run(
    folder: Path,
    method: str,
    seed: int = 0,
    accuracies: Mapping[str, float] | None = None,
    classes: Sequence[str] = CLASSES,
    name: str = "watch",
    epochs: int = 12,
    fold: int = -1,
    label: str = "",
    role: str = "",
) -> Path:
    """A finished run folder; accuracies: view -> top-1, by default those of the method's views.

    label, role: "" leaves it out, as in runs from before there were any.
    """
    accuracies = accuracies or dict.fromkeys(VIEWS.get(method, ("student", "teacher")), 0.7)
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"name": name, "method": method, "seed": seed, "epochs": epochs, "data": {"fold": fold}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")
    lines = [{"stage": "pretraining", "epoch": epoch, "training/loss/forgotten": 1.0} for epoch in range(epochs + 5)]
    lines += [epoch_metrics(method, epoch, epochs, seed, accuracies) for epoch in range(epochs)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    results = {
        "name": name,
        "method": method,
        **({"label": label} if label else {}),
        **({"role": role} if role else {}),
        "seed": seed,
        "fold": fold,
        "split": "test",
        "classes": list(classes),
        "samples": {"train": 1000, "test": 50 * len(classes)},
        "target": ["video"],
        "auxiliary": ["audio", "text"],
        "seconds": 61.4 + seed,
        "peak_memory_mb": 512.0,
        "parameters": {"student": 1000, "total": 4000},
        "versions": {"crossdistill": "0.1.0", "torch": "2.9.0", "python": "3.11.4", "threads": "1"},
        **{view: scores(top1, len(classes), seed) for view, top1 in accuracies.items()},
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (folder / "config.json").write_text("{}", encoding="utf-8")  # reports ask for no more than that it is there
    return folder


def epoch_metrics(
    method: str, epoch: int, epochs: int, seed: int, accuracies: Mapping[str, float]
) -> dict[str, float | str]:
    rng = np.random.default_rng([seed, epoch, len(method)])
    grown = 1 - np.exp(-4 * (epoch + 1) / epochs)
    line: dict[str, float | str] = {"stage": method, "epoch": epoch, "seconds": 1.0, "learning_rate": 1e-3}
    for index, term in enumerate(TERMS.get(method, ("classification", "distillation"))):
        line[f"training/loss/{term}"] = (2 + index) * (1.1 - grown) + rng.normal(0, 0.05)
    for view in ("student", "teacher"):
        if view in accuracies:
            line[f"evaluation/{view}/top1"] = accuracies[view] * grown + rng.normal(0, 0.01)
    if {"student", "teacher"} <= accuracies.keys():
        line["evaluation/gap"] = float(line["evaluation/teacher/top1"]) - float(line["evaluation/student/top1"])
        closeness = accuracies["student"] * grown
        line |= {"evaluation/cosine_pair": 1.2 * closeness, "evaluation/cosine_same_class": closeness}
    if method == "amid":
        line |= {"training/lambda_1": 0.5 - 0.2 * grown, "training/lambda_2": 0.5 + 0.2 * grown}
        line["training/discriminators/d1"] = 1.4 - 0.3 * grown
        line["training/cosine_pair"] = 0.95 * grown
        line["training/cosine_same_class"] = 0.75 * grown + rng.normal(0, 0.01)
    return line


def edit_results(folder: Path, **changes: Any) -> None:
    path = folder / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def run_of(label: str, seed: int, student: float, method: str = "", fold: int = -1, **changes: Any) -> Run:
    """A run that was never on disk, with one student and no log; method: the label unless given."""
    measures = [student] * 5
    fields: dict[str, Any] = {
        "folder": Path("runs") / label / str(seed),
        "name": "watch",
        "method": method or label,
        "label": label,
        "role": "method",
        "varied": "",
        "value": math.nan,
        "seed": seed,
        "fold": fold,
        "split": "test",
        "followed": "test",
        "classes": ("walk",),
        "samples": {"test": 100},
        "target": ("video",),
        "auxiliary": ("audio",),
        "seconds": 60.0,
        "versions": {"crossdistill": "0.1.0"},
        "scores": {
            "student": Scores(*measures, np.full(1, np.nan), np.zeros((1, 1), np.int64), 0),
        },
        "records": (),
        "recipe": f"name: watch\nseed: {seed}\n",
    }
    return Run(**(fields | changes))


def runs_of(
    accuracies: Mapping[str, Sequence[float]], roles: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> list[Run]:
    """label -> student top-1 of seeds 0, 1, ...; the method is the label up to a comma, colon or space.

    roles: label -> the role of what is not a method, and of a variation what it sets to which value
    """
    return [
        run_of(label, seed, value, method=re.split("[,: ]", label)[0], **roles.get(label, {}))
        for label, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def study_table(
    settings: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    teachers: Mapping[str, float] = MappingProxyType({}),
    labelled: Mapping[str, int] = MappingProxyType({}),
) -> pd.DataFrame:
    """A benchmark's table: (set, budget) -> label -> student top-1 of seeds 0, 1, ...; of `teacher` and `auxiliary`,
    theirs.

    teachers: label -> the top-1 of its teacher, for all seeds; labelled: budget -> of 400 training samples
    """
    rows = []
    for (name, budget), accuracies in settings.items():
        for label, values in accuracies.items():
            role = "control" if ", " in label else "ablation" if ": " in label else "method"
            for seed, value in enumerate(values):
                student = math.nan if label in ("teacher", "auxiliary") else value
                teacher = value if label == "teacher" else teachers.get(label, math.nan)
                rows.append({
                    "set": name, "budget": budget, "label": label, "role": role,
                    "method": re.split("[,:]", label)[0], "seed": seed, "fold": -1, "split": "test",
                    "target": "wrist", "auxiliary": "eye + voice", "classes": 3, "train": 400,
                    "labelled": labelled.get(budget, 40 if budget != "all labels" else 400), "evaluated": 200,
                    "student_top1": student, "teacher_top1": teacher, "student_r1": student,
                    "auxiliary_top1": value if label == "auxiliary" else math.nan,
                    "gap": teacher - student, "version_torch": "2.9.0", "version_threads": "1",
                })  # fmt: skip
    return pd.DataFrame(rows)
