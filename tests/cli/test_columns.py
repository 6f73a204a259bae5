"""Tables keep every number at any width of the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from crossdistill.cli.columns import Columns
from crossdistill.cli.main import main
from crossdistill.runs.run import run
from tests.runs.small import folder_of, gestures, recipe


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_no_number_is_cut_on_a_narrow_terminal(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # titles name the folder
    source = folder_of(gestures(), tmp_path / "data")
    if kind == "classes":
        run(recipe(source, method="baseline", epochs=1), tmp_path / "run")
        commands = [["evaluate", "run"], ["prepare", "manifest", source]]
    else:
        labels = {name: str(1234.5 + place) for place, name in enumerate(gestures().classes)}
        table = (source / "manifest.csv").read_text(encoding="utf-8")
        pattern = "|".join(f",{re.escape(name)}," for name in labels)
        (source / "manifest.csv").write_text(re.sub(pattern, lambda m: f",{labels[m[0].strip(',')]},", table))
        commands = [["prepare", "manifest", source, "--task", "regression"]]
    for command in commands:
        numbers = {}
        for width in (40, 60, 80, 200):
            monkeypatch.setenv("COLUMNS", str(width))
            lines = printed(capsys, *command)
            assert all(len(line) <= width for line in lines)
            assert "…" not in "".join(lines)
            numbers[width] = sorted(re.findall(r"(?<![\w.])\d[\d.,]*\d|\b\d+\b", "\n".join(lines).replace("R@", "")))
        assert numbers[40]
        assert all(found == numbers[200] for found in numbers.values())


@pytest.mark.parametrize("room", [1, 2, 12, 21, 30])
def test_any_room_is_enough_and_from_that_of_the_longest_on_no_number_is_cut(room: int) -> None:
    table = Columns(("", "samples", "mean"), ("",))
    table.add("train", "1,234,567", "21021287006")
    text = io.StringIO()
    Console(file=text, width=room).print(table.shown(room), soft_wrap=True)
    assert text.getvalue()
    if room > 20:
        assert re.findall(r"[\d,]+\d", text.getvalue()) == ["1,234,567", "21021287006"]
