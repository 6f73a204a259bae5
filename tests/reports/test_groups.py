"""Configurations are grouped by the form of their labels, and shown in an order that no folder's place decides."""

from __future__ import annotations

import random

import pytest

from crossdistill.reports.groups import by_importance, first_of, group_of, grouped
from tests.reports.synthetic import runs_of

ACCURACIES = {
    "baseline": [0.6], "amid": [0.7], "kd": [0.72], "amid: no D2": [0.69], "amid: L_MIs + L_MIa": [0.71],
    "amid, shuffled auxiliary": [0.6], "amid alpha_1=10": [0.7], "amid alpha_1=3.7": [0.6], "teacher": [0.8],
    "amid alpha_1=4": [0.65],
}  # fmt: skip


@pytest.mark.parametrize(
    ("label", "method", "group"),
    [
        ("baseline", "baseline", "without distillation"),
        ("auxiliary", "auxiliary", "without distillation"),
        ("amid", "amid", "methods"),
        ("c2kd", "c2kd", "methods"),
        ("amid: fixed teacher", "amid", "ablations"),
        ("amid: L_MIs", "mi", "ablations"),
        ("amid, shuffled auxiliary", "amid", "controls"),
        ("amid, noise auxiliary", "amid", "controls"),
        ("kd, capacity-matched", "kd", "controls"),
        ("amid alpha_1=3.7", "amid", "variations"),
        ("amid model.width=64 alpha_1=1", "amid", "variations"),
    ],
)
def test_group_by_the_label_s_form(label: str, method: str, group: str) -> None:
    assert group_of(label, method) == group


def test_methods_by_accuracy_and_variations_by_value_in_whatever_order_they_come() -> None:
    runs = runs_of(ACCURACIES)
    expected = [
        "baseline", "teacher", "kd", "amid", "amid: L_MIs + L_MIa", "amid: no D2", "amid, shuffled auxiliary",
        "amid alpha_1=3.7", "amid alpha_1=4", "amid alpha_1=10",
    ]  # fmt: skip
    for seed in range(5):
        random.Random(seed).shuffle(runs)
        assert list(grouped(runs)) == expected


def test_figures_with_room_for_a_few_show_what_the_paper_s_show() -> None:
    runs = runs_of(ACCURACIES)
    shown = first_of(ACCURACIES, by_importance(runs), 5)
    assert shown == ["amid", "baseline", "teacher", "amid: L_MIs + L_MIa", "amid: no D2"]
    assert sorted(by_importance(runs)) == sorted(ACCURACIES)


def test_a_configuration_without_accuracy_comes_last_in_its_group() -> None:
    assert list(grouped(runs_of({"kd": [float("nan")], "amid": [0.1], "crd": [0.2]}))) == ["crd", "amid", "kd"]
