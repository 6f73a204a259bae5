"""Recipes as YAML: nothing is lost on the way there and back, and a mistake is one line that names it."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.files import has_options, load_recipe, to_yaml, with_fields
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.training import Machine, Optimization
from crossdistill.types import InputError
from tests.runs.small import recipe


def back(made: Recipe, folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(to_yaml(made), encoding="utf-8")
    return load_recipe(str(path))


def assert_same(found: Recipe, made: Recipe) -> None:
    """Every field, and of the options those of the recipe's own method, completed by their defaults."""
    assert replace(found, options={}) == replace(made, options={})
    kind = METHODS[made.method]
    if has_options(kind):
        parameters = list(inspect.signature(kind).parameters.values())[1:]
        expected = {p.name: p.default for p in parameters} | dict(made.options.get(made.method, {}))
        assert dict(found.options[made.method]) == expected


@pytest.mark.parametrize(
    ("name", "method"), [*((name, "") for name in RECIPES), *(("emoji", method) for method in METHODS)]
)
def test_every_bundled_recipe_and_every_method_go_to_yaml_and_back(name: str, method: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]()
    made = replace(recipe, method=method or recipe.method)
    assert_same(back(made, tmp_path), made)
    assert to_yaml(back(made, tmp_path)) == to_yaml(made)


ODD = Recipe(
    name="ünïcode: #1",
    label="amid, with: odd {things}",
    method="amid",
    seed=123456789,
    tensorboard=True,
    data=DataSettings("a folder/with: colon", ("a", "b"), ("no", "on", "1"), 3, "validation", 0.1, "noise", 9, False),
    model=ModelSettings(
        7,
        0.1,
        {"no": EncoderSettings("rnn", {"width": 1, "layers": 2, "dropout": 0.4}, True), "1": EncoderSettings()},
        "trained",
        "fixed",
        True,
    ),
    optimization=Optimization("sgd", 1e-5, 1e-12, 0.0, "steps", 2, 0.5, 1e-9),
    machine=Machine("cpu", 2, 3, "bf16-mixed", 4, 5),
    options={"amid": {"alpha_1": 1e-7, "expected_partners": 4.17, "second_discriminator": False, "reduction": "mean"}},
)


def test_every_field_survives_whatever_its_value(tmp_path: Path) -> None:
    found = back(ODD, tmp_path)
    assert_same(found, ODD)
    assert isinstance(found.data.target, tuple)
    assert isinstance(found.model.encoders["no"], EncoderSettings)


def test_no_clipping_is_infinity_in_yaml(tmp_path: Path) -> None:
    assert yaml.safe_load(to_yaml(recipe()))["optimization"]["clip_norm"] == math.inf
    assert back(recipe(), tmp_path).optimization.clip_norm == math.inf


def test_a_short_file_is_completed_by_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("method: amid\nepochs: 7\noptimization: {learning_rate: 3e-4}\namid: {alpha_1: 2}\n")
    found = load_recipe(str(path))
    assert (found.epochs, found.seed, found.batch_size) == (7, Recipe().seed, Recipe().batch_size)
    assert found.optimization == Optimization(learning_rate=3e-4), "YAML 1.1 takes 3e-4 for a string"
    assert (found.options["amid"]["alpha_1"], found.options["amid"]["alpha_2"]) == (2.0, 1.6)


MISTAKES = {
    "unknown key": ("epoch: 3", "epoch"),
    "unknown key in a section": ("model: {widht: 3}", "widht"),
    "unknown key in an encoder": ("model: {encoders: {eye: {kidn: mlp}}}", "kidn"),
    "unknown option of a method": ("amid: {alpha_9: 3}", "alpha_9"),
    "text for a number": ("epochs: many", "epochs"),
    "fraction for a whole number": ("batch_size: 2.5", "batch_size"),
    "list for a number": ("optimization: {learning_rate: [1, 2]}", "learning_rate"),
    "other word than those allowed": ("optimization: {name: lion}", "lion"),
    "other word for a method's option": ("amid: {reduction: median}", "median"),
    "unknown method": ("method: magic", "magic"),
    "text for a section": ("data: emoji", "data: expected a mapping of source, target"),
    "another file for a section": ("machine: HERE/other.yaml", "machine: expected a mapping of accelerator"),
    "another file for options": ("amid: HERE/other.yaml", "amid: expected the method's options by name"),
    "another file for an encoder": ("model: {encoders: {eye: HERE/other.yaml}}", "model.encoders.eye: expected"),
    "nothing for a section": ("model:", "model: expected a mapping of width"),
    "a list for readers": ("data: {readers: []}", "data.readers: expected a mapping by name"),
    "an empty section that there is not": ("machines: {}", "machines: no such section; there are name, "),
    "an empty field that there is not": ("model: {encoder: {}}", "model.encoder: no such section; there are width, "),
    "null for a number": ("seed: null", "seed"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_the_file_and_the_key(mistake: str, tmp_path: Path) -> None:
    text, key = MISTAKES[mistake]
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("HERE", str(tmp_path)))
    (tmp_path / "other.yaml").write_text("{}")
    with pytest.raises(InputError) as caught:
        load_recipe(str(path))
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert key in line.removeprefix(str(path))
    assert "\n" not in line
    assert "<class" not in line


MADE = "{class_path: a_module_of_somebody.Mark, init_args: {}}"
PLACES = {
    "a section": "data: MADE",
    "a section by its name": "machine: a_module_of_somebody.Mark",
    "an encoder": "model: {encoders: {eye: MADE}}",
    "an encoder by its name": "model: {encoders: {eye: a_module_of_somebody.Mark}}",
    "an encoder's setting": "model: {encoders: {eye: {kind: mlp, settings: {width: MADE}}}}",
    "a setting in a list": "model: {encoders: {eye: {kind: mlp, settings: {width: [MADE]}}}}",
    "a reader, dotted": "data.readers.eye: a_module_of_somebody.Mark",
    "an option": "amid: {alpha_1: MADE}",
    "a setting, dotted": "model.encoders.eye.settings.width.class_path: a_module_of_somebody.Mark",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_recipe_makes_no_objects(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """jsonargparse would import any class that is named, and make it where any value is allowed."""
    (tmp_path / "a_module_of_somebody.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\nclass Mark: ...")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.yaml").write_text(PLACES[place].replace("MADE", MADE))
    with pytest.raises(InputError):
        load_recipe(str(tmp_path / "mine.yaml"))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe", "not valid YAML"),
        (b"", "expected a recipe's fields"),
        (b"- 1", "list"),
        (b"epochs: 3\nseed: 1\nepochs: 5\n", "not valid YAML: 'epochs' is given twice"),
    ],
)
def test_files_that_are_no_recipe(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)


def test_neither_a_file_nor_a_recipe(tmp_path: Path) -> None:
    for source in ("emojis", str(tmp_path)):
        with pytest.raises(InputError, match=r"neither a file nor a bundled recipe .*emoji.*watch"):
            load_recipe(source)


def test_a_section_of_fields_leaves_the_others_of_it() -> None:
    """Fields by name or by section: what is not named stays, in a method's options as in an encoder's."""
    before = load_recipe("emoji")
    changed = with_fields(before, {"amid": {"alpha_1": 3.0}, "data": {"fold": 3}, "optimization.momentum": 0.5})
    assert changed.options["amid"] == {**with_fields(before, {}).options["amid"], "alpha_1": 3.0}
    assert changed.data == replace(before.data, fold=3)
    assert changed.optimization == replace(before.optimization, momentum=0.5)
    with pytest.raises(InputError, match=r"data\.fold: is given twice"):
        with_fields(before, {"data": {"fold": 3}, "data.fold": 4})


@pytest.mark.parametrize("nested", ["- ", "[", "{a: ", "? "])
@pytest.mark.parametrize("depth", [51, 1_000, 100_000])
def test_nesting_of_any_depth_is_one_line(nested: str, depth: int) -> None:
    """libyaml's reader ends the process on it."""
    with pytest.raises(ValueError, match="not valid YAML") as refused:
        read_yaml((nested * depth)[:1_000_000])
    assert len(str(refused.value)) < 500


OTHER_YAML = """
a: [1, 2.5, 1e3, 0x10, ~, yes, 'é', "\\u00e9"]
b: {c: &x [1], d: *x}
c: |
  two
  lines
d: >-
  one
  line
"""


def test_both_readers_of_yaml_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*(to_yaml(recipe(method=method)) for method in METHODS), OTHER_YAML, "", "3"]
    fast = [read_yaml(text) for text in texts]
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert fast == [read_yaml(text) for text in texts]
    assert fast[-3]["b"] == {"c": [1], "d": [1]}


@pytest.mark.parametrize("source", ["data/mine/", "./data/mine", "data//mine"])
def test_a_place_is_the_same_however_it_is_written(source: str) -> None:
    """A run that goes on compares recipes by their text."""
    assert to_yaml(recipe(source)) == to_yaml(recipe("data/mine"))
    assert "source: python:a//b/" in to_yaml(recipe("python:a//b/"))
