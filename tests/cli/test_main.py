"""The command line as a user meets it: real processes for what only they can show, `main` for the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from crossdistill import __version__
from crossdistill.cli.main import main
from crossdistill.runs.run import run
from tests.processes import call, start_command
from tests.runs.small import folder_of, gestures, recipe
from tests.saved import model_bytes

TIMED = ("seconds", "peak_memory_mb")
CPU = ["--machine.accelerator", "cpu"]


def lines_of(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def untimed(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in TIMED}


def assert_same_run(first: Path, second: Path) -> None:
    assert model_bytes(first) == model_bytes(second)
    logs = [[untimed(line) for line in lines_of(folder / "metrics.jsonl")] for folder in (first, second)]
    assert logs[0] == logs[1]
    results = [untimed(json.loads((folder / "results.json").read_text())) for folder in (first, second)]
    assert results[0] == results[1]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_train_evaluate_report_and_repeat(tmp_path: Path) -> None:
    """What the README's first page does, with fewer epochs."""
    code, out, error = call("train", "emoji", "--epochs", "2", "--out", "run", *CPU, folder=tmp_path)
    assert (code, error) == (0, "")
    assert "student" in out
    assert "Run: run" in out
    folder = tmp_path / "run"
    results = json.loads((folder / "results.json").read_text())
    assert results["student"]["top1"] > 0.3, "nine classes, two epochs"
    assert len(lines_of(folder / "metrics.jsonl")) == 2
    others = {
        "again": start_command("train", "run/recipe.yaml", "--out", "again", folder=tmp_path),
        "evaluate": start_command("evaluate", "run", folder=tmp_path),
        "report": start_command("report", "run", "--out", "page.html", "--markdown", "docs", folder=tmp_path),
    }
    ended = {name: process.result() for name, process in others.items()}
    assert [(code, error) for code, _, error in ended.values()] == [(0, "")] * 3
    assert_same_run(folder, tmp_path / "again")
    assert "The same predictions as when it was trained." in ended["evaluate"][1]
    assert f"{100 * results['student']['top1']:.1f} %" in ended["evaluate"][1]
    page, document = (tmp_path / "page.html").read_text("utf-8"), (tmp_path / "docs/emoji.md").read_text("utf-8")
    assert "<html" in page
    assert "crossdistill report run --out page.html" in page
    assert "crossdistill report run --markdown docs" in document
    for text in (page, document):
        assert f"{100 * results['student']['top1']:.1f}" in text
    assert "Markdown: docs/emoji.md" in ended["report"][1]


def test_a_mistake_and_a_call_for_help_in_real_processes(tmp_path: Path) -> None:
    mistake = start_command("train", "emoji", "--data.auxiliary", "[smell]", *CPU, folder=tmp_path)
    help_wanted = start_command("train", "watch", "--help", folder=tmp_path)
    code, _, error = mistake.result()
    assert code == 2
    assert_one_line(error, "smell")
    assert not list(tmp_path.iterdir()), "nothing was begun"
    code, out, error = help_wanted.result()
    assert (code, error) == (0, "")
    assert "--amid.alpha_1" in out


def assert_one_line(error: str, word: str) -> None:
    assert error.startswith("crossdistill: error: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert word in error
    assert "Traceback" not in error
    assert "<class" not in error


HELP = [[], ["train"], ["train", "emoji"], ["evaluate"], ["report"], ["prepare"], ["demo"]]


@pytest.mark.parametrize("arguments", [*[[*words, "--help"] for words in HELP], ["--version"]], ids=" ".join)
def test_help_and_version_exit_with_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code in (0, None)
    out = capsys.readouterr().out
    assert out.strip() == f"crossdistill {__version__}" if arguments == ["--version"] else "usage" in out


MISTAKES: dict[str, tuple[Sequence[str], str]] = {
    "no command": ([], "command"),
    "unknown command": (["trian"], "trian"),
    "no recipe": (["train"], "recipe"),
    "unknown recipe": (["train", "emojis"], "emojis"),
    "missing file": (["train", "nowhere/recipe.yaml"], "nowhere/recipe.yaml"),
    "unknown option": (["train", "emoji", "--nonsense", "1"], "nonsense"),
    "unknown option of a method": (["train", "emoji", "--amid.alpha_9", "1"], "alpha_9"),
    "unknown method": (["train", "emoji", "--method", "magic"], "magic"),
    "text for a number": (["train", "emoji", "--epochs", "many"], "epochs"),
    "text for a method's number": (["train", "emoji", "--amid.alpha_1", "big"], "alpha_1"),
    "other word": (["train", "emoji", "--optimization.name", "lion"], "lion"),
    "negative weight": (["train", "emoji", "--amid.alpha_1", "-1"], "alpha_1"),
    "beta of 1": (["train", "emoji", "--amid.beta", "1"], "beta"),
    "no epochs": (["train", "emoji", "--epochs", "0"], "epochs"),
    "unknown modality": (["train", "emoji", "--data.target", "[smell]"], "smell"),
    "unknown modality without brackets": (["train", "emoji", "--data.target", "smell"], "no modality 'smell'"),
    "words of another list": (["compare", "emoji", "--slurm.setup", "export A=0,1; module load cuda"], "slurm.setup"),
    "modality that is a number": (["train", "emoji", "--data.target=1"], "no modality '1'"),
    "option in the place of a modality": (["train", "emoji", "--data.target", "--epochs", "1"], "data.target"),
    "modality that is none": (["train", "emoji", "--data.auxiliary", "{name: 1}"], "data.auxiliary"),
    "the same modality twice": (["train", "emoji", "--data.auxiliary", "[picture]"], "picture"),
    "no such fold": (["train", "emoji", "--fold", "3"], "fold"),
    "no such data": (["train", "emoji", "--data.source", "nowhere"], "nowhere"),
    "option before the recipe, unknown": (["train", "--epochz", "3", "emoji"], "epochz"),
    "evaluate nothing": (["evaluate", "nowhere"], "nowhere"),
    "report nothing": (["report", "nowhere"], "nowhere"),
    "prepare an unknown data set": (["prepare", "imagenet", "--source", "x"], "imagenet"),
    "prepare from nowhere": (["prepare", "emoji", "--source", "nowhere", "--out", "made"], "nowhere"),
    "demo without a run": (["demo", "--seeds", "0"], "seeds"),
    "demo of something else": (["demo", "mnist"], "watch, emoji"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_code_2(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, word = MISTAKES[mistake]
    assert main([*arguments]) == 2
    assert_one_line(capsys.readouterr().err, word)
    assert not list(tmp_path.iterdir()), "nothing was begun"


def recipe_written(folder: Path, *arguments: str | Path) -> dict[str, Any]:
    assert main(["train", *map(str, arguments), "--out", str(folder), *CPU]) == 0
    found: dict[str, Any] = yaml.safe_load((folder / "recipe.yaml").read_text())
    return found


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A recipe's file whose run takes a moment."""
    run(recipe(folder_of(gestures(), tmp_path), epochs=1, auxiliary_epochs=1), tmp_path / "first")
    return tmp_path / "first" / "recipe.yaml"


def test_options_end_up_in_the_recipe_and_nothing_else_changes(quick: Path, tmp_path: Path) -> None:
    overrides = ["--amid.alpha_1", "2", "--model.width", "64", "--data.target", "[eye]", "--data.auxiliary", "[wrist]"]
    found = recipe_written(
        tmp_path / "run", quick, *overrides, "--seed=3", "--optimization.learning_rate", "1e-4", "--tensorboard", "true"
    )
    expected = yaml.safe_load(quick.read_text())
    expected["amid"]["alpha_1"] = 2.0
    expected["model"]["width"] = 64
    expected["data"] |= {"target": ["eye"], "auxiliary": ["wrist"]}
    expected |= {"seed": 3, "tensorboard": True}
    expected["optimization"]["learning_rate"] = 1e-4
    assert found == expected
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["target"], results["auxiliary"], results["seed"]) == (["eye"], ["wrist"], 3)


def test_several_target_modalities(quick: Path, tmp_path: Path) -> None:
    """The second one is invented here: the same recordings again, from the other hand."""
    folder = Path(yaml.safe_load(quick.read_text())["data"]["source"])
    manifest = folder / "manifest.csv"
    header, *rows = manifest.read_text().splitlines()
    at = header.split(",").index("wrist")
    manifest.write_text("\n".join([f"{header},hand", *(f"{row},{row.split(',')[at]}" for row in rows)]) + "\n")
    found = recipe_written(tmp_path / "run", quick, "--data.target", "[hand, wrist]")
    assert found["data"]["target"] == ["hand", "wrist"]
    found = recipe_written(tmp_path / "other", quick, "--data.target", "hand, wrist", "--data.auxiliary=eye")
    assert (found["data"]["target"], found["data"]["auxiliary"]) == (["hand", "wrist"], ["eye"])


def test_encoders_from_the_command_line(quick: Path, tmp_path: Path) -> None:
    encoders = "{wrist: {kind: rnn, settings: {width: 8, hidden: 4}}, eye: {kind: features}}"
    found = recipe_written(tmp_path / "run", quick, "--model.encoders", encoders)
    wrist = found["model"]["encoders"]["wrist"]
    assert (wrist["kind"], wrist["settings"]) == ("rnn", {"width": 8, "hidden": 4})
    assert found["model"]["encoders"]["eye"]["kind"] == "features"


def test_the_recipe_s_place_among_the_options_does_not_matter(quick: Path, tmp_path: Path) -> None:
    """Options first would otherwise train something else than was asked for, without a word."""
    before = recipe_written(tmp_path / "before", "--seed", "3", quick)
    after = recipe_written(tmp_path / "after", quick, "--seed", "3")
    assert before == after


def test_another_method_of_a_saved_recipe(quick: Path, tmp_path: Path) -> None:
    found = recipe_written(tmp_path / "run", quick, "--method", "baseline")
    assert found["method"] == "baseline"
    assert "amid" not in found


def test_the_run_s_folder_is_named_after_recipe_method_and_seed(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(quick), "--method", "baseline", "--seed", "4", *CPU]) == 0
    assert (tmp_path / "runs" / "gestures-baseline-seed4" / "results.json").is_file()
    outside = str(tmp_path / "elsewhere" / "x")
    assert main(["train", str(quick), "--method", "baseline", "--name", outside, *CPU]) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2, "a name with separators has left runs/"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_holds_a_run_is_left_alone(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(quick.parent)
    for more in ([], ["--seed", "9"], ["--seed", "9", "--resume"]):
        assert main(["train", str(quick), "--out", str(quick.parent), *more]) == 2
        assert_one_line(capsys.readouterr().err, str(quick.parent))
        assert snapshot(quick.parent) == before
    assert main(["train", str(quick), "--out", str(quick.parent), "--resume"]) == 0
    assert f"Run: {quick.parent}, which had finished before\n" in capsys.readouterr().out
    assert snapshot(quick.parent) == before


def test_training_without_measuring_says_so_in_words(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "silent"
    recipe_written(folder, quick, "--data.evaluate_on", "none")
    out = capsys.readouterr().out
    assert f"Nothing was measured of {folder}" in out
    assert "gap" not in out, "an empty table"
    results = json.loads((folder / "results.json").read_text())
    assert not {"student", "teacher", "auxiliary_alone"} & set(results)
    page = tmp_path / "page.html"
    assert main(["report", str(folder), "--out", str(page)]) == 0
    assert f"Nothing was measured of {folder}" in capsys.readouterr().out
    assert f"Nothing was measured of {folder}" in page.read_text("utf-8")
    assert main(["report", str(folder), str(quick.parent), "--out", str(page)]) == 0
    out = capsys.readouterr().out
    assert "student" in out
    assert f"Nothing was measured of {folder}" in out
    assert main(["evaluate", str(folder)]) == 0
    assert "nothing to measure: its data.evaluate_on is none" in capsys.readouterr().out


MODEL_FILES = ("student.safetensors", "rest.safetensors", "config.json")


@pytest.mark.parametrize("name", ["results.json", "metrics.jsonl", "recipe.yaml", *MODEL_FILES])
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_damaged_run_is_one_line(
    command: str, name: str, quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (quick.parent / name).write_bytes(b'{"half": ')
    page = ["--out", str(tmp_path / "page.html")] if command == "report" else []
    code = main([command, str(quick.parent), *page])
    error = capsys.readouterr().err
    if (command, name) == ("evaluate", "metrics.jsonl") or (command == "report" and name in MODEL_FILES):
        assert (code, error) == (0, ""), "to measure again needs no log, a report without pictures no model"
    else:
        assert code == 2
        assert_one_line(error, name)
        assert not (tmp_path / "page.html").exists()


def test_the_demonstration_labels_one_person_and_has_its_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first screen of the README shows: same data, labels and settings for all; only the method differs."""
    from crossdistill.cli import demo

    made = demo.label_one()
    assert [recipe.label or recipe.method for recipe in made] == [
        "baseline", "self_training", "teacher", "amid", "amid_u", "amid_u, shuffled auxiliary",
    ]  # fmt: skip
    assert {recipe.data.labelled_groups for recipe in made} == {1}
    assert [recipe.data.control for recipe in made] == ["none"] * 5 + ["shuffled"]
    plain = [replace(r, method="", label="", role="method", data=replace(r.data, control="none")) for r in made]
    assert all(recipe == plain[0] for recipe in plain)
    asked: list[tuple[int, int, int]] = []

    def compared(recipes: Sequence[object], out: Path, seeds: int, folds: Sequence[int], *others: object) -> int:
        asked.append((len(recipes), seeds, len(folds)))
        return 0

    monkeypatch.setattr(demo, "compare_and_report", compared)
    for words in (["demo"], ["demo", "emoji"], ["demo", "watch", "--seeds", "2"]):
        main(words)
    assert asked == [(6, 1, 10), (3, 3, 0), (6, 2, 10)]
