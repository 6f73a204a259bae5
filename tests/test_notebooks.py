"""The notebooks of examples/notebooks: their cells run, here with little training, and what they show is a kernel's."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples/notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
QUICK = {"EPOCHS": 1, "SEEDS": 1}
"""In the place of what the cell with the tag `parameters` says, as papermill has it."""


def cells_of(name: str) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_stored_is_of_one_whole_execution_and_small(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    cells = cells_of(name)
    assert len(NOTEBOOKS) == 3
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output["output_type"] for cell in cells for output in cell["outputs"]]
    assert "stream" in kinds
    assert set(kinds) <= {"stream", "execute_result", "display_data"}, "no cell has failed"
    assert not [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    assert len(text) < 60_000
    assert not re.findall(r"/(?:home|root|tmp|work|Users|var)/\S*", text), "a machine's path"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_run_one_after_another(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells_of(name)):
        code = ast.parse("".join(cell["source"]), f"{name}, cell {number}")
        exec(compile(code, f"{name}, cell {number}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert names.keys() - {"__builtins__"} <= QUICK.keys()
            names |= QUICK
