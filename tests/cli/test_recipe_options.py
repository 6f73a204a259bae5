"""A recipe's fields as options: those of each method that a command names are read, and none is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossdistill.cli import train
from crossdistill.cli.main import main
from crossdistill.cli.parsing import parsed
from crossdistill.methods import METHODS
from crossdistill.recipes.files import load_recipe, options_of, recipe_of, to_yaml, with_fields
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError


def trained(*arguments: str) -> Recipe:
    """The recipe of `crossdistill train emoji ARGUMENT...`."""
    options = parsed(train.parser(["emoji", *arguments]), ["emoji", *arguments])
    return recipe_of(options, load_recipe("emoji"))


def assert_others_kept(found: Recipe, changed: str) -> None:
    """Of methods other than that one, and the recipe's own, whose options are completed by their defaults."""
    recipe = RECIPES["emoji"]()
    others = recipe.options.keys() - {changed, recipe.method}
    assert {"mi", "mst"} <= others
    assert {name: found.options[name] for name in others} == {name: recipe.options[name] for name in others}
    assert to_yaml(replace(found, method="mst")) == to_yaml(replace(recipe, method="mst"))


@pytest.mark.parametrize("method", [["--method", "kd"], ["--method=kd"], []])
@pytest.mark.parametrize("words", [["--kd.temperature", "7"], ["--kd.temperature=7"]])
def test_options_of_a_method_that_is_named_are_read(method: list[str], words: list[str]) -> None:
    recipe, found = RECIPES["emoji"](), trained(*method, *words)
    assert found.method == ("kd" if method else recipe.method)
    assert found.options["kd"] == {**options_of(METHODS["kd"]), **recipe.options["kd"], "temperature": 7.0}
    assert_others_kept(replace(found, method=recipe.method), "kd")


def test_a_method_that_is_named_has_the_recipe_s_options() -> None:
    recipe = RECIPES["emoji"]()
    assert trained("--method", "kd").options["kd"] == {**options_of(METHODS["kd"]), **recipe.options["kd"]}
    assert recipe.options["kd"] != options_of(METHODS["kd"])


@pytest.mark.parametrize("words", [["--kd.temprature", "7"], ["--dk.temperature=7"], ["--method=kd", "--kd.t=7"]])
def test_an_option_that_no_method_has_is_named(words: list[str]) -> None:
    wrong = words[-1] if "=" in words[-1] else words[0]
    with pytest.raises(InputError, match=f"[Uu]nrecognized arguments: {wrong}"):
        trained(*words)


def test_help_has_the_options_of_all_methods(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        trained("--help")
    said = capsys.readouterr().out
    for name, method in METHODS.items():
        assert all(f"--{name}.{option} " in said for option in options_of(method)), name
    assert "\ngeneralized_distillation:\n  The student learns the labels" in said
    assert "of unlabelled pairs the soft labels only." in " ".join(said.split()), "a method is said to its end"


def test_fields_are_replaced_and_other_methods_options_kept() -> None:
    found = with_fields(RECIPES["emoji"](), {"epochs": 3, "kd.temperature": 7})
    assert (found.epochs, found.options["kd"]["temperature"]) == (3, 7.0)
    assert_others_kept(replace(found, epochs=RECIPES["emoji"]().epochs), "kd")
    with pytest.raises(InputError, match="temperature"):
        with_fields(RECIPES["emoji"](), {"kd.temperature": "warm"})


WITHOUT = "crossdistill: warning: {}: without effect, for the {}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "own", "--amid.alpha_1", "50"], WITHOUT.format("amid.alpha_1", "method is amid_u")),
        (["train", "own", "--amid_u.alpha_1", "50"], ""),
        (["train", "own", "--kd.temperature", f"{options_of(METHODS['kd'])['temperature']}"], ""),
        (["train", "emoji", "--method", "kd"], ""),
        (["train", "mine.yaml"], WITHOUT.format("amid.alpha_1", "method is amid_u")),
        (["train", "mine.yaml", "--amid.alpha_1", "3"], WITHOUT.format("amid.alpha_1", "method is amid_u")),
        (["train", "mine.yaml", "--method", "kd"], ""),
        (["train", "both.yaml"], ""),
        (["train", "tuned.yaml"], ""),
        (["compare", "own", "--methods", "kd,amid", "--amid.alpha_1", "50"], ""),
        (["compare", "own", "--table", "4", "--amid.alpha_1", "50"], ""),
        (["compare", "mine.yaml", "--methods", "kd,amid_u"], ""),
        (
            ["compare", "own", "--methods", "kd,amid_u", "--amid.alpha_1=50", "--dkd.beta", "3"],
            WITHOUT.format("dkd.beta, amid.alpha_1", "methods are kd, amid_u"),
        ),
        (
            ["tune", "own", "--methods", "baseline", "--amid.alpha_1", "50"],
            WITHOUT.format("amid.alpha_1", "method is baseline"),
        ),
    ],
)
def test_options_of_other_methods_than_those_that_are_trained_are_said(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not those of bundled recipes, nor of files that may be for several methods."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("method: amid_u\namid: {alpha_1: 50}\n", encoding="utf-8")
    Path("tuned.yaml").write_text("method: baseline\namid: {alpha_1: 50}\n", encoding="utf-8")
    Path("both.yaml").write_text("method: amid_u\namid: {alpha_1: 50}\namid_u: {alpha_1: 2}\n", encoding="utf-8")

    def enough(*arguments: object, **named: object) -> object:
        raise InputError("enough")

    name = words[0]
    monkeypatch.setattr(f"crossdistill.cli.{name}.{'run' if name == 'train' else name}", enough)
    assert main([*words, "--data.target", "w", "--data.auxiliary", "c"]) == 2
    assert capsys.readouterr().err == f"{said}crossdistill: error: enough\n"
