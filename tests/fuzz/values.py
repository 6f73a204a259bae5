"""Changes to nested plain values, as JSON and YAML hold them, and to texts that stand for values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 7, 255, 65536, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400),
    *(0.0, -0.0, 0.5, -0.5, 1e-320, 1e38, 1e39, 1e308, float("inf"), float("-inf"), float("nan")),
)
TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "nan",
        "inf",
        "1e999",
        "true",
        "null",
        "None",
        "a" * 5000,
        "\0",
        "\x1b[2J",
        "\u202egpj",
        "\ud800",
    ),
    *("..", "/etc/passwd", "x.npy#-1", "x.npy#999999999999999", "*", "%s", "{0}", "a\nb", "é", "日本", "-", "--help"),
    *("9" * 5000, "[" * 200, "module:Class", "os:system", "http://localhost:1/x", "test", "train", "validation"),
)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": None},
    [None, 1, "a"],
    {"a": {"b": {"c": []}}},
    [0] * 300,
)


def odd(random: Random) -> Any:
    """A value that hardly any field expects."""
    return copy.deepcopy(random.choice(random.choice((NUMBERS, TEXTS, OTHERS))))


def odd_text(random: Random) -> str:
    """The same as a word of a table or a command line."""
    chosen = random.choice(random.choice((NUMBERS, TEXTS)))
    try:
        return str(chosen)
    except ValueError:  # of more digits than Python writes
        return "1" + "0" * 400


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(value: Any, random: Random) -> Any:
    """A copy with one to three of its values replaced, removed, nested, exchanged or renamed."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        found = list(places(value))
        if not found:
            return odd(random)
        *path, key = random.choice(found)
        holder = value
        for part in path:
            holder = holder[part]
        _change(holder, key, random)
    return value


def _change(holder: Any, key: Any, random: Random) -> None:
    how = random.randrange(8)
    if how == 0:
        del holder[key]
    elif how == 1:
        holder[key] = random.choice(([holder[key]], {"x": holder[key]}, str(holder[key])[:200]))
    elif how == 2 and isinstance(holder, dict):
        holder[random.choice((*TEXTS, *map(str, holder)))] = holder.pop(key)
    elif how == 2:
        holder.insert(key, copy.deepcopy(holder[key]))
    elif how == 3 and type(holder[key]) in (int, float):
        holder[key] = holder[key] * random.choice((-1, 10, 0.1, 1e9)) + random.choice((0, 1))
    else:
        holder[key] = odd(random)
