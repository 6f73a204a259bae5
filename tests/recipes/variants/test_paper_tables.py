"""The paper's tables as recipes: the rows that it prints, its figures in the docstrings, options that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from crossdistill.methods import METHODS
from crossdistill.recipes.check import check
from crossdistill.recipes.library.bundled import avletters, emoji
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.ablations import ablations
from crossdistill.recipes.variants.paper_tables import FIGURES, PAPER, TABLES
from crossdistill.recipes.variants.variations import variations

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
    for row in rows(emoji()).values():
        if row.method in METHODS:
            assert set(row.options.get(row.method, {})) <= set(inspect.signature(METHODS[row.method]).parameters)


def test_rows_of_tables_4_and_5_are_the_ablations() -> None:
    for recipe in (emoji(), avletters()):
        found = ablations(recipe)
        for rows in (TABLES["4"], TABLES["5"], FIGURES["4"], FIGURES["5"]):
            for label, row in rows(recipe).items():
                assert row == (found[label] if label in found else replace(recipe, method=label, label=""))


def test_table_6_has_the_labels_of_a_sweep() -> None:
    swept = [
        chosen
        for sweep in ("alpha_1=3.7:4.2:0.1", "alpha_2=1.3:1.8:0.1", "alpha_3=0.7:1.2:0.1")
        for chosen in variations(emoji(), ["amid"], sweep)
    ]
    assert [chosen.label for chosen in swept] == list(TABLES["6"](emoji()))


def test_rows_say_what_they_are_whatever_the_recipe_was() -> None:
    recipe = replace(emoji(), label="something else", role="control", varied="epochs")
    for rows in EVERY.values():
        for label, row in rows(recipe).items():
            role = "variation" if "=" in label else "ablation" if ": " in label else "method"
            assert row.role == role, label
            assert row.varied == (f"amid.{label.split()[1].split('=')[0]}" if role == "variation" else "")


def test_table_6_varies_one_weight_at_a_time() -> None:
    base = emoji().options["amid"]
    for label, row in TABLES["6"](emoji()).items():
        option, value = label.removeprefix("amid ").split("=")
        assert row.options["amid"] == {**base, option: float(value)}
