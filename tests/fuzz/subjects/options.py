"""Words of the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from jsonargparse import ArgumentParser

from crossdistill.cli import train
from crossdistill.cli.main import COMMANDS
from crossdistill.cli.parsing import parsed
from crossdistill.recipes.check import check
from crossdistill.recipes.files import as_dict, leaves, load_recipe, recipe_of
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.run import run
from tests.fuzz import values
from tests.fuzz.case import Attempt, Subject, command
from tests.fuzz.octets import damaged
from tests.fuzz.values import odd_text
from tests.runs.small import folder_of, gestures, recipe


@dataclass(frozen=True)
class Begun:
    """parser: of `train emoji`, made once; names: of its options; run: a finished run's folder"""

    parser: ArgumentParser
    recipe: Recipe
    names: list[str]
    run: Path
    source: Path


def begin(folder: Path) -> Begun:
    source = folder_of(gestures(), folder)
    run(recipe(source, method="baseline", epochs=1), folder / "run")
    base = load_recipe("emoji")
    names = [name for name, _ in leaves(as_dict(base))]
    return Begun(train.parser(["emoji"]), base, names, folder / "run", source)


def checked(begun: Begun, words: list[str]) -> None:
    """What `train` does of its options before it trains."""
    check(recipe_of(parsed(begun.parser, words), begun.recipe))


def other_words(begun: Begun, folder: Path) -> list[list[str]]:
    """Commands that end soon, with their words in order."""
    run, source = str(begun.run), str(begun.source)
    return [
        ["prepare", "manifest", source, "--workers", "1", "--rate", "16000", "--short-side", "64"],
        ["predict", run, f"{source}/wrist/s0.npy", "--top", "2", "--batch-size", "2", "--device", "cpu"],
        ["report", run, "--out", str(folder / "page.html")],
        ["evaluate", run],
        ["export", run, "--out", str(folder / "out")],
    ]


def changed(words: list[str], random: Random) -> list[str]:
    """The words with one or two of them, not the first, replaced, doubled, removed, joined or damaged."""
    words = list(words)
    for _ in range(random.choice((1, 1, 2))):
        place = random.randrange(1, len(words) + 1)
        how = random.randrange(6)
        if how == 0:
            words[place : place + 1] = []
        elif how == 1:
            words[place:place] = [odd_text(random)]
        elif how == 2:
            words[place : place + 2] = ["=".join(words[place : place + 2])]
        elif how == 3 and place < len(words):
            words[place] = damaged(words[place].encode(errors="surrogatepass") or b"x", random).decode(
                errors="surrogateescape"
            )
        else:
            words[place : place + 1] = [odd_text(random)]
    return [word.replace("\0", "0").encode("utf-8", "replace").decode() for word in words]  # as a shell could give them


WITHOUT_END = ("-h", "--help", "--print_config")
"""What prints and ends; nothing is wrong with it."""


def nested(begun: Begun, random: Random) -> list[str]:
    """An option whose value is a section, as JSON."""
    section = random.choice(
        ("data", "model", "model.encoders", "optimization", "machine", "data.readers", "amid", "kd")
    )
    value: Any = as_dict(begun.recipe)
    for part in section.split("."):
        value = value.get(part, {})
    readers = {"picture": {"frames": 3, "size": 8, "mean": [0.1, 0.2, 0.3]}}
    return [f"--{section}", json.dumps(values.changed(value or readers, random))]


def train_words(begun: Begun, random: Random) -> list[str]:
    words = ["emoji"]
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.3:
            words += nested(begun, random)
            continue
        name = random.choice(begun.names)
        words += [f"--{name}{random.choice(('', '', '', '', '+', '.x', '.'))}", odd_text(random)]
    words = changed(words, random) if random.random() < 0.3 else words
    return [word.replace("\0", "0") for word in words if not word.startswith(WITHOUT_END)]


def case(begun: Begun, random: Random, folder: Path) -> Attempt:
    if random.random() < 0.15:
        words = changed(random.choice(other_words(begun, folder)), random)
        if words[0] in COMMANDS and not set(WITHOUT_END) & set(words):
            return lambda: command(*words)
    return partial(checked, begun, train_words(begun, random))


OPTIONS = Subject(10, begin, case)
