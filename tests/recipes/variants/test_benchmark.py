"""The evidence study's settings: which sets, which labels, where their data are, which controls decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossdistill.data import with_labels
from crossdistill.datasets import BUNDLED
from crossdistill.methods import METHODS
from crossdistill.recipes.files import options_of
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.variants.benchmark import (
    FEW_LABELS,
    QUICK_BUDGETS,
    QUICK_SETS,
    SETS,
    Budget,
    deciding_controls,
    settings,
)
from crossdistill.runs.data import load_dataset
from crossdistill.types import InputError
from tests.runs.small import recipe

BY_SUBJECT = {"watch", "avletters_speakers", "utd_mhad", "utd_mhad_depth"}


def test_ten_sets_with_their_budgets() -> None:
    """5, 10, 25 and all of the labels; 1, 2 and all of the subjects where sets are split by them.

    Leaves have eight training samples of a class, of which 5 % and 10 % are the same one.
    """
    made = settings(SETS)
    assert [each.name for each in SETS] == ["emoji", "watch", "avletters", "avletters_speakers", "utd_mhad",
                                            "utd_mhad_depth", "mosi", "mfeat", "mfeat_zernike", "leaves"]  # fmt: skip
    found: dict[str, list[tuple[float, int]]] = {}
    for setting in made:
        data = setting.recipe.data
        found.setdefault(setting.recipe.name, []).append((data.labelled, data.labelled_groups))
        library = RECIPES[setting.recipe.name]()
        assert replace(setting.recipe, data=library.data, options=library.options) == library
    for name, budgets in found.items():
        shares = [(0.05, 0), (0.1, 0), (0.25, 0), (1.0, 0)]
        shares = shares[1:] if name == "leaves" else shares
        assert budgets == ([(1.0, 1), (1.0, 2), (1.0, 0)] if name in BY_SUBJECT else shares), name
    folders = [setting.folder for setting in made]
    assert len(set(folders)) == len(made) == 5 * 4 + 3 + 4 * 3
    assert Path("emoji/5-percent") in folders
    assert Path("watch/1-group") in folders
    words = [setting.words for setting in made if setting.recipe.name in ("emoji", "watch", "avletters_speakers")]
    assert words == ["5 % of labels", "10 % of labels", "25 % of labels", "all labels", "1 subject labelled",
                     "2 subjects labelled", "all labels", "1 speaker labelled", "2 speakers labelled",
                     "all labels"]  # fmt: skip


def test_options_that_were_chosen_for_few_labels_are_the_same_on_every_set() -> None:
    for setting in settings(SETS):
        library = RECIPES[setting.recipe.name]().options
        for method, options in setting.recipe.options.items():
            chosen = {} if setting.budget.is_all else FEW_LABELS.get(method, {})
            assert options == {**library.get(method, {}), **chosen}
            assert options.keys() <= options_of(METHODS[method]).keys()
    asked = settings(SETS, fields={"kd.temperature": 7.0})
    assert {setting.recipe.options["kd"]["temperature"] for setting in asked} == {7.0}, "what is asked for counts"


def test_data_lie_where_they_are_said_to_and_have_their_command() -> None:
    for setting in settings(SETS, data=Path("elsewhere")):
        source, name = setting.recipe.data.source, setting.recipe.name
        if name in BUNDLED:
            assert (source, setting.prepare) == (name, "")
            continue
        assert source == RECIPES[name]().data.source.replace("data/", "elsewhere/")
        assert setting.prepare.endswith(f"--out {source}")
    commands = {setting.recipe.name: setting.prepare for setting in settings(SETS)}
    assert commands["mfeat_zernike"] == commands["mfeat"] == "crossdistill prepare mfeat --source DIR"
    assert commands["avletters_speakers"] == "crossdistill prepare avletters --protocol speakers --source DIR"


def test_wanted_budgets_and_other_fields() -> None:
    sets = [each for each in SETS if each.name in ("emoji", "watch")]
    made = settings(sets, lambda budget: budget.groups == 1 or budget.is_all, fields={"epochs": 2, "model.width": 8})
    assert [str(each.folder) for each in made] == ["emoji/all", "watch/1-group", "watch/all"]
    assert {(each.recipe.epochs, each.recipe.model.width, each.recipe.data.fold) for each in made} == {(2, 8, -1)}
    assert made[0].recipe.options["amid"]["alpha_1"] == RECIPES["emoji"]().options["amid"]["alpha_1"]
    with pytest.raises(InputError, match="epochz"):
        settings(sets, fields={"epochz": 2})


def test_the_quick_part_is_a_part() -> None:
    made = settings([each for each in SETS if each.name in QUICK_SETS], QUICK_BUDGETS.__contains__)
    assert len(made) == 2 * len(QUICK_SETS)
    assert [each.budget.is_all for each in made] == [False, True] * len(QUICK_SETS)


@pytest.mark.parametrize("name", ["emoji", "watch"])
def test_every_budget_leaves_each_class_a_label(name: str) -> None:
    for setting in settings([each for each in SETS if each.name == name]):
        data = setting.recipe.data
        dataset = load_dataset(data)
        kept = with_labels(dataset, data.labelled, data.labelled_groups, seed=3)
        rows = kept.labelled_rows("train")
        assert set(kept.labels[rows]) == set(range(len(dataset.classes)))
        everything = len(dataset.labelled_rows("train"))
        if setting.budget.groups:
            assert len(set(kept.groups[rows])) == setting.budget.groups
        else:
            assert len(rows) == pytest.approx(setting.budget.share * everything, abs=len(dataset.classes))


def test_controls_that_decide() -> None:
    """Shuffled and zeroed, of AMID-U and AMID where they are compared at all."""
    found = deciding_controls(recipe(), ["baseline", "kd", "amid_u", "amid"])
    assert [made.label for made in found] == ["amid_u, shuffled auxiliary", "amid_u, zeroed auxiliary",
                                              "amid, shuffled auxiliary", "amid, zeroed auxiliary"]  # fmt: skip
    assert [made.data.control for made in found] == ["shuffled", "zeroed"] * 2
    assert deciding_controls(recipe(), ["baseline", "kd"]) == []


def test_names_of_budgets() -> None:
    assert [Budget(0.05).folder, Budget(0.125).folder, Budget(groups=2).folder] == [
        "5-percent",
        "12.5-percent",
        "2-groups",
    ]
    assert Budget(0.125).words("subject") == "12.5 % of labels"
