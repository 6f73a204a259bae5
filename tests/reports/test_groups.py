"""Configurations are grouped by their role, and shown in an order that no folder's place decides."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossdistill.recipes.recipe import Recipe
from crossdistill.reports import load_runs
from crossdistill.reports.groups import by_importance, first_of, group_of, grouped
from crossdistill.runs.run import run
from crossdistill.studies.plan import configurations, plan
from tests.reports.synthetic import run_of, runs_of, write_run
from tests.runs.small import folder_of, gestures, recipe

ACCURACIES = {
    "baseline": [0.6], "amid": [0.7], "kd": [0.72], "amid: no D2": [0.69], "amid: L_MIs + L_MIa": [0.71],
    "amid, shuffled auxiliary": [0.6], "amid alpha_1=10": [0.7], "amid alpha_1=3.7": [0.6], "teacher": [0.8],
    "amid alpha_1=4": [0.65],
}  # fmt: skip
ROLES: dict[str, dict[str, Any]] = {
    "amid: no D2": {"role": "ablation"},
    "amid: L_MIs + L_MIa": {"role": "ablation"},
    "amid, shuffled auxiliary": {"role": "control"},
} | {
    f"amid alpha_1={value}": {"role": "variation", "varied": "amid.alpha_1", "value": float(value)}
    for value in ("10", "3.7", "4")
}


@pytest.mark.parametrize(
    ("method", "role", "group"),
    [
        ("baseline", "method", "without distillation"),
        ("auxiliary", "method", "without distillation"),
        ("self_training", "method", "without distillation"),
        ("amid", "method", "methods"),
        ("c2kd", "method", "methods"),
        ("amid", "ablation", "ablations"),
        ("mi", "ablation", "ablations"),
        ("kd", "control", "controls"),
        ("amid", "variation", "variations"),
        ("baseline", "variation", "variations"),
    ],
)
@pytest.mark.parametrize("label", ["x", "my noise robust net", "beta=0.5 trial", "amid: no D2", "capacity"])
def test_the_role_decides_and_the_label_does_not(label: str, method: str, role: str, group: str) -> None:
    assert group_of(run_of(label, 0, 0.5, method=method, role=role)) == group


@pytest.mark.parametrize("label", ["my noise robust net", "beta=0.5 trial", "shuffled", "amid: no D2"])
def test_a_run_without_a_role_is_a_method(label: str, tmp_path: Path) -> None:
    assert grouped(load_runs([write_run(tmp_path / "run", "amid", label=label)])) == {label: "methods"}


MISLEADING = ("my noise robust net {}", "beta={} trial", "shuffled, {}", "amid: no D{}")


def comparison_of(source: Path) -> list[Recipe]:
    """A comparison of one epoch each, under labels that say nothing of what is compared."""
    small = recipe(source, epochs=1, auxiliary_epochs=1)
    compared = configurations(small, ["baseline", "amid"], True, True, ["amid.alpha_1=10,3.7", "epochs=2,1"])
    return [replace(made, label=MISLEADING[i % 4].format(i)) for i, made in enumerate(compared)]


def test_a_comparison_is_grouped_by_what_was_planned(tmp_path: Path) -> None:
    compared = comparison_of(folder_of(gestures(), tmp_path))
    folders = [tmp_path / "runs" / name for name in plan(compared, 1, [])]
    for made, folder in zip(plan(compared, 1, []).values(), folders, strict=True):
        run(made, folder)
    groups = grouped(load_runs(folders))
    names = {made.label: made for made in compared}
    assert groups[compared[0].label] == "without distillation"
    assert groups[compared[1].label] == "methods"
    assert [names[label].data.control for label, group in groups.items() if group == "controls"].count("none") == 0
    assert sum(group == "controls" for group in groups.values()) == 4
    ablated = [names[label] for label, group in groups.items() if group == "ablations"]
    assert len(ablated) >= 8
    assert all(made.data.control == "none" and not made.varied for made in ablated)
    varied = [names[label] for label, group in groups.items() if group == "variations"]
    assert [(made.method, made.varied) for made in varied] == [
        ("amid", "amid.alpha_1"), ("amid", "amid.alpha_1"), ("amid", "epochs"), ("amid", "epochs"),
        ("baseline", "epochs"), ("baseline", "epochs"),
    ]  # fmt: skip
    assert [made.options["amid"]["alpha_1"] for made in varied[:2]] == [3.7, 10]
    assert [made.epochs for made in varied[2:]] == [1, 2, 1, 2]


def test_methods_by_accuracy_and_variations_by_value_in_whatever_order_they_come() -> None:
    runs = runs_of(ACCURACIES, ROLES)
    expected = [
        "baseline", "teacher", "kd", "amid", "amid: L_MIs + L_MIa", "amid: no D2", "amid, shuffled auxiliary",
        "amid alpha_1=3.7", "amid alpha_1=4", "amid alpha_1=10",
    ]  # fmt: skip
    for seed in range(5):
        random.Random(seed).shuffle(runs)
        assert list(grouped(runs)) == expected


def test_a_value_that_is_no_number_comes_last() -> None:
    values = {"amid reduction=sum": float("nan"), "amid reduction=2": 2.0, "amid reduction=10": 10.0}
    roles = {
        label: {"role": "variation", "varied": "amid.reduction", "value": value} for label, value in values.items()
    }
    runs = runs_of({label: [0.5] for label in values}, roles)
    assert list(grouped(runs)) == ["amid reduction=2", "amid reduction=10", "amid reduction=sum"]


def test_figures_with_room_for_a_few_show_what_the_paper_s_show() -> None:
    runs = runs_of(ACCURACIES, ROLES)
    shown = first_of(ACCURACIES, by_importance(runs), 5)
    assert shown == ["amid", "baseline", "teacher", "amid: L_MIs + L_MIa", "amid: no D2"]
    assert sorted(by_importance(runs)) == sorted(ACCURACIES)


def test_a_configuration_without_accuracy_comes_last_in_its_group() -> None:
    assert list(grouped(runs_of({"kd": [float("nan")], "amid": [0.1], "crd": [0.2]}))) == ["crd", "amid", "kd"]
