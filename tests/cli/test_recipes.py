"""`crossdistill recipes`: whoever looks for a data set finds each, whatever the width of the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from crossdistill.cli import prepare
from crossdistill.cli.main import main
from crossdistill.cli.parsing import parsed
from crossdistill.datasets import BUNDLED
from crossdistill.methods import METHODS
from crossdistill.recipes.library.catalogue import PREPARE, RECIPES, TUNED


@pytest.mark.parametrize("width", [40, 80])
def test_each_recipe_is_listed_within_the_terminal(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    (tmp_path / "data" / "leaves").mkdir(parents=True)
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    assert max(map(cell_len, out.splitlines())) <= width
    assert {line.split()[0] for line in out.splitlines() if line.strip()} >= RECIPES.keys()
    assert out.count("bundled") == len(BUNDLED)
    assert out.count("in data/leaves") == 1
    assert "prepare leaves" not in out, "they are there"
    assert "picture ← speech" in out
    assert "…" not in out


def test_what_makes_a_recipe_s_data_is_a_command_and_what_is_tuned_a_method() -> None:
    for name, words in PREPARE.items():
        arguments = words.split()
        options = parsed(prepare.parser(arguments), arguments)
        assert options.name == arguments[0]
        assert RECIPES[name]().data.source.split("/")[0] == "data"
    assert {name for name in RECIPES if RECIPES[name]().data.source not in BUNDLED} == {*PREPARE, "own"}
    assert {method for methods in TUNED.values() for method in methods} <= METHODS.keys()
    assert TUNED.keys() <= RECIPES.keys()
