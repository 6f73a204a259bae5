"""How the command line finds a command: at once, without what training needs; each from its own module."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossdistill import __version__
from crossdistill.cli.main import COMMANDS, main
from crossdistill.cli.parsers import command_parser

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "jsonargparse", "pandas", "rich", "yaml", "lightning_fabric")
COMPILER = ("torch._dynamo", "torch._inductor", "sympy")
SCRIPT = f"""
import sys
from crossdistill.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code or 0
print("imported:", *[name for name in {HEAVY + COMPILER} if name in sys.modules])
sys.exit(code)
"""


def imported(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter of its own, which says at its end what heavy it has imported."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "80"}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "output", "error"),
    [
        (["--version"], 0, f"crossdistill {__version__}\n", ""),
        (["--help"], 0, "validation data", ""),
        ([], 2, "", "crossdistill: error: expected a command first: demo, prepare, "),
        (["trian"], 2, "", "crossdistill: error: no command trian; did you mean train?\n"),
        (["xyzzy"], 2, "", "crossdistill: error: no command xyzzy; there are demo, prepare, "),
        (["--epochs", "3", "train"], 2, "", "crossdistill: error: expected a command first, found --epochs: demo, "),
    ],
)
def test_nothing_heavy_is_imported_before_a_command_is_known(
    arguments: list[str], code: int, output: str, error: str
) -> None:
    done = imported(*arguments)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "imported:"
    assert output in done.stdout
    assert done.stderr.startswith(error)
    assert done.stderr.count("\n") == (1 if error else 0)


def test_training_and_reports_import_neither_the_compiler_nor_what_others_need(tmp_path: Path) -> None:
    done = imported("train", "watch", "--epochs", "1", "--method", "amid", "--quiet", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    heavy = done.stdout.splitlines()[-1].split()[1:]
    assert "torch" in heavy
    assert not {*COMPILER, "lightning_fabric", "pandas"} & {*heavy}
    report = imported("report", tmp_path / "run", "--out", tmp_path / "page.html")
    assert report.returncode == 0, report.stderr
    assert not {*COMPILER, "lightning_fabric", "pandas"} & {*report.stdout.splitlines()[-1].split()[1:]}


@pytest.mark.parametrize(("word", "command"), [("comapre", "compare"), ("reports", "report"), ("prepair", "prepare")])
def test_a_mistyped_command_is_told_the_nearest_name(
    word: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "emoji"]) == 2
    assert capsys.readouterr().err == f"crossdistill: error: no command {word}; did you mean {command}?\n"


def test_the_overview_says_what_each_command_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name, (_, what) in COMMANDS.items():
        assert [line.split(maxsplit=1) for line in lines if line.split()[:1] == [name]] == [[name, what]]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_parser(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        importlib.import_module(COMMANDS[name][0]).parser(["--help"]).parse_args(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["usage:", "crossdistill", name]
    assert max(map(len, lines)) <= 80
    for noise in ("<class", "(type", ", type:", "default: null", "default: )", "default: ()", "default: [])"):
        assert not [line for line in lines if noise in line], noise


def test_help_says_defaults_and_what_is_required(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    parser = command_parser("try", "One of each kind.")
    parser.add_argument("folder", type=Path, help="positional")
    parser.add_argument("--out", type=Path, help="no default")
    parser.add_argument("--page", type=Path, default=Path("page.html"), help="a path")
    parser.add_argument("--quiet", action="store_true", help="a flag")
    parser.add_argument("--rate", type=float, default=0.0, help="a number")
    parser.add_argument("--force", type=bool, default=False, help="a truth")
    parser.add_argument("--name", default="", help="an empty text")
    parser.add_argument("--source", required=True, help="needed")
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {
        "folder positional",
        "--out OUT no default",
        "--page PAGE a path (default: page.html)",
        "--quiet a flag",
        "--rate RATE a number (default: 0.0)",
        "--force {true,false} a truth (default: False)",
        "--name NAME an empty text",
        "--source SOURCE needed (required)",
    } <= {*said}


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--seed", "1"],
        ["train", "emoji", "--tensor", "true"],
        ["compare", "emoji", "--method", "amid"],
        ["tune", "emoji", "--trial", "1"],
        ["report", "runs", "--mark", "docs"],
        ["prepare", "manifest", "x", "--shor", "1"],
        ["extract", "m", "--modality", "a", "--encoder", "cnn14", "--weights", "w", "--seq", "true"],
    ],
    ids=lambda words: words[0],
)
def test_abbreviations_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "unrecognized arguments" in error


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["train", "emoji", "--amid.alpha1", "3"], "; did you mean --amid.alpha_1?"),
        (["train", "emoji", "--data.labeled=0.1"], "; did you mean --data.labelled?"),
        (["compare", "emoji", "--method", "amid"], "; did you mean --methods?"),
        (["train", "emoji", "--labelled", "0.1"], "; did you mean --data.labelled?"),
        (["train", "emoji", "--optimisation.learning_rate=3"], "; did you mean --optimization.learning_rate?"),
        (["train", "emoji", "more", "--seedz", "3"], "; did you mean --seed?"),
        (["train", "emoji", "--method", "kd", "--kd.alpha=3"], "unrecognized arguments: --kd.alpha=3"),
        (["train", "emoji", "--lr", "3"], "; did you mean --optimization.learning_rate?"),
        (["train", "emoji", "--device", "cuda"], "; did you mean --machine.accelerator?"),
        (["train", "emoji", "--learning_rate=3"], "; did you mean --optimization.learning_rate?"),
        (["train", "emoji", "--output", "x"], "; did you mean --out?"),
        (["compare", "emoji", "--gpus", "2"], "; did you mean --machine.devices?"),
        (["export", "run", "--device", "cuda"], "unrecognized arguments: --device cuda"),
        (["compare", "emoji", "--methods", "kd", "more"], "unrecognized arguments: more"),
    ],
    ids=lambda words: words[-1] if isinstance(words, list) else "",
)
def test_an_unknown_option_says_which_is_nearest(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err.removesuffix("\n")
    assert "\n" not in error
    assert error.endswith(meant)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["train", "emoji", "--data.task", "x"], "--data.task: expected one of classification, multilabel, regression"),
        (["train", "emoji", "--seed", "x"], "--seed: expected a whole number, found 'x'"),
        (["train", "emoji", "--optimization.learning_rate", "x"], "learning_rate: expected a number, found 'x'"),
        (["train", "emoji", "--data.strict", "x"], "--data.strict: expected true or false, found 'x'"),
        (["train", "emoji", "--evaluate_every", "x"], "--evaluate_every: expected a whole number or auto, found 'x'"),
        (["train", "emoji", "--data.target", "[3]"], "--data.target: expected a text, found '3'"),
        (["prepare", "manifest", "x", "--cache", "zip"], "--cache: expected one of none, jpeg, raw, found 'zip'"),
        (["prepare", "manifest", "x", "--task", "y"], "--task: expected one of classification, multilabel, regression"),
    ],
    ids=lambda words: words[-2] if isinstance(words, list) else "",
)
def test_a_value_that_an_option_does_not_take(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not re.search("Parser key|typing|<class", error)


def test_prepare_alone_names_all_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("crossdistill: error: crossdistill prepare: expected one of avletters, emoji, ")
    assert ", folders, manifest after it" in error


def test_a_recipe_s_file_is_told_of_likewise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.yaml").write_text("epochs: many\n")
    assert main(["train", str(tmp_path / "x.yaml")]) == 2
    assert "x.yaml: epochs: expected a whole number, found 'many'" in capsys.readouterr().err
