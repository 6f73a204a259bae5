"""YAML from others' files: plain values, of a size that somebody could have written by hand."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["read_yaml"]

_MOST_VALUES = 100_000
_DEEPEST = 50
_LONGEST = 1_000_000


def read_yaml(text: str) -> Any:
    """The plain values in a YAML text. Raises ValueError where it is not valid, contains itself, or unfolds by its
    aliases into more than a recipe can hold.

    For recipes, which may come from anybody.

    >>> from crossdistill.plain_yaml import read_yaml
    >>> read_yaml("epochs: 3")
    {'epochs': 3}
    >>> read_yaml("a: &a [*a]")
    Traceback (most recent call last):
        ...
    ValueError: not valid YAML: a value contains itself
    """
    if len(text) > _LONGEST:
        raise ValueError(f"not a recipe: expected at most {_LONGEST:,} characters, found {len(text):,}")
    try:
        loader = _loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _count(root, {}, 0)
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:400]
        raise ValueError(f"not valid YAML: {reason}") from error


def _loader(text: str) -> Any:
    """libyaml's, which takes a tenth of the time, where PyYAML came with it and the text is YAML. It follows nesting by
    recursion until the process ends, so how deep the text goes is looked at first."""
    if not yaml.__with_libyaml__:
        return yaml.SafeLoader(text)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                return yaml.SafeLoader(text)
    except (yaml.YAMLError, ValueError):
        return yaml.SafeLoader(text)  # which says where in the text it is not
    return yaml.CSafeLoader(text)


def _count(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """How many values the node unfolds into; known: of nodes that were counted, 0 of those that are being counted."""
    if known.get(id(node)) == 0:
        raise ValueError("a value contains itself")
    if id(node) in known:
        return known[id(node)]
    if depth > _DEEPEST:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    known[id(node)] = 0
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = list(node.value)
    elif isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):  # YAML forbids it, and its reader takes the last
            raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:80]!r} is given twice")
    total = 1 + sum(_count(child, known, depth + 1) for child in children)
    if total > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES:,} values, its aliases unfolded")
    known[id(node)] = total
    return total
