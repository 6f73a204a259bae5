"""What a comparison runs: configurations, variations, controls, ablations, and the folders of their runs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from crossdistill.methods import METHODS
from crossdistill.recipes.ablations import ablations
from crossdistill.recipes.build import build_dataset, build_method, build_model
from crossdistill.recipes.bundled import RECIPES, emoji
from crossdistill.recipes.compare import configurations, distils, parse_methods, parse_variation, plan, slug
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError

from .small import recipe


def labels(found: list[Recipe]) -> list[str]:
    return [chosen.label or chosen.method for chosen in found]


def test_methods_by_name_or_all() -> None:
    assert parse_methods("all") == list(METHODS)
    assert parse_methods("amid, baseline") == parse_methods("[amid,baseline]") == ["amid", "baseline"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("amdi", "found 'amdi'"), ("", "found ''"), ("amid,amid", "amid is named twice"), ("all,amid", "found 'all'")],
)
def test_unknown_methods_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_methods(text)


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("amid.alpha_1=3.7:4.2:0.1", "amid.alpha_1", [3.7, 3.8, 3.9, 4.0, 4.1, 4.2]),
        ("alpha_1=0.1:0.35:0.1", "alpha_1", [0.1, 0.2, 0.3]),
        ("epochs=2:6:2", "epochs", [2, 4, 6]),
        ("optimization.name=sgd,adamw", "optimization.name", ["sgd", "adamw"]),
        ("amid.second_discriminator=true,false", "amid.second_discriminator", [True, False]),
        ("amid.alpha_1=1e-3", "amid.alpha_1", ["1e-3"]),  # YAML's text; the recipe's parser makes a number of it
    ],
)
def test_variations_are_read_without_rounding_noise(text: str, key: str, values: list[Any]) -> None:
    assert parse_variation(text) == (key, values)


@pytest.mark.parametrize("text", ["amid.alpha_1", "=3", "amid.alpha_1=", "a=1:2:0", "a=2:1:0.1", "a=x:2:1", "a=1:2:-1"])
def test_variations_that_make_no_sense_are_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"--vary.*expected"):
        parse_variation(text)


def test_a_variation_reaches_the_methods_that_have_the_option() -> None:
    found = configurations(recipe(), ["baseline", "mi", "amid"], False, False, ["alpha_1=1,2", "amid.beta=0.5"])
    assert labels(found)[3:] == ["mi alpha_1=1", "mi alpha_1=2", "amid alpha_1=1", "amid alpha_1=2", "amid beta=0.5"]
    assert [r.options[r.method]["alpha_1"] for r in found[3:7]] == [1.0, 2.0, 1.0, 2.0]
    assert found[-1].options["amid"]["beta"] == 0.5
    assert found[-1].options["amid"]["warmup_epochs"] == 1, "what the recipe sets stays"


def test_a_variation_of_a_field_reaches_every_method() -> None:
    found = configurations(recipe(), ["baseline", "amid"], False, False, ["optimization.learning_rate=1e-3,0.01"])
    assert [r.optimization.learning_rate for r in found[2:]] == [0.001, 0.01, 0.001, 0.01]


@pytest.mark.parametrize("text", ["alpha_77=1", "amid.alpha_77=1", "optimization.speed=1", "amid.alpha_1=much"])
def test_variations_that_fit_nothing_are_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        configurations(recipe(), ["baseline", "amid"], False, False, [text])
    assert "\n" not in str(caught.value)


def test_controls_are_for_what_distils() -> None:
    found = configurations(recipe(), ["baseline", "teacher", "auxiliary", "mi"], False, True, [])
    assert labels(found)[4:] == ["mi, shuffled auxiliary", "mi, noise auxiliary", "mi, capacity-matched"]
    assert [r.data.control for r in found[4:]] == ["shuffled", "noise", "target"]
    assert not any(distils(method) for method in ("baseline", "teacher", "auxiliary"))


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: leaf for name, item in value.items() for key, leaf in leaves(item, f"{path}.{name}").items()}
    return {path: value}


def complete(made: Recipe) -> dict[str, Any]:
    """Every field and option of the run, defaults included."""
    from crossdistill.recipes.files import options_of

    options = options_of(METHODS[made.method]) | dict(made.options.get(made.method, {}))
    return leaves(asdict(replace(made, options={}, label=""))) | {f"option.{name}": v for name, v in options.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_ablations_change_one_thing_of_amid(name: str) -> None:
    made = replace(RECIPES[name](), method="amid")
    for label, chosen in ablations(made).items():
        assert chosen.label == label
        if chosen.method == "mi":  # another file: what the two have in common is the same
            assert (
                chosen.options["mi"].items()
                <= {**complete(made), **{k[7:]: v for k, v in complete(made).items()}}.items()
            )
            continue
        before, after = complete(made), complete(chosen)
        changed = [key for key in before if before[key] != after[key]]
        allowed = 2 if label == "amid: auxiliary encoders frozen" else 1  # frozen encoders want training first
        assert 0 < len(changed) <= allowed, (label, changed)


def test_the_paper_s_rows_are_among_the_ablations() -> None:
    rows = ablations(emoji())
    assert rows["amid: L_MIs"].method == "mi"
    assert rows["amid: L_MIs + L_MIa"].options["amid"]["alpha_3"] == 0
    assert rows["amid: L_nce"].options["amid"]["contrast"] == "nce"
    assert rows["amid: fixed teacher"].model.teacher == "fixed"
    assert rows["amid: no warm-up"].options["amid"]["warmup_epochs"] == 0
    assert rows["amid: no D2"].options["amid"]["second_discriminator"] is False
    assert rows["amid: no dynamic weight"].options["amid"]["dynamic_weights"] is False
    assert not any("auxiliary encoders" in label for label in rows), "the names' features have nothing to train"


def test_every_ablation_and_control_of_the_bundled_data_builds() -> None:
    for chosen in configurations(emoji(), ["amid"], True, True, []):
        dataset = build_dataset(chosen.data)
        build_method(chosen, build_model(chosen, dataset), dataset)


def test_a_plan_goes_seed_by_seed_with_distinct_folders_and_one_thread_each() -> None:
    found = configurations(recipe(seed=3), ["baseline", "amid"], False, False, [])
    runs = plan(found, 2, ())
    assert list(runs) == ["baseline-seed3", "amid-seed3", "baseline-seed4", "amid-seed4"]
    assert [r.seed for r in runs.values()] == [3, 3, 4, 4]
    assert {r.machine.threads for r in runs.values()} == {1}


def test_folds_are_tested_in_turn() -> None:
    runs = plan(configurations(recipe(), ["baseline"], False, False, []), 1, [0, 1])
    assert {name: r.data.fold for name, r in runs.items()} == {"baseline-fold0-seed0": 0, "baseline-fold1-seed0": 1}


def test_configurations_that_would_share_a_folder_are_refused() -> None:
    twice = [recipe(label="amid: a"), recipe(label="amid, a")]
    with pytest.raises(InputError, match="would share the folder amid_a-seed0"):
        plan(twice, 1, ())
    with pytest.raises(InputError, match="--seeds: expected at least 1, found 0"):
        plan([recipe()], 0, ())


@pytest.mark.parametrize("label", ["amid, shuffled auxiliary", "a/b\\c", "..", "amid alpha_1=3.7", "ünïcode", " x "])
def test_a_slug_is_a_plain_file_name(label: str) -> None:
    assert all(letter.isascii() and (letter.isalnum() or letter in "._=+-") for letter in slug(label))
    assert not slug(label).startswith(".")
