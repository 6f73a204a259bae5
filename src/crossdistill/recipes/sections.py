"""A recipe's sections are its fields by name, and nothing that jsonargparse would look up elsewhere.

It takes a text in the place of a section for the name of a file or a class, and a mapping with `class_path` for an
object to import and to make, wherever it stands. A recipe may come from anybody, so neither reaches it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from crossdistill.plain import shown
from crossdistill.recipes.recipe import Recipe
from crossdistill.types import InputError

CLASS = "class_path"


def require_sections(content: Mapping[Any, Any], methods: Collection[str]) -> None:
    """Raise InputError, naming the place, where a section is no mapping of its fields, or names a class to be made.

    content: a recipe's plain values; methods: whose options are sections, too.
    """
    _require(Recipe, content, "", methods)
    for name in methods:
        if name in content and not isinstance(content[name], Mapping):
            raise InputError(f"{name}: expected the method's options by name, found {shown(content[name])}")


def _require(hint: Any, value: Any, place: str, others: Collection[str] = ()) -> None:
    """others: sections that there are beside the fields"""
    if is_dataclass(hint):
        names = [field.name for field in fields(hint) if field.name != "options"]
        if not isinstance(value, Mapping):
            raise InputError(f"{place}: expected a mapping of {', '.join(names)}, found {shown(value)}")
        inner = get_type_hints(hint)
    elif get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{place}: expected a mapping by name, found {shown(value)}")
        inner = dict.fromkeys(value, get_args(hint)[1])
    else:
        inner = {}
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        first, *rest = str(key).split(".")  # jsonargparse takes `model.width: 8` for a section with a field
        for part in reversed(rest):
            item = {part: item}
        if is_dataclass(hint) and isinstance(item, Mapping) and not item and first not in {*names, *others}:
            raise InputError(f"{f'{place}.' if place else ''}{first}: no such section; there are {', '.join(names)}")
        if first == CLASS:
            raise InputError(f"{place or 'a recipe'}: {CLASS}: not a field; a recipe makes no objects")
        _require(inner.get(first), item, f"{place}.{first}" if place else first)
