"""results.parquet: a row a run, with what can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crossdistill.recipes.folder import write_results
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.results import recipe_hash, write_table
from crossdistill.training import Machine, Optimization

from .small import recipe, with_data


def finished(folder: Path, made: Recipe, **accuracies: float) -> tuple[Path, Recipe]:
    """A run's folder as it is left behind, its accuracies given by view."""
    folder.mkdir(parents=True)
    views = {view: dict.fromkeys(("top1", "wa", "ua", "r1", "r5"), value) for view, value in accuracies.items()}
    rest: dict[str, Any] = {
        "method": made.method,
        "label": made.label or made.method,
        "seed": made.seed,
        "split": "test",
        "seconds": 1.5,
        "peak_memory_mb": 300.0,
        "parameters": {"student": 10, "total": 30},
        "versions": {"torch": "2.13.0"},
    }
    write_results(folder, rest | views)
    return folder, made


def test_gap_recovered_is_that_of_the_same_seed(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path / "a", recipe(method="baseline"), student=0.5),
        finished(tmp_path / "b", recipe(method="teacher"), teacher=0.9),
        finished(tmp_path / "c", recipe(method="amid"), student=0.6, teacher=0.8),
        finished(tmp_path / "d", recipe(method="amid", seed=1), student=0.7, teacher=0.8),
        (tmp_path / "e", recipe(method="mi")),  # not finished
    ]
    table = write_table(runs, tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), table)
    assert table["folder"].tolist() == ["a", "b", "c", "d"]
    amid = table[table["label"] == "amid"].reset_index(drop=True)
    assert amid["gap"].tolist() == pytest.approx([0.2, 0.1])
    assert amid["gap_recovered"][0] == pytest.approx(0.25)
    assert math.isnan(amid["gap_recovered"][1]), "there is no baseline of seed 1"
    assert math.isnan(table["teacher_top1"][0])
    assert table["gap_recovered"][0] == 0
    assert not (tmp_path / "results.parquet.partial").exists()


def test_a_label_has_a_row_of_its_own_and_a_fold_its_own_references(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path / "a", with_data(recipe(method="baseline"), fold=0), student=0.5),
        finished(tmp_path / "b", with_data(recipe(method="teacher"), fold=0), teacher=0.7),
        finished(tmp_path / "c", with_data(recipe(method="amid", label="amid, x"), fold=0), student=0.6),
        finished(tmp_path / "d", with_data(recipe(method="amid", label="amid, x"), fold=1), student=0.6),
    ]
    table = write_table(runs, tmp_path / "results.parquet")
    assert table["label"].tolist() == ["baseline", "teacher", "amid, x", "amid, x"]
    assert table["fold"].tolist() == [0, 0, 0, 1]
    assert table["gap_recovered"][2] == pytest.approx(0.5)
    assert math.isnan(table["gap_recovered"][3])


def test_nothing_finished_is_an_empty_table(tmp_path: Path) -> None:
    assert len(write_table([(tmp_path / "a", recipe())], tmp_path / "results.parquet")) == 0


def test_the_hash_is_of_what_makes_a_configuration() -> None:
    made = recipe()
    same = [
        replace(made, seed=7),
        replace(made, label="other"),
        with_data(made, fold=1),
        replace(made, machine=Machine(threads=3)),
    ]
    assert {recipe_hash(other) for other in same} == {recipe_hash(made)}
    others = [replace(made, epochs=4), replace(made, method="mi"), replace(made, optimization=Optimization("sgd"))]
    assert len({recipe_hash(other) for other in [made, *others]}) == 4
