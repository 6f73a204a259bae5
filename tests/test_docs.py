"""The documents name things that exist: functions, test files, options, recipes, links; and their examples run."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
import torch

from crossdistill.cli import train
from crossdistill.encoders.kinds import ENCODERS
from crossdistill.estimator import defaults
from crossdistill.methods import METHODS
from crossdistill.runs.build import build
from crossdistill.runs.run import run
from tests.documents import documents
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_runs(
    path: Path, documented: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_names: None
) -> None:
    """In the document's order and in an empty folder, from nothing but what the document itself says. Estimators whose
    epochs a page leaves to the library train a tenth of its 750 steps: no page asserts what they reach."""
    monkeypatch.setattr(defaults, "STEPS", 75)
    monkeypatch.setattr(defaults, "LEAST_EPOCHS", 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    with torch.random.fork_rng():
        for example in documents().parse(path).examples():
            example.evaluate()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("    crossdistill train emoji --methd amid", "methd"),
        ("Then `crossdistill tain emoji`.", "no such command"),
        ("    torchrun -m crossdistill.cli train emoji --epoch 3", "epoch"),
        ("    crossdistill extract data --modality voice \\\n        --encode cnn14", "encode"),
        ("```yaml\nmodel: {widht: 3}\n```\n", "widht"),
        ('```toml\n[project.entry-points."crossdistill.method"]\nmine = "a:B"\n```\n', "crossdistill.method"),
        ("```python\nimport crossdistill\ncrossdistill.lod\n```\n", "lod"),
    ],
)
def test_a_wrong_example_is_found(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.md").write_text(text, encoding="utf-8")
    (example,) = documents().parse(Path("page.md")).examples()
    with pytest.raises((Exception, SystemExit), match=problem):
        example.evaluate()


@pytest.fixture
def fresh_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a document adds to the tables of methods and encoders is gone after its test."""
    for table in (METHODS, ENCODERS):
        for name, value in list(table.items()):
            monkeypatch.setitem(table, name, value)  # type: ignore[arg-type]


def test_nothing_names_a_machine() -> None:
    tracked = [path for pattern in ("*.md", "*.toml", "*.txt", "Makefile") for path in ROOT.glob(pattern)]
    tracked += [
        p for folder in ("src", "docs", "examples", "benchmarks", "scripts") for p in (ROOT / folder).rglob("*")
    ]
    for path in tracked:
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".yaml"} or path.name == "Makefile":
            assert not re.search(r"/(work|root|home|opt|tmp)/", path.read_text(encoding="utf-8")), path


@pytest.fixture
def documented(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the method of docs/add_a_method.md, added as the page says: one file, one line."""
    text = (ROOT / "docs/add_a_method.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    (file,) = (block for block in blocks if "class PKT" in block)
    folder = tmp_path_factory.mktemp("method")
    (folder / "pkt.py").write_text(file, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    kind = importlib.import_module("pkt").PKT
    (line,) = re.findall(r"its line, `(.*?)`", text)
    assert line == '"pkt": PKT'
    monkeypatch.setitem(METHODS, "pkt", kind)
    return "pkt"


def test_the_documented_method_trains_and_its_student_predicts(documented: str, tmp_path: Path) -> None:
    made = small_recipe(method=documented, options={documented: {"weight": 2.0}})
    results = run(made, tmp_path / "run", dataset=gestures())
    assert {"student", "teacher"} <= set(results.scores)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    transfer = [line["training/loss/neighbours"] for line in lines if "training/loss/neighbours" in line]
    assert [line["stage"] for line in lines] == ["auxiliary"] * 2 + ["teacher"] * 3 + [documented] * 3
    assert transfer[-1] < transfer[0]
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
    assert "between the teacher's and the student's neighbours" in " ".join(capsys.readouterr().out.split())
