"""The documents name things that exist: functions, test files, options, recipes, links."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from crossdistill.cli import parser_for
from crossdistill.methods import METHODS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def table_cells(path: Path) -> list[str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [cell for line in lines for cell in line.strip("|").split("|")]


def test_every_equation_has_its_function_and_its_test() -> None:
    names = re.findall(r"`((?:losses|methods)\.[\w.]+)`", (ROOT / "docs/equations.md").read_text(encoding="utf-8"))
    assert len(names) >= 10
    for name in names:
        module, _, attribute = f"crossdistill.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    files = re.findall(r"`((?:tests|src|examples|benchmarks|scripts|docs)/[\w/.-]+\.\w+)", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    for name in files:
        assert (ROOT / name).is_file(), name
    for link in links:
        assert (path.parent / link).exists(), link


def test_every_switch_of_the_readings_is_an_option() -> None:
    train = parser_for(["train", "emoji"]).parse_args(["train", "emoji"]).train
    known = set(train.keys())  # dotted names of all fields
    known |= {name for method in METHODS for name in known_options(method)}
    switches = {
        name
        for cell in table_cells(ROOT / "docs/readings.md")
        for name in re.findall(r"^ ?`([\w.]+)` ?$", cell)
        if cell.strip().count("`") == 2
    }
    assert len(switches) > 8
    for switch in switches:
        assert switch in known, switch


def known_options(method: str) -> list[str]:
    import inspect

    return list(inspect.signature(METHODS[method]).parameters)


def commands_of(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(
        r"^\s*(?:\$ )?crossdistill ((?:demo|prepare|train|tune|compare|evaluate|report)\b.*)$", text, flags=re.MULTILINE
    )
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_parse(path: Path) -> None:
    for command in commands_of(path):
        arguments = [re.sub(r"^[A-Z]+/?.*\.yaml$", "emoji", word) for word in command]
        if {"--help", "--version"} & set(arguments):
            continue
        parser_for(arguments).parse_args(arguments)


def test_nothing_names_a_machine() -> None:
    tracked = [path for pattern in ("*.md", "*.toml", "*.txt", "Makefile") for path in ROOT.glob(pattern)]
    tracked += [
        p for folder in ("src", "docs", "examples", "benchmarks", "scripts") for p in (ROOT / folder).rglob("*")
    ]
    for path in tracked:
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".yaml"} or path.name == "Makefile":
            assert not re.search(r"/(work|root|home|opt|tmp)/", path.read_text(encoding="utf-8")), path
