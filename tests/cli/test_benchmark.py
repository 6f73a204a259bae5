"""`crossdistill compare benchmark` as it is typed, and its page again from what it left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossdistill.cli.benchmark import parse_budgets, parse_sets
from crossdistill.cli.main import main
from crossdistill.recipes.variants.benchmark import SETS, Budget
from crossdistill.types import InputError

pytestmark = pytest.mark.usefixtures("forked_workers")

EVERY = list(dict.fromkeys(budget for each in SETS for budget in each.budgets))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["5-percent", "10-percent", "25-percent", "all", "1-group", "2-groups"]),
        ("few,all", ["5-percent", "10-percent", "25-percent", "all", "1-group", "2-groups"]),
        ("few", ["5-percent", "10-percent", "25-percent", "1-group", "2-groups"]),
        ("all", ["all"]),
        ("100%", ["all"]),
        ("10%, 1", ["10-percent", "1-group"]),
        ("5%,2,all", ["5-percent", "all", "2-groups"]),
    ],
)
def test_budgets_in_words(text: str, expected: list[str]) -> None:
    assert [budget.folder for budget in filter(parse_budgets(text, SETS), EVERY)] == expected


@pytest.mark.parametrize("text", ["many", "10 %%", "7%", "0", "3", "1.5", "few,,all", "-1", "%"])
def test_no_such_budget_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"--budgets: .*there are 5%, 10%, 25%, 1, 2"):
        parse_budgets(text, SETS)


def test_sets_by_name_in_the_page_s_order() -> None:
    assert parse_sets("") == list(SETS)
    assert [each.name for each in parse_sets("watch, emoji")] == ["emoji", "watch"]
    with pytest.raises(InputError, match=r"--sets: expected some of emoji, watch, .*, found 'emoij'"):
        parse_sets("emoij")


def test_the_budget_of_a_word_is_the_study_s() -> None:
    assert list(filter(parse_budgets("1", SETS), EVERY)) == [Budget(groups=1)]


def test_from_the_command_to_the_page_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A data set that is bundled and one that is not there, as briefly as can be; then from copies of two files."""
    monkeypatch.chdir(tmp_path)
    words = ["--sets", "emoji,mosi", "--budgets", "all", "--methods", "baseline", "--seeds", "1", "--out", "out"]
    fields = "{epochs: 1, batch_size: 512, machine.accelerator: cpu}"
    command = ["compare", "benchmark", *words, "--fields", fields, "--markdown", "docs"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Left out: mosi: not prepared; `crossdistill prepare mosi --source DIR` makes it\n" in out
    assert "1/1 emoji, all labels: 2 runs; baseline " in out
    text = Path("docs/benchmark.md").read_text(encoding="utf-8")
    assert "```\ncrossdistill compare benchmark --sets emoji,mosi --budgets all" in text
    assert "## emoji, all labels" in text
    assert "Left out: mosi: not prepared" in text
    assert sorted(path.name for path in Path("docs/benchmark").iterdir()) == ["benchmark.json", "results.parquet"]
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "emoji, all labels" in page

    shutil.rmtree("out")
    assert main(["report", "docs/benchmark", "--out", "again.html", "--markdown", "docs"]) == 0
    again = Path("docs/benchmark.md").read_text(encoding="utf-8")
    assert again.partition("## How this was made")[0] == text.partition("## How this was made")[0]
    assert "```\ncrossdistill report docs/benchmark --markdown docs\n```" in again
    assert "The study was asked for by: crossdistill compare benchmark --sets emoji,mosi" in again
    assert Path("docs/benchmark/results.parquet").is_file()
    assert Path("again.html").is_file()
    capsys.readouterr()
    assert main(["report", "docs/benchmark", "docs"]) == 2
    assert "give it alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--sets", "emoij"], "emoij"),
        (["--budgets", "7%"], "7%"),
        (["--methods", "magic"], "magic"),
        (["--seeds", "0"], "--seeds"),
        (["--sets", "mosi,mfeat"], "crossdistill prepare mfeat --source DIR"),
        (["--sets", "emoji,leaves", "--budgets", "all,1"], "none of emoji, leaves has 1; there are 5%, 10%, 25%, all"),
        (["--fields", "{epochz: 3}"], "epochz"),
        (["--fields", "{data.labelled: 0.5}"], "--fields: data.labelled is set by --budgets"),
        (["--fields", "{data: {labelled_groups: 1}}"], "--fields: data.labelled_groups is set by --budgets"),
        (["--fields", "{method: kd}"], "--fields: method is set by --methods"),
    ],
)
@pytest.mark.parametrize("typed", [["compare", "benchmark"], ["benchmark"]])
def test_a_mistake_is_one_line_and_begins_nothing(
    typed: list[str],
    arguments: list[str],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*typed, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert word in error
    assert not list(tmp_path.iterdir())
