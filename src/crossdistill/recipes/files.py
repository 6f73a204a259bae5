"""Recipes to and from YAML and the command line, through one parser that knows every field and its type."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from crossdistill.data.folders import is_file
from crossdistill.encoders.kinds import ENCODERS
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS, Method, load_plugins, unknown_method
from crossdistill.plain import to_plain
from crossdistill.plain_text import read_text
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.legacy import from_0_1
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import FROM_PYTHON, Recipe
from crossdistill.recipes.sections import require_sections
from crossdistill.recipes.wording import told
from crossdistill.types import InputError, one_line


def add_recipe_arguments(
    parser: ArgumentParser, without: Collection[str] = (), methods: Collection[str] | None = None
) -> None:
    """Every field of a recipe but those `without` as an option, and the methods' options under their names.

    methods: whose options; None: of all, of which each costs milliseconds here and with whatever is parsed
    """
    load_plugins()
    parser.add_class_arguments(Recipe, skip={"options", *without})
    for name, method in METHODS.items():
        if (methods is None or name in methods) and has_options(method) and is_usable(method):
            parser.add_class_arguments(method, name, skip={"model"}, instantiate=False)
            section = (parser.groups or {})[name]  # titled with a docstring's first line, wherever it breaks off
            section.title, section.description = name, _first_paragraph(method)


def _first_paragraph(method: type[Method]) -> str:
    paragraph = (inspect.getdoc(method) or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("*", "").split())


def has_options(method: type[Method]) -> bool:
    return isinstance(method, type) and "__init__" in vars(method)


def is_usable(method: Any) -> bool:
    """Whether an entry of `METHODS` is a method that can be made of a model alone; `check` says what is wrong with
    another one, and only where a recipe names it."""
    return (
        isinstance(method, type)
        and issubclass(method, Method)
        and inspect.Parameter.empty not in options_of(method).values()
    )


def options_of(method: type[Method]) -> dict[str, Any]:
    """The options of a method's constructor and their defaults."""
    if not has_options(method):
        return {}
    parameters = list(inspect.signature(method).parameters.values())[1:]  # all but the model
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind in named}


def options_in(recipe: Recipe, method: str) -> dict[str, Any]:
    """All options of a method in this recipe: the method's own defaults where the recipe does not say."""
    return options_of(METHODS[method]) | dict(recipe.options.get(method, {}))


def load_recipe(source: str) -> Recipe:
    """A bundled recipe by its name, or a YAML file by its path. Raises InputError when it is neither or not valid."""
    if source in RECIPES:
        return RECIPES[source]()
    path = Path(source)
    if not is_file(path):
        raise InputError(f"{source}: neither a file nor a bundled recipe ({', '.join(RECIPES)})")
    try:
        content = read_yaml(read_text(path))
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid YAML: expected UTF-8 text: {one_line(error)}") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a recipe's fields, found {type(content).__name__}")
    try:
        parser = _parser(_methods_among(content))
        require_sections(content, METHODS)
        return recipe_of(parser.instantiate(parser.parse_object(from_0_1(content))))
    except (argparse.ArgumentError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise InputError(f"{path}: {told(error)}") from error


def with_fields(recipe: Recipe, fields: Mapping[str, Any]) -> Recipe:
    """The recipe with some fields replaced, all others as they are; fields: dotted names as on the command line, or
    sections of fields by name -> values.

    Raises InputError for a field that recipes do not have or that is given twice, or a value of another type.
    """
    content = as_dict(recipe)
    named = list(leaves(fields))
    if twice := [name for name, _ in named if [other for other, _ in named].count(name) > 1]:
        raise InputError(f"{twice[0]}: is given twice")
    for name, value in named:
        section = content
        *path, last = name.split(".")
        for part in path:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise InputError(f"{name}: {part} is one value, without fields of its own")
        section[last] = value
    require_sections(content, METHODS)
    read = _methods_among({name: None for name, _ in named} | {"method": content["method"]})
    others = {name: options for name, options in recipe.options.items() if name not in read}
    parser = _parser(read)
    try:
        content = {name: section for name, section in content.items() if name not in others}
        made = recipe_of(parser.instantiate(parser.parse_object(content)))
    except (argparse.ArgumentError, ValueError, TypeError) as error:
        raise InputError(told(error)) from error
    return replace(made, options={**others, **made.options})


def set_recipe_defaults(
    parser: ArgumentParser, recipe: Recipe, without: Collection[str] = (), methods: Collection[str] | None = None
) -> None:
    """Make the recipe's values the defaults of the options that `add_recipe_arguments` added, of the same methods."""
    left_out = {*without, *(name for name in recipe.options if methods is not None and name not in methods)}
    fields = {name: section for name, section in as_dict(recipe).items() if name not in left_out}
    parser.set_defaults(dict(leaves(fields)))


def recipe_of(parsed: Namespace, base: Recipe | None = None) -> Recipe:
    """The typed recipe in what a parser with `add_recipe_arguments` parsed and instantiated.

    base: the recipe whose values were the parser's defaults; an encoder that is now of another kind keeps of its
    settings there what the new kind has, too. Options of methods that the parser was without are those of the base.
    """
    fields = vars(parsed)
    options: dict[str, Mapping[str, Any]] = {name: dict(vars(fields[name])) for name in METHODS if name in fields}
    known = set(Recipe.__dataclass_fields__) - {"options"}
    recipe = Recipe(**{name: fields[name] for name in known if name in fields})
    if recipe.method not in METHODS:
        raise unknown_method(recipe.method)
    data = replace(recipe.data, target=tuple(recipe.data.target), auxiliary=tuple(recipe.data.auxiliary))
    recipe = replace(recipe, data=data)
    if empty := [key for key, value in leaves(to_plain(recipe)) if value is None]:
        raise InputError(f"{empty[0]}: expected a value, found null")
    if base is not None:
        encoders = _without_settings_of_other_kinds(recipe.model.encoders, base.model.encoders)
        recipe = replace(recipe, model=replace(recipe.model, encoders=encoders))
        options = {**base.options, **options}
    return replace(recipe, options=options)


def _without_settings_of_other_kinds(
    encoders: Mapping[str, EncoderSettings], before: Mapping[str, EncoderSettings]
) -> dict[str, EncoderSettings]:
    """The parser merges what is given with its defaults, and so puts one kind's settings beside another's name."""
    kept: dict[str, EncoderSettings] = {}
    for name, encoder in encoders.items():
        if not isinstance(encoder.settings, Mapping):
            raise InputError(f"model.encoders.{name}.settings: expected settings by name, found {encoder.settings!r}")
        old, kind = before.get(name, encoder), ENCODERS.get(encoder.kind)
        inherited = old.settings if old.kind != encoder.kind else {}
        names = [field.name for field in fields(kind.settings)] if kind is not None else []
        settings = {
            key: value
            for key, value in encoder.settings.items()
            if key in names or key not in inherited or inherited[key] != value
        }
        kept[name] = replace(encoder, settings=settings)
    return kept


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain values: fields by section, and each method's options under its name."""
    fields = to_plain(recipe)
    options = fields.pop("options")
    return {**fields, **options}


def to_yaml(recipe: Recipe) -> str:
    """The recipe with every field, and every option of its own method."""
    fields = to_plain(recipe)
    fields.pop("options")
    if (source := recipe.data.source) and not source.startswith(FROM_PYTHON):
        fields["data"]["source"] = str(PurePosixPath(source))  # data/ and ./data are data
    method = METHODS[recipe.method]
    if has_options(method):
        fields[recipe.method] = options_in(recipe, recipe.method)
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)


def _methods_among(content: Mapping[Any, Any]) -> frozenset[str]:
    """The methods whose options a recipe's plain values are about: its own, and those of which there are some."""
    own = content.get("method", Recipe.method)
    return frozenset(str(key).partition(".")[0] for key in content) | ({own} if isinstance(own, str) else set())


def _parser(methods: Collection[str]) -> ArgumentParser:
    """A parser of every field and of these methods' options; kept until other methods or encoders are added."""
    load_plugins()
    return _parser_for(tuple((name, METHODS[name]) for name in METHODS if name in methods), tuple(ENCODERS.items()))


@lru_cache(maxsize=32)
def _parser_for(methods: tuple[tuple[str, object], ...], encoders: tuple[object, ...]) -> ArgumentParser:
    parser = ArgumentParser(prog="crossdistill train", exit_on_error=False)
    add_recipe_arguments(parser, methods=[name for name, _ in methods])
    return parser


def leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted option names and values; what is keyed by the user's own names is one value."""
    for name, value in ((str(key), value) for key, value in fields.items()):
        if isinstance(value, Mapping) and name.rpartition(".")[2] not in ("encoders", "readers", "class_weights"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
