"""What a document's examples are, and what it takes for each to be right."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import crossdistill
from crossdistill import DataSettings, EncoderSettings, ModelSettings, Recipe
from crossdistill.cli.main import COMMANDS, in_full, main
from crossdistill.cli.parsing import parsed
from crossdistill.data.readers import ReaderSettings
from crossdistill.datasets import BUNDLED
from crossdistill.plugins import ENCODERS_GROUP, METHODS_GROUP
from crossdistill.recipes.check import check
from crossdistill.recipes.files import load_recipe
from tests.data.clips import bars, tone, write_video

CONTINUED = r"(?:[^\n\\]|\\\n|\\)+"
IN_BLOCK = rf"(?:^ {{4,}}|(?<=```\n))(?:torchrun [^\n]*-m )?crossdistill(?:\.cli)? (?P<line>{CONTINUED})"
COMMAND = re.compile(rf"{IN_BLOCK}|`crossdistill (?P<words>[^`\n]+)`", re.MULTILINE)
"""A line of a block, or a command among words."""
QUICK = ["--epochs", "1", "--machine.accelerator", "cpu"]


def documents() -> Sybil:
    """A parser of all examples of a document: its Python, hidden Python included, YAML, TOML and commands, in order."""
    blocks = [CodeBlockParser("yaml", is_recipe), CodeBlockParser("toml", has_entry_points)]
    return Sybil(parsers=[PythonCodeBlockParser(), *blocks, commands], patterns=["*.md"])


def commands(document: Document) -> Iterator[Region]:
    """The command lines of a document, `crossdistill --help` and its like left out."""
    for match in COMMAND.finditer(document.text):
        words = shlex.split((match["line"] or match["words"]).replace("\\\n", " "), comments=True)
        if words[0] in COMMANDS or not words[0].startswith("-"):
            yield Region(match.start(), match.end(), words, is_command)


def is_recipe(example: Example) -> None:
    """The block is a recipe; it lies in the working folder afterwards, as my.yaml."""
    Path("my.yaml").write_text(example.parsed, encoding="utf-8")
    recipe = load_recipe("my.yaml")
    check(recipe)
    trained = recipe.auxiliary_epochs > 0 or recipe.model.auxiliary_encoders == "trained"
    assert trained, "auxiliary encoders would be frozen as they were initialised, which `train` refuses"


def has_entry_points(example: Example) -> None:
    """The block offers classes, in groups that the library asks for."""
    groups = tomllib.loads(example.parsed)["project"]["entry-points"]
    for group in groups:
        assert group in (METHODS_GROUP, ENCODERS_GROUP), f"{group}: no such group of entry points"
    for points in groups.values():
        assert all(re.fullmatch(r"[\w.]+:\w+", value) for value in points.values())


def is_command(example: Example) -> None:
    """The command's own parser takes the line. One that is cheap and has its data succeeds, too."""
    name, options = in_full(example.parsed[0], example.parsed[1:])
    assert name in COMMANDS, f"{example.path}: line {example.line}: crossdistill {name}: no such command"
    if "--help" in options:
        return
    options = [re.sub(r"^(RECIPE|[A-Z]+/recipe\.yaml|tuned\.yaml)$", "emoji", word) for word in options]
    if is_cheap(name, options):  # which parses them, too
        assert main([name, *options, *(QUICK if name == "train" else [])]) == 0, shlex.join(example.parsed)
    else:
        parsed(importlib.import_module(COMMANDS[name][0]).parser(options), options)


def is_cheap(name: str, options: list[str]) -> bool:
    """Training on bundled data, for an epoch; looking at runs that an earlier example of the document has left."""
    if name == "train":
        return options[0] in BUNDLED
    return name in ("evaluate", "report") and any(Path(options[0]).glob("**/results.json"))


def train_on_clips(data: str, run: str) -> None:
    """What the reader of docs/media.md is said to have: a manifest of clips, and a run, here trained a little."""
    clips = Path(data, "clips")
    clips.mkdir(parents=True)
    lines = ["id,split,label,face,voice:audio"]
    for number in range(8):
        path = f"clips/a{number}.mp4"
        write_video(Path(data, path), "h264", [bars(number)] * 8, tone(0.4))
        lines.append(f"a{number},{'test' if number > 5 else 'train'},{('happy', 'sad')[number % 2]},{path},{path}")
    Path(data, "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    readers = {"face": ReaderSettings(frames=4, size=16, resize=16), "voice": ReaderSettings(seconds=0.4)}
    encoders = {
        "face": EncoderSettings("r2plus1d", {"blocks": [1, 1, 1, 1], "channels": 4}),
        "voice": EncoderSettings("cnn14", {"width": 8, "channels": 4}),
    }
    source = DataSettings(data, ("face",), ("voice",), readers=readers)
    model = ModelSettings(width=8, encoders=encoders, auxiliary_encoders="trained")
    crossdistill.run(Recipe(name="my", epochs=1, batch_size=6, data=source, model=model), run)
