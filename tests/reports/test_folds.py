"""WA and UA over folds: means, and all folds' samples pooled, against loops over single samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossdistill.evaluation import mean_ci, unweighted_accuracy, weighted_accuracy
from crossdistill.reports import load_runs
from crossdistill.reports.folds import accuracies, folds_table, validated
from crossdistill.reports.markdown import document
from crossdistill.reports.runs import Run
from crossdistill.reports.sections import report_of
from tests.reports.synthetic import write_run

CLASSES = ("angry", "happy", "sad")
SIZES = {0: (9, 4, 7), 1: (2, 12, 1), 3: (5, 0, 20)}
"""Fold -> test samples of each class; one fold lacks a class."""


def sample_lists(seed: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes."""
    random = np.random.default_rng([seed, fold])
    true = np.repeat(np.arange(3), SIZES[fold])
    return true, np.where(random.random(len(true)) < 0.6, true, random.integers(0, 3, len(true)))


def folds_of(folder: Path, method: str, seeds: range, left_out: tuple[int, int] = (-1, -1)) -> list[Path]:
    found = []
    for seed in seeds:
        for fold in SIZES:
            if (seed, fold) == left_out:
                continue
            path = write_run(folder / f"{method}-{seed}-{fold}", method, seed, classes=CLASSES, fold=fold)
            content = json.loads((path / "results.json").read_text())
            true, predicted = sample_lists(seed, fold)
            counts = np.zeros((3, 3), int)
            np.add.at(counts, (true, predicted), 1)
            measures = {
                "wa": weighted_accuracy(predicted, true),
                "ua": unweighted_accuracy(predicted, true),
                "confusion": counts.tolist(),
            }
            for view in ("student", "teacher"):
                if view in content:
                    content[view] |= measures
            (path / "results.json").write_text(json.dumps(content))
            found.append(path)
    return found


def test_means_and_pooled_by_loops_over_samples(tmp_path: Path) -> None:
    runs = load_runs(folds_of(tmp_path, "amid", range(3), left_out=(1, 3)))
    found = validated(runs, "student", [0, 1, 3])
    assert found.seeds == 2, "a seed that lacks a fold is left out"
    means, pooled = [], []
    for seed in (0, 2):
        lists = [sample_lists(seed, fold) for fold in SIZES]
        means.append([weighted_accuracy(predicted, true) for true, predicted in lists])
        true, predicted = (np.concatenate(part) for part in zip(*lists, strict=True))
        pooled.append((weighted_accuracy(predicted, true), unweighted_accuracy(predicted, true)))
    assert found.mean_wa == pytest.approx(mean_ci(np.mean(means, axis=1)))
    assert found.pooled_wa == pytest.approx(mean_ci([wa for wa, _ in pooled]))
    assert found.pooled_ua == pytest.approx(mean_ci([ua for _, ua in pooled]))
    assert found.mean_wa[0] != pytest.approx(found.pooled_wa[0], abs=1e-3), "folds differ in size"


def test_every_fold_of_equal_size_makes_pooled_wa_the_mean() -> None:
    counts = [np.diag([3, 4, 1]) + 1.0, np.diag([2, 2, 4]) + 1.0]
    assert accuracies(sum(counts))[0] == pytest.approx(np.mean([accuracies(c)[0] for c in counts]))
    assert accuracies(np.diag([1.0, 0.0, 5.0])) == (1.0, 1.0), "a class without a sample does not count"


def two_methods(folder: Path) -> list[Run]:
    return load_runs([*folds_of(folder, "amid", range(2)), *folds_of(folder, "baseline", range(2))])


def test_the_table_has_a_row_for_each_model(tmp_path: Path) -> None:
    table = folds_table(two_methods(tmp_path))
    assert table is not None
    assert [row.cells[:3] for row in table.rows] == [
        ("baseline", "student", "2"),
        ("amid", "student", "2"),
        ("amid", "teacher", "2"),
    ]
    assert all("±" in cell for row in table.rows for cell in row.cells[3:])


def test_reports_have_it_where_there_are_folds_only(tmp_path: Path) -> None:
    runs = two_methods(tmp_path)
    text = document(report_of(runs, "crossdistill compare"), "figures")
    assert "Over 3 folds" in text
    assert "WA, pooled" in text
    one_fold = [run for run in runs if run.fold == 0]
    assert folds_table(one_fold) is None
    assert "pooled" not in document(report_of(one_fold, "crossdistill compare"), "figures")
