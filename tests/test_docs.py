"""The documents name things that exist: functions, test files, options, recipes, links; and their example runs."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

from crossdistill.cli import train
from crossdistill.cli.main import COMMANDS
from crossdistill.methods import METHODS
from crossdistill.recipes.check import check
from crossdistill.recipes.files import load_recipe
from crossdistill.runs.build import build
from crossdistill.runs.run import run
from crossdistill.testing import check_encoder, check_method
from tests.runs.small import gestures
from tests.runs.small import recipe as small_recipe
from tests.saved import model_state

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
    known = set(train.parser(["emoji"]).parse_args(["emoji"]).keys())  # dotted names of all fields
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
        name, *options = arguments
        importlib.import_module(COMMANDS[name][0]).parser(options).parse_args(options)


def test_nothing_names_a_machine() -> None:
    tracked = [path for pattern in ("*.md", "*.toml", "*.txt", "Makefile") for path in ROOT.glob(pattern)]
    tracked += [
        p for folder in ("src", "docs", "examples", "benchmarks", "scripts") for p in (ROOT / folder).rglob("*")
    ]
    for path in tracked:
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".yaml"} or path.name == "Makefile":
            assert not re.search(r"/(work|root|home|opt|tmp)/", path.read_text(encoding="utf-8")), path


def blocks_of(path: Path) -> list[str]:
    """The Python blocks of a document, in order."""
    return re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the method of docs/architecture.md, added as the page says: one file, one line."""
    blocks = blocks_of(ROOT / "docs/architecture.md")
    file, line = (block for block in blocks if "LogitMatching" in block and "check_method" not in block)
    (tmp_path / "logit_matching.py").write_text(file, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kind = importlib.import_module("logit_matching").LogitMatching
    assert line.strip() == '"logit_matching": LogitMatching,'
    monkeypatch.setitem(METHODS, "logit_matching", kind)
    return "logit_matching"


def test_the_documented_method_trains_and_its_student_predicts(documented: str, tmp_path: Path) -> None:
    made = small_recipe(method=documented, options={documented: {"weight": 2.0}})
    results = run(made, tmp_path / "run", dataset=gestures())
    assert {"student", "teacher"} <= set(results.scores)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    matching = [line["training/loss/matching"] for line in lines if "training/loss/matching" in line]
    assert [line["stage"] for line in lines] == ["auxiliary"] * 2 + ["teacher"] * 3 + [documented] * 3
    assert matching[-1] < matching[0]
    model = build(made, gestures()).model
    model.load_state_dict(model_state(tmp_path / "run"))
    dataset = gestures()
    test = dataset.__getitems__(dataset.rows("test").tolist())
    logits = model.eval().predict({"wrist": test.modalities["wrist"]})
    top1 = (logits.argmax(dim=1) == test.labels).double().mean().item()
    assert top1 == pytest.approx(results["student"]["top1"])


def test_the_documented_method_has_its_option_on_the_command_line(
    documented: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["emoji", "--method", documented, f"--{documented}.weight", "2"]
    parsed = train.parser(arguments).parse_args(arguments)
    assert parsed[documented].weight == 2.0
    with pytest.raises(SystemExit):
        train.parser(["emoji", "--help"]).parse_args(["emoji", "--help"])
    assert "of the squared distance between the student's logits" in " ".join(capsys.readouterr().out.split())


def test_the_documented_method_keeps_the_contract(documented: str) -> None:
    check_method(METHODS[documented])


def test_the_documented_plug_ins_are_checked_as_documented(
    documented: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = (block for block in blocks_of(ROOT / "docs/architecture.md") if "check_encoder(" in block)
    (tmp_path / "stroke_encoder.py").write_text(STROKE_ENCODER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    exec(block, names)
    for name in ("test_logit_matching", "test_stroke_encoder"):
        names[name]()  # type: ignore[operator]
    assert names["check_method"] is check_method
    assert names["check_encoder"] is check_encoder


STROKE_ENCODER = """
from crossdistill.encoders import RNN


class StrokeEncoder(RNN):
    def __init__(self, width: int) -> None:
        super().__init__(3, width)
"""
"""What the document's author of an encoder is to have written."""


def test_recipes_in_documents_are_recipes(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/media.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "recipe.yaml").write_text(block, encoding="utf-8")
        check(load_recipe(str(tmp_path / "recipe.yaml")))
