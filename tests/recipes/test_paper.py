"""The paper's tables as recipes: the rows that it prints, its figures in the docstrings, options that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from crossdistill.methods import METHODS
from crossdistill.recipes.build import check
from crossdistill.recipes.bundled import avletters, emoji
from crossdistill.recipes.paper import FIGURES, PAPER, TABLES
from crossdistill.recipes.recipe import Recipe

EVERY = {**{f"table {n}": f for n, f in TABLES.items()}, **{f"figure {n}": f for n, f in FIGURES.items()}}
Rows = Callable[[Recipe], dict[str, Recipe]]


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_those_that_the_paper_prints(number: str) -> None:
    printed = [tables[number] for tables in PAPER.values() if number in tables]
    assert printed
    for figures in printed:
        assert set(TABLES[number](emoji())) == set(figures)


@pytest.mark.parametrize("number", TABLES)
def test_the_docstring_holds_every_figure(number: str) -> None:
    words = re.findall(r"\d+\.\d+", inspect.getdoc(TABLES[number]) or "")
    for tables in PAPER.values():
        for measures in tables.get(number, {}).values():
            for value in measures.values():
                assert f"{value:.1f}" in words


@pytest.mark.parametrize(("name", "rows"), EVERY.items(), ids=list(EVERY))
def test_the_docstring_names_the_command(name: str, rows: Rows) -> None:
    kind, number = name.split()
    assert f"--{kind} {number}`" in (inspect.getdoc(rows) or "")


@pytest.mark.parametrize("rows", EVERY.values(), ids=list(EVERY))
def test_rows_differ_from_the_recipe_in_method_and_options_alone(rows: Rows) -> None:
    recipe = replace(avletters(), seed=5, label="something else")
    for label, row in rows(recipe).items():
        check(row)
        assert (row.label or row.method) == label
        assert row.data == recipe.data
        assert (row.seed, row.epochs, row.optimization) == (recipe.seed, recipe.epochs, recipe.optimization)
        assert replace(row.model, teacher="by_method") == recipe.model


@pytest.mark.parametrize("rows", EVERY.values(), ids=list(EVERY))
def test_options_are_those_of_the_method(rows: Rows) -> None:
    for label, row in rows(emoji()).items():
        if row.method in METHODS and label != "amid, L_nce":
            assert set(row.options.get(row.method, {})) <= set(inspect.signature(METHODS[row.method]).parameters)


def test_ablations_change_one_thing() -> None:
    base = emoji().options["amid"]
    changed = {
        label: {key: value for key, value in row.options["amid"].items() if base.get(key) != value}
        for rows in (TABLES["4"], TABLES["5"], FIGURES["5"])
        for label, row in rows(emoji()).items()
        if label.startswith("amid, ")
    }
    assert changed["amid, no L_adv"] == {"alpha_3": 0.0}
    assert changed["amid, no D2"] == {"second_discriminator": False}
    assert changed["amid, no warm-up"] == {"warmup_epochs": 0}
    assert changed["amid, no dynamic weight"] == {"dynamic_weights": False}
    assert changed["amid, fixed teacher"] == {}
    assert TABLES["5"](emoji())["amid, fixed teacher"].model.teacher == "fixed"


def test_mi_has_amid_s_weight_and_temperature() -> None:
    recipe = avletters()
    row = TABLES["4"](replace(recipe, options={**recipe.options, "mi": {"alpha_1": 99.0}}))["mi"]
    assert row.options["mi"] == {
        key: recipe.options["amid"][key] for key in ("alpha_1", "temperature", "warmup_epochs", "reduction")
    }


def test_table_6_varies_one_weight_at_a_time() -> None:
    base = emoji().options["amid"]
    for label, row in TABLES["6"](emoji()).items():
        option, value = label.removeprefix("amid ").split("=")
        assert row.options["amid"] == {**base, option: float(value)}
