"""A comparison from Python: what it keeps, what it tells, what it leaves behind; and methods of the caller's own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pandas as pd
import pytest

from crossdistill.methods import METHODS
from crossdistill.methods.single import Baseline
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs import lock
from crossdistill.studies.compare import RUNS, compare
from crossdistill.training import Machine, Optimization
from crossdistill.types import InputError
from tests.listening import Heard
from tests.processes import run_script
from tests.runs.small import folder_of, gestures, recipe, with_data, with_model

pytestmark = pytest.mark.usefixtures("forked_workers")

ROOT = Path(__file__).parents[2]
ONE_THREAD = Machine(accelerator="cpu", threads=1)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    source = folder_of(gestures(), tmp_path_factory.mktemp("data"))
    return recipe(source, method="baseline", epochs=2, machine=ONE_THREAD)


def test_without_a_listener_nothing_is_printed(
    baseline: Recipe, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two configurations, two seeds, a folder given as text; asked for again, nothing is trained again."""
    configurations = [baseline, replace(baseline, label="wider", epochs=1)]
    compared = compare(configurations, str(tmp_path / "out"), seeds=2)
    names = ["baseline-seed0", "wider-seed0", "baseline-seed1", "wider-seed1"]
    assert compared.folders == tuple(tmp_path / "out" / name for name in names)
    assert (compared.failures, compared.others) == ({}, ())
    assert compared.table is not None
    pd.testing.assert_frame_equal(compared.table, pd.read_parquet(tmp_path / "out" / "results.parquet"))
    assert compared.table.folder.tolist() == names
    assert compared.table.student_top1.between(0, 1).all()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
    for name in (".lock", "checkpoint.previous.pt"):  # as a kill at the end of a run leaves them
        (tmp_path / "out/wider-seed0" / name).write_bytes(b"")
    again = compare(configurations, tmp_path / "out", seeds=2)
    pd.testing.assert_frame_equal(again.table, compared.table)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
    assert capfd.readouterr() == ("", "")


def test_a_listener_hears_of_each_run_and_of_what_was_kept(baseline: Recipe, tmp_path: Path) -> None:
    compare([baseline], tmp_path, seeds=1)
    heard = Heard()
    compared = compare([baseline], tmp_path, seeds=2, folds=(), listener=heard)
    run = "baseline seed 1"
    assert heard.events == [
        ("begin", RUNS), ("step", RUNS), ("begin", run), ("step", run), ("step", run), ("end", run), ("step", RUNS),
        ("end", RUNS),
    ]  # fmt: skip
    assert heard.totals == {RUNS: 2, run: 2}
    assert heard.problems == {RUNS: "", run: ""}
    assert heard.lines == ["2 runs, 1 of them finished already"]
    epochs = [values for task, values in heard.steps if task == run]
    assert [values["epoch"] for values in epochs] == [0, 1]
    assert compared.table is not None
    assert epochs[-1]["evaluation/student/top1"] == compared.table.student_top1.iloc[-1]


@pytest.mark.parametrize(
    "changes", [{}, {"labelled": 0.5}, {"fold": 1}, {"control": "shuffled"}, {"choose_epoch_on": "validation"},
                {"balanced": True}, {"in_memory": False}, {"evaluate_on": "validation"}],
)  # fmt: skip
def test_runs_of_the_same_data_are_kept_and_of_others_refused(
    baseline: Recipe, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """However the recipe draws from the data; after a change of test samples' numbers nothing is mixed or lost."""
    source = folder_of(gestures(), tmp_path)
    made = with_model(replace(baseline, method="kd", epochs=1), auxiliary_encoders="trained")
    made = with_data(made, source=str(source), **changes)
    compare([made], tmp_path / "out", seeds=1)
    assert compare([made], tmp_path / "out", seeds=2).table is not None
    shutil.rmtree(source)
    folder_of(gestures(lambda values: values + 1), tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"kd-seed0: finished on other data: .*modality wrist, modality eye differ"):
        compare([made], tmp_path / "out", seeds=3)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert compare([made], tmp_path / "out", seeds=2).table is not None, "where none is to be run, its data may be gone"


def test_a_run_that_fails_is_told_and_the_others_finish(baseline: Recipe, tmp_path: Path) -> None:
    diverging = replace(baseline, label="diverging", optimization=Optimization("sgd", learning_rate=1e30))
    heard = Heard()
    compared = compare([diverging, baseline], tmp_path, seeds=1, jobs=2, listener=heard)
    assert compared.folders == (tmp_path / "baseline-seed0",)
    assert list(compared.failures) == [tmp_path / "diverging-seed0"]
    assert compared.failures[tmp_path / "diverging-seed0"].mistake
    assert "learning_rate" in heard.problems["diverging seed 0"]
    assert heard.problems["baseline seed 0"] == ""
    assert heard.events.count(("step", RUNS)) == 1
    assert compared.table is not None
    assert compared.table.label.tolist() == ["baseline"]
    assert not (tmp_path / "crashes.txt").exists(), "a user's mistake has no traceback"
    nothing = compare([diverging], tmp_path, seeds=1)
    assert (nothing.table, nothing.folders) == (None, ())
    assert nothing.others == (tmp_path / "baseline-seed0",)


def test_a_crash_leaves_its_traceback(baseline: Recipe, tmp_path: Path) -> None:
    (tmp_path / "out" / "baseline-seed0").mkdir(parents=True)
    (tmp_path / "out" / "baseline-seed0" / "config.json.partial").mkdir()  # in the way of that file
    compared = compare([baseline], tmp_path / "out", seeds=1)
    (failure,) = compared.failures.values()
    assert not failure.mistake
    assert failure.message.startswith("IsADirectoryError: ")
    crashes = (tmp_path / "out" / "crashes.txt").read_text(encoding="utf-8")
    assert crashes.startswith(str(tmp_path / "out" / "baseline-seed0"))
    assert "Traceback" in crashes


def test_a_second_comparison_in_the_same_folder_is_refused(
    baseline: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their runs could share the work, but their tables would overwrite each other."""
    monkeypatch.setattr(lock, "WAIT", 0.2)
    with (
        lock.locked(tmp_path / "out", "comparison"),
        pytest.raises(InputError, match=r"out: process [0-9]+ on .* is writing this comparison; wait until"),
    ):
        compare([baseline], tmp_path / "out", seeds=1)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_cannot_be_compared_is_refused_before_any_run(baseline: Recipe, tmp_path: Path) -> None:
    out, heard = tmp_path / "out", Heard()
    for configurations, options, message in (
        ([], {}, "at least one configuration"),
        ([baseline], {"jobs": 0}, "jobs: expected at least 1, found 0"),
        ([baseline], {"seeds": 0}, "seeds: expected at least 1, found 0"),
        ([baseline], {"folds": [0, 7]}, "found 7; the data has 0, 1"),
        ([baseline, baseline], {}, "would share their folders"),
        ([replace(baseline, epochs=0)], {}, "epochs"),
        ([replace(baseline, machine=Machine(devices=2))], {}, "machine.devices"),
        ([with_data(baseline, source="nowhere")], {}, "nowhere: manifest not found"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            compare(configurations, out, listener=heard, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    assert heard.events == []
    assert not out.exists()


def test_a_method_that_no_other_process_can_import_is_refused(
    baseline: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Baseline):
        pass

    monkeypatch.setitem(METHODS, "mine", Mine)
    with pytest.raises(InputError, match=r"method 'mine'.*Mine.*at the top of a module") as caught:
        compare([replace(baseline, method="mine")], tmp_path / "out", seeds=1)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*/results.json"))


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from crossdistill.methods import METHODS
from crossdistill.methods.single import Baseline
from crossdistill.recipes.files import load_recipe
from crossdistill.studies.compare import compare
from imported import Imported


class Mine(Baseline):
    def end_epoch(self, epoch):
        return {"mine": epoch + 10}


METHODS["mine"] = Mine
METHODS["imported"] = Imported

if __name__ == "__main__":
    METHODS["later"] = Imported
    base = load_recipe("recipe.yaml")
    recipes = [replace(base, method=name) for name in ("mine", "imported", "later")]
    compared = compare(recipes, "out", seeds=1, jobs=2)
    assert not compared.failures, compared.failures
"""
IMPORTED = """
from crossdistill.methods.single import Baseline


class Imported(Baseline):
    pass
"""


def script(folder: Path, text: str, made: Recipe) -> CompletedProcess[str]:
    from crossdistill.recipes.files import to_yaml

    (folder / "script.py").write_text(text, encoding="utf-8")
    (folder / "recipe.yaml").write_text(to_yaml(made), encoding="utf-8")
    return run_script(folder / "script.py", folder=folder)


def test_methods_of_a_script_are_known_to_its_processes(baseline: Recipe, tmp_path: Path) -> None:
    """Of the script itself, of a module beside it, and one that only the script's own process has added."""
    (tmp_path / "imported.py").write_text(IMPORTED, encoding="utf-8")
    done = script(tmp_path, SCRIPT, baseline)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert table.method.tolist() == ["mine", "imported", "later"]
    log = (tmp_path / "out" / "mine-seed0" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["training/mine"] for line in log] == [10, 11]


UNGUARDED = """
from crossdistill.recipes.files import load_recipe
from crossdistill.studies.compare import compare

compare([load_recipe("recipe.yaml")], "out", seeds=2)
print("went on")
"""


def test_a_script_without_its_guard_is_told_so_once(baseline: Recipe, tmp_path: Path) -> None:
    """Not by the processes, whose tracebacks would be pages, and not by a comparison in which every run failed."""
    done = script(tmp_path, UNGUARDED, baseline)
    assert (done.returncode, done.stdout, done.stderr.count("Traceback")) == (1, "", 1)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "crossdistill.types.InputError: no process could begin: a script that starts processes needs"
    )
    assert 'if __name__ == "__main__":' in last
    assert not list((tmp_path / "out").glob("*/results.json"))
