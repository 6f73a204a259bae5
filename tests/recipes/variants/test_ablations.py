"""Ablations of AMID and AMID-U: each changes one thing, the paper's rows are among them, and all can be built."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from crossdistill.methods import AMID, METHODS
from crossdistill.recipes.files import options_of, with_fields
from crossdistill.recipes.library.bundled import emoji
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.ablations import ablations, ablations_of_amid_u
from crossdistill.recipes.variants.paper_tables import TABLES
from crossdistill.runs.build import build
from crossdistill.studies.plan import configurations
from crossdistill.types import TaskKind


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: leaf for name, item in value.items() for key, leaf in leaves(item, f"{path}.{name}").items()}
    return {path: value}


_OWN_OF_CLASS_MEANS = ("reduction", "alpha_1", "alpha_2", "alpha_3", "temperature")


def complete(made: Recipe) -> dict[str, Any]:
    """Every field and option of the run, defaults included."""
    options = options_of(METHODS[made.method]) | dict(made.options.get(made.method, {}))
    return leaves(asdict(replace(made, options={}, label="", role="method"))) | {
        f"option.{name}": v for name, v in options.items()
    }


@pytest.mark.parametrize("name", RECIPES)
def test_ablations_change_one_thing_of_amid(name: str) -> None:
    made = replace(RECIPES[name](), method="amid")
    for label, chosen in ablations(made).items():
        assert (chosen.label, chosen.role) == (label, "ablation")
        if chosen.method == "mi":  # another file: what the two have in common is the same
            assert (
                chosen.options["mi"].items()
                <= {**complete(made), **{k[7:]: v for k, v in complete(made).items()}}.items()
            )
            continue
        if chosen.method == "amid_class_means":  # with weights of its own, and nothing else
            options = {**options_of(AMID), **chosen.options["amid_class_means"], "reduction": "mean"}
            chosen = replace(chosen, method="amid", options={"amid": options})
            differing = {key for key, value in complete(made).items() if complete(chosen)[key] != value}
            assert "option.reduction" in differing
            assert differing <= {f"option.{name}" for name in _OWN_OF_CLASS_MEANS}
            continue
        before, after = complete(made), complete(chosen)
        changed = [key for key in before if before[key] != after[key]]
        allowed = 1
        if label.startswith("amid: auxiliary encoders"):
            allowed = 2  # frozen ones want training first; published weights that stay are released with the rest
        assert 0 < len(changed) <= allowed, (label, changed)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_every_task_has_the_ablations_that_mean_something_for_it(task: TaskKind) -> None:
    """Class means and KL are of classes; where no two samples are of one class, nothing moves the dynamic weights."""
    found = emoji()
    recipe = replace(found, data=replace(found.data, task=task))
    labels = [made.label or made.method for made in configurations(recipe, ["baseline", "amid"], True, False, [])]
    of_classes, dynamic = {"amid: L_nce", "amid: symmetric KL"}, "amid: no dynamic weight"
    assert (of_classes & set(labels)) == (of_classes if task == "classification" else set())
    assert (dynamic in labels) == (task != "regression")
    for rows in ("4", "5"):
        assert {row.label or row.method for row in TABLES[rows](recipe).values()} <= {"teacher", "amid", *labels}


def test_amid_u_s_ablations_change_one_option_each_but_for_both_weights_of_l_mi() -> None:
    found = emoji()
    for label, chosen in ablations_of_amid_u(found).items():
        assert (chosen.label, chosen.role, chosen.method) == (label, "ablation", "amid_u")
        before, after = complete(replace(found, method="amid_u")), complete(chosen)
        changed = [key for key in before if before[key] != after[key] and not key.startswith("label")]
        assert len(changed) == (2 if label == "amid_u: no L_MI" else 1), (label, changed)
        build(chosen)
    rows = ablations_of_amid_u(with_fields(found, {"amid_u.debiased": False, "amid_u.warmup": 0.0}))
    assert {"amid_u: not debiased", "amid_u: no warm-up"} & set(rows) == set(), "which change nothing there"
    assert rows["amid_u: JSD"].options["amid_u"]["warmup"] == 0, "the recipe's own options stay"


@pytest.mark.parametrize(
    "own", [{"alpha_1": 0.0}, {"alpha_2": 0.0}, {"alpha_1": 0.0, "alpha_2": 0.0}, {"alpha_3": 0.5}]
)
def test_no_two_of_amid_u_s_ablations_are_alike(own: dict[str, float]) -> None:
    made = with_fields(emoji(), {f"amid_u.{name}": value for name, value in own.items()})
    rows = ablations_of_amid_u(made)
    options = [complete(replace(made, method="amid_u")), *(complete(row) for row in rows.values())]
    assert all(first != second for place, first in enumerate(options) for second in options[:place])
    assert ("amid_u: no L_adv" in rows) == ("alpha_3" in own)
    assert ("amid_u: with L_adv" in rows) == ("alpha_3" not in own)


def test_ablations_are_of_what_is_compared() -> None:
    def methods(*names: str) -> set[str]:
        made = configurations(emoji(), names, True, False, [])
        return {recipe.label.partition(":")[0] for recipe in made if recipe.role == "ablation"}

    assert methods("baseline", "amid_u") == {"amid_u"}
    assert methods("baseline", "amid") == methods("kd") == {"amid"}
    assert methods("amid", "amid_u") == {"amid", "amid_u"}


@pytest.mark.parametrize(
    ("task", "missing"),
    [
        ("multilabel", {"amid_u: not debiased"}),
        ("regression", {"amid_u: not debiased", "amid_u: no sharpening"}),
    ],
)
def test_what_q_says_of_classes_alone_is_no_ablation_elsewhere(task: TaskKind, missing: set[str]) -> None:
    found = emoji()
    every, some = ablations_of_amid_u(found), ablations_of_amid_u(replace(found, data=replace(found.data, task=task)))
    assert set(every) - set(some) == missing
    assert set(some) < set(every)


def test_the_paper_s_rows_are_among_the_ablations() -> None:
    rows = ablations(emoji())
    assert rows["amid: L_MIs"].method == "mi"
    assert rows["amid: L_MIs + L_MIa"].options["amid"]["alpha_3"] == 0
    assert rows["amid: L_nce"].method == "amid_class_means", "[9] is CCL"
    assert rows["amid: InfoNCE"].options["amid"]["contrast"] == "nce"
    assert rows["amid: fixed teacher"].model.teacher == "fixed"
    assert rows["amid: no warm-up"].options["amid"]["warmup_epochs"] == 0
    assert rows["amid: no D2"].options["amid"]["second_discriminator"] is False
    assert rows["amid: no dynamic weight"].options["amid"]["dynamic_weights"] is False
    assert not any("auxiliary encoders" in label for label in rows), "the names' features have nothing to train"


def test_every_ablation_and_control_of_the_bundled_data_builds() -> None:
    for chosen in configurations(emoji(), ["amid"], True, True, []):
        build(chosen)
