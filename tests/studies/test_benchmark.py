"""The evidence study on data of a second: what it keeps, what it leaves out and says, and what it goes on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.benchmark import BenchmarkSet, Budget, Setting, settings
from crossdistill.reports.benchmark import Provenance, report_of
from crossdistill.studies import benchmark as studied
from crossdistill.studies.benchmark import SETTINGS, Asked, benchmark, gather, read_study
from crossdistill.studies.record import Record, read_record
from crossdistill.types import InputError
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe

pytestmark = pytest.mark.usefixtures("forked_workers")

ASKED = Asked(("amid", "baseline"), seeds=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(gestures(), tmp_path_factory.mktemp("data"))


def small(source: Path, name: str = "gestures", **changes: Any) -> BenchmarkSet:
    def made() -> Recipe:
        fields: dict[str, Any] = {"epochs": 2, "auxiliary_epochs": 1, **changes}
        return replace(recipe(source, **fields), name=name)

    return BenchmarkSet(made, (Budget(0.25),))


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*/*/*")}


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a set with two budgets, and of one that is not there."""
    out = tmp_path_factory.mktemp("study")
    nowhere = small(source / "nowhere", "leaves")
    heard = Heard()
    made = benchmark(settings([small(source), nowhere], data=source / "nowhere"), ASKED, out, "the command", heard)
    assert made.table is not None
    assert (list(made.skipped), made.failures) == (["leaves"], {})
    assert [line.split(":")[0] for line in heard.lines] == [
        "Left out", "1/2 gestures, 25 % of labels", "2/2 gestures, all labels"
    ]  # fmt: skip
    assert "`crossdistill prepare leaves --source DIR --out " in heard.lines[0]
    assert heard.lines[1].split(": ")[1].startswith("6 runs; baseline ")
    assert heard.totals[SETTINGS] == heard.events.count(("step", SETTINGS)) == 2
    return out


def test_a_row_for_each_run_of_each_setting(done: Path) -> None:
    table, record = read_study(done)
    counts = table.groupby(["set", "budget", "label"], sort=False)["seed"].agg(list).to_dict()
    labels = ["baseline", "teacher", "amid"]
    assert counts == {
        ("gestures", budget, label): [0, 1] for budget in ("25 % of labels", "all labels") for label in labels
    }
    assert set(table.loc[table.budget == "25 % of labels", "labelled"]) == {8}, "a quarter of 11, 11 and 10, rounded"
    assert set(table.loc[table.budget == "all labels", "labelled"]) == {32}
    assert set(zip(table.target, table.auxiliary, table.classes, table.train, table.evaluated, strict=True)) == {
        ("wrist", "eye", 3, 32, 16)
    }
    assert record.commands == ("the command",)
    assert record.trials == {"gestures/25-percent": 0, "gestures/all": 0}
    assert list(record.skipped) == ["leaves"]


def test_each_seed_draws_other_labels(done: Path) -> None:
    first, second = (load_recipe(str(done / f"gestures/25-percent/amid-seed{seed}/recipe.yaml")) for seed in (0, 1))
    assert (first.seed, second.seed) == (0, 1)
    assert (first.data.labelled, second.data.labelled) == (0.25, 0.25)


def test_where_whole_groups_are_labelled_each_fold_is_tested(tmp_path: Path) -> None:
    """As many runs as there are seeds; the first folds where these are fewer, and no fold where settings were tuned on
    the data's own split."""
    made = gestures()
    groups = np.arange(len(made)) // 3 % 4
    splits = np.where(groups == 3, "test", "train")
    source = folder_of(replace(made, groups=groups.astype(str), folds=groups, splits=splits), tmp_path)
    within = replace(small(source), few=(Budget(groups=1),))
    asked = Asked(("baseline",), seeds=3)

    def ran(asked: Asked, out: str) -> list[tuple[int, int]]:
        table = benchmark(settings([within], lambda budget: not budget.is_all), asked, tmp_path / out).table
        assert table is not None
        rows = table[table.label == "baseline"]
        assert len(rows[["fold", "labelled_groups"]].drop_duplicates()) == len(rows)
        return list(zip(rows.fold, rows.seed, strict=True))

    assert ran(asked, "study") == [(0, 0), (1, 0), (2, 0)]
    assert ran(replace(asked, seeds=9), "study") == [(fold, seed) for seed in (0, 1) for fold in range(4)]
    tuned = replace(asked, trials=1)
    assert ran(tuned, "tuned") == [(-1, 0), (-1, 1), (-1, 2)]
    with pytest.raises(InputError, match="1-group: was tuned with --trials 1, now --trials is 0; give the same"):
        ran(asked, "tuned")
    with pytest.raises(InputError, match="1-group: was not tuned, now --trials is 1"):
        ran(tuned, "study")


def test_it_goes_on_and_keeps_what_it_has(done: Path, source: Path) -> None:
    before, heard = times(done), Heard()
    made = benchmark(settings([small(source)]), replace(ASKED, seeds=3), done, "another", heard)
    assert made.table is not None
    assert len(made.table) == 2 * 3 * 3
    after = times(done)
    assert {path: after[path] for path in before} == before
    assert heard.lines[0] == "1/2 gestures, 25 % of labels: 9 runs, 6 of them finished already"
    assert read_record(done).commands == ("the command", "another")
    benchmark(settings([small(source)]), ASKED, done, "another")
    assert times(done) == after
    assert read_record(done).commands == ("the command", "another"), "each once"


def test_runs_that_were_asked_for_before_stay_in_the_table(source: Path, tmp_path: Path) -> None:
    """A study may be made method by method and seed by seed; runs of another recipe are no part of it."""
    few = settings([small(source)], lambda budget: not budget.is_all)
    benchmark(few, Asked(("amid", "kd"), controls=True, seeds=2), tmp_path)
    made = benchmark(few, Asked(("ccl",), seeds=1), tmp_path)
    assert made.table is not None
    both = ["amid", "amid, shuffled auxiliary", "amid, zeroed auxiliary", "baseline", "kd", "teacher"]
    seeds = made.table.groupby("label").seed.agg(list).to_dict()
    assert seeds == {**{label: [0, 1] for label in both}, "ccl": [0]}
    assert not made.failures
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / few[0].folder / "results.parquet"), made.table.iloc[:, 2:])
    later = settings([small(source, seed=5)], lambda budget: not budget.is_all)
    table = benchmark(later, Asked(("amid",), seeds=1), tmp_path).table
    assert table is not None
    assert sorted(table[table.label == "amid"].seed) == [0, 1, 5]
    longer, heard = settings([small(source, seed=9, epochs=3)], lambda budget: not budget.is_all), Heard()
    made = benchmark(longer, Asked(("gmc",), seeds=1), tmp_path, listener=heard)
    assert made.table is not None
    assert set(made.table.seed) == {9}, "nothing of other recipes"
    left = [line for line in heard.lines if "left out" in line]
    assert any(
        "kd-seed0: left out: " in line
        and "another recipe (first difference: epochs: the folder's run has 2, found 3)" in line
        for line in left
    )


def test_configurations_that_were_begun_are_left_out_and_said(source: Path, tmp_path: Path) -> None:
    """A study runs seed by seed, so that one which was stopped has others' first seeds alone."""
    few = settings([small(source)], lambda budget: not budget.is_all)
    benchmark(few, Asked(("kd",), seeds=1), tmp_path)
    heard = Heard()
    made = benchmark(few, Asked(("amid",), seeds=2), tmp_path, listener=heard)
    assert made.table is not None
    assert set(made.table.label) == {"amid", "baseline", "teacher"}
    assert any("kd is left out, of which some of the seeds or folds are not finished" in line for line in heard.lines)


def test_other_sets_of_the_folder_stay_in_the_table(source: Path, tmp_path: Path) -> None:
    """A study may be made set by set; a set of the library is known by its folder alone. Weights stay on request."""
    asked = Asked(("baseline",), seeds=1)
    emoji = small(source, "emoji")
    emoji = replace(emoji, few=(Budget(0.1),))
    benchmark(settings([emoji], lambda budget: not budget.is_all), asked, tmp_path)
    keeping = replace(asked, weights=True)
    made = benchmark(settings([small(source)], lambda budget: budget.is_all), keeping, tmp_path)
    kept = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("student.safetensors")]
    assert kept == ["gestures/all/baseline-seed0/student.safetensors"]
    assert made.table is not None
    assert made.table[["set", "budget"]].drop_duplicates().to_numpy().tolist() == [
        ["emoji", "10 % of labels"], ["gestures", "all labels"]
    ]  # fmt: skip
    pd.testing.assert_frame_equal(read_study(tmp_path)[0], made.table)
    assert gather([], tmp_path / "nothing") is None


def test_what_fails_is_told_and_mended(source: Path, tmp_path: Path) -> None:
    """A setting that another recipe has used, a run that diverges: the others go on, and later all is well."""
    good = settings([small(source)], lambda budget: budget.is_all)
    bad = settings([small(source, "bad", batch_size=-1)], lambda budget: budget.is_all)
    made = benchmark([*bad, *good], Asked(("baseline",), seeds=1), tmp_path)
    assert list(made.failures) == [tmp_path / "bad/all"]
    assert made.failures[tmp_path / "bad/all"].mistake
    assert made.table is not None
    assert set(made.table["set"]) == {"gestures"}
    assert read_record(tmp_path).failed == {"bad/all": made.failures[tmp_path / "bad/all"].message}
    benchmark(good, Asked(("baseline",), seeds=1), tmp_path)
    assert list(read_record(tmp_path).failed) == ["bad/all"], "not tried again, so still so"
    mended = settings([small(source, "bad")], lambda budget: budget.is_all)
    benchmark(mended, Asked(("baseline",), seeds=1), tmp_path)
    assert read_record(tmp_path).failed == {}
    wide = settings([small(source, "bad", batch_size=8)], lambda budget: budget.is_all)
    (failure,) = benchmark(wide, Asked(("baseline",), seeds=1), tmp_path).failures.values()
    assert "has another recipe" in failure.message


def test_a_run_that_fails_has_its_line(source: Path, tmp_path: Path) -> None:
    options = {"kd": {"temperature": -1.0}}
    made = settings([small(source, options=options)], lambda budget: budget.is_all)
    heard = Heard()
    found = benchmark(made, Asked(("kd",), seeds=1), tmp_path, listener=heard)
    assert list(found.failures) == [tmp_path / "gestures/all/kd-seed0"]
    assert "2 runs, 1 failed" in heard.lines[-1]
    assert list(read_record(tmp_path).failed) == ["gestures/all/kd-seed0"]


def test_tuned_recipes_are_kept_and_used(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared settings by the baseline's trials, then the method's own; the same command tunes nothing again."""
    monkeypatch.setattr(studied, "TUNING_SEEDS", 1)
    made = settings([small(source)], lambda budget: not budget.is_all)
    asked, heard = Asked(("amid",), seeds=1, trials=2), Heard()
    assert not benchmark(made, asked, tmp_path, listener=heard).failures
    assert (heard.totals["baseline"], heard.totals["amid"]) == (2, 2)
    tuned = load_recipe(str(tmp_path / "gestures/25-percent/tuned.yaml"))
    assert tuned.data.labelled == 0.25
    for method in ("baseline", "amid"):
        used = load_recipe(str(tmp_path / f"gestures/25-percent/{method}-seed0/recipe.yaml"))
        assert used.optimization == tuned.optimization
    assert used.options["amid"].items() >= tuned.options["amid"].items()
    assert read_record(tmp_path).trials == {"gestures/25-percent": 2}
    before, again = times(tmp_path), Heard()
    benchmark(made, asked, tmp_path, listener=again)
    assert "amid" not in again.totals
    assert times(tmp_path) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked((), seeds=0), "--seeds: expected at least 1, found 0"),
        (Asked((), trials=-1), "--trials: expected at least 0"),
    ],
)
def test_what_cannot_be_is_refused_before_any_run(asked: Asked, message: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        benchmark(settings([small(source)]), asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_any_data_there_is_no_study(source: Path, tmp_path: Path) -> None:
    nowhere: list[Setting] = settings([small(source / "nowhere")])
    for made in (nowhere, []):
        with pytest.raises(InputError, match="no data set of the study is there"):
            benchmark(made, ASKED, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_record_or_table_is_one_line(done: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.parquet: cannot be read"):
        read_study(tmp_path)
    (tmp_path / "benchmark.json").write_text("{")
    with pytest.raises(InputError, match=r"benchmark\.json: cannot be read"):
        read_record(tmp_path)
    (tmp_path / "benchmark.json").write_text(json.dumps({"comands": []}))
    with pytest.raises(InputError, match="comands: not a field"):
        read_record(tmp_path)


def test_the_page_reads_what_the_study_wrote(done: Path) -> None:
    table, record = read_study(done)
    assert isinstance(record, Record)
    made = report_of(table, Provenance(record.commands, record.trials), "")
    assert [section.heading for section in made.sections][-2:] == ["gestures, 25 % of labels", "gestures, all labels"]
