"""Headline and differences against numbers worked out by hand."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from crossdistill.reports import differences, headline, headline_table, load_runs
from crossdistill.reports.cells import differences_table, results_table
from crossdistill.reports.formats import interval, listed, p_value, percent, points
from crossdistill.reports.sections import report_of
from tests.reports.synthetic import edit_results, write_run


def test_headline_by_hand(comparison: list[Path]) -> None:
    table = headline(load_runs(comparison))
    assert table.index.tolist() == ["baseline", "teacher", "amid"]
    amid = table.loc["amid"]
    assert amid["runs"] == 3
    assert amid["student_top1"] == pytest.approx(0.71)
    # standard deviation 0.01, t(0.975, 2) = 4.303
    assert amid["student_top1_ci"] == pytest.approx(4.303 * 0.01 / math.sqrt(3), abs=1e-5)
    assert amid["gap"] == pytest.approx(0.08)
    assert amid["gap_recovered"] == pytest.approx(0.5)
    assert amid["student_r1"] == pytest.approx(0.69)
    assert amid["seconds"] == pytest.approx(62.4)
    assert table.loc["baseline", "gap_recovered"] == pytest.approx(0)
    assert table.loc["teacher", ["student_top1", "gap", "gap_recovered", "student_ua"]].isna().all()
    assert math.isnan(table.loc["baseline", "teacher_top1"])


def test_headline_cells(comparison: list[Path]) -> None:
    table = results_table(load_runs(comparison))
    amid = dict(zip(table.columns, table.rows[2].cells, strict=True))
    assert amid["student top-1"] == "71.0 ± 2.5"
    assert amid["teacher top-1"] == "79.0 ± 0.0"
    assert (amid["gap"], amid["gap recovered"], amid["R@1"], amid["R@5"]) == ("8.0", "50.0", "69.0", "81.0")
    teacher = dict(zip(table.columns, table.rows[1].cells, strict=True))
    assert (teacher["student top-1"], teacher["gap"], teacher["R@1"]) == ("–", "–", "–")
    assert "auxiliary top-1" not in table.columns


def with_complete(
    folders: list[Path], changes: dict[str, float], samples: dict[str, int] | None = None, old: int = 0
) -> None:
    """Make it that 80 of the 200 test samples have all modalities; changes: label -> its students on these, minus what
    they are on all; samples: label -> how many these are for its students; old: seeds of before, that do not say it."""
    for folder in folders:
        content = json.loads((folder / "results.json").read_text())
        if "teacher" in content:
            edit_results(folder, teacher={**content["teacher"], "measured": 80})
        if content["seed"] >= old and (change := changes.get(content["method"])) is not None:
            student = content["student"]
            complete = {
                "complete": student["top1"] + change,
                "complete_measured": (samples or {}).get(content["method"], 80),
            }
            edit_results(folder, student={**student, **complete})


def test_gaps_are_of_the_samples_that_have_all_modalities(comparison: list[Path]) -> None:
    """There the baseline has 76 %, amid's student 77 %, its teacher 79 % and the teacher alone 81 %."""
    with_complete(comparison, {"baseline": 0.15, "amid": 0.06})
    runs = load_runs(comparison)
    amid = headline(runs).loc["amid"]
    assert amid["student_top1"] == pytest.approx(0.71), "of all samples"
    assert amid["gap"] == pytest.approx(0.02)
    assert amid["gap_recovered"] == pytest.approx(0.2)
    report, on = report_of(runs, "report"), "the 80 test samples that have all modalities"
    assert (
        f"On {on}, it recovers 20.0 % of the gap between the baseline's 76.0 % and the 81.0 % of a teacher"
        in " ".join(report.summary)
    )
    assert f"Gaps are of {on}." in report.sections[0].note
    [tile] = [tile for tile in report.tiles if tile.name == "gap recovered"]
    assert (tile.value, tile.meaning) == ("20.0 %", f"of the way to a teacher's 81.0 % on {on}")
    assert report.picture is not None
    assert report.picture.caption.startswith(f"Right answers on {on}, mean")
    assert report.picture.draw is not None
    assert [text.get_text() for text in report.picture.draw().axes[0].texts] == ["76.0", "77.0", "81.0"]
    assert "is right on 71.0 % of new samples" in report.lead
    [curves] = [section for section in report.sections if section.heading == "Accuracy over epochs"]
    assert "the gap is that on samples that have all modalities" in curves.figures[0].caption
    text = io.StringIO()
    Console(file=text, width=120, color_system=None).print(headline_table(runs, 120))
    assert f"gap on {on}" in " ".join(text.getvalue().split())


BOTH = {"baseline": 0.15, "amid": 0.06}


@pytest.mark.parametrize(
    ("changes", "samples", "old", "gap"),
    [
        ({}, {}, 0, 0.08),
        ({"amid": 0.06}, {}, 0, 0.02),
        (BOTH, {"baseline": 90}, 0, 0.02),
        (BOTH, {}, 1, (0.08 + 0.02 + 0.02) / 3),
    ],
    ids=["of before", "beside a baseline of before", "baseline on others", "beside seeds of before"],
)
def test_students_that_are_not_measured_on_the_teachers_samples_are_compared_on_all(
    comparison: list[Path], changes: dict[str, float], samples: dict[str, int], old: int, gap: float
) -> None:
    """As in results of before, beside them, and where a baseline does not know of files that cannot be read."""
    before = report_of(load_runs(comparison), "report")
    with_complete(comparison, changes, samples, old)
    runs = load_runs(comparison)
    amid = headline(runs).loc["amid"]
    assert (amid["gap"], amid["gap_recovered"]) == (pytest.approx(gap), pytest.approx(0.5))
    after = report_of(runs, "report")
    assert (after.summary, after.tiles) == (before.summary, before.tiles)
    assert "of students on all" in after.sections[0].note


@pytest.mark.parametrize("left_out", ["baseline", "teacher"])
def test_no_gap_recovered_without_its_ends(comparison: list[Path], left_out: str) -> None:
    runs = load_runs([path for path in comparison if not path.name.startswith(left_out)])
    assert headline(runs)["gap_recovered"].isna().all()


def test_auxiliary_runs_get_their_column(tmp_path: Path, comparison: list[Path]) -> None:
    auxiliary = write_run(tmp_path / "aux", "auxiliary", 0, {"auxiliary_alone": 0.55})
    table = results_table(load_runs([*comparison, auxiliary]))
    assert [row.cells[table.columns.index("auxiliary top-1")] for row in table.rows] == ["–", "–", "55.0", "–"]


def test_differences_pair_the_common_seeds(comparison: list[Path]) -> None:
    runs = load_runs([path for path in comparison if path.name != "baseline-1"])
    found = differences(runs)
    assert list(found) == ["amid"]
    assert found["amid"].pairs == 2
    assert found["amid"].difference == pytest.approx(((0.70 - 0.60) + (0.71 - 0.62)) / 2)
    assert found["amid"].p == pytest.approx(stats.ttest_rel([0.70, 0.71], [0.60, 0.62]).pvalue)


def test_folds_are_pairs_of_their_own(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / f"{method}-{fold}", method, 0, {"student": accuracy + fold / 10}, fold=fold)
        for method, accuracy in (("baseline", 0.5), ("amid", 0.6))
        for fold in range(3)
    ]
    assert differences(load_runs(folders))["amid"].pairs == 3


def test_one_pair_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / "b", "baseline", 0, {"student": 0.6}),
        write_run(tmp_path / "a", "amid", 0, {"student": 0.57, "teacher": 0.8}),
    ]
    [row] = differences_table(load_runs(folders)).rows
    assert row.cells == ("amid", "1", "−3.0", "–", "–", "–", "not tested")
    assert differences(load_runs(folders[1:])) == {}


@pytest.mark.parametrize("seeds", [1, 2])
def test_notes_promise_no_tests_or_intervals_of_single_runs(tmp_path: Path, seeds: int) -> None:
    folders = [
        write_run(tmp_path / f"{method}-{seed}", method, seed, {"student": accuracy + seed * accuracy / 10})
        for method, accuracy in (("baseline", 0.5), ("amid", 0.6))
        for seed in range(seeds)
    ]
    report = report_of(load_runs(folders), "crossdistill compare")
    note = next(section.note for section in report.sections if section.heading == "Difference to the baseline")
    assert report.picture is not None
    assert ("two independent pairs" in note, "test of this table (Holm)" in note) == (seeds == 1, seeds == 2)
    assert ("one run each" in report.picture.caption) == (seeds == 1)
    assert ("interval" in report.picture.caption) == (seeds == 2)


def test_printed_table_fits_80_columns_and_takes_no_markup(tmp_path: Path, comparison: list[Path]) -> None:
    strange = write_run(tmp_path / "s", "[red]x", 0, {"student": 0.5, "auxiliary_alone": 0.4})
    text = io.StringIO()
    Console(file=text, width=80, color_system=None).print(headline_table(load_runs([*comparison, strange])))
    for expected in ("71.0 ± 2.5", "baseline", "50.0", "[red]x", "40.0", "UA"):
        assert expected in text.getvalue()
    assert "…" not in text.getvalue()


def test_a_narrow_terminal_gets_the_labels_and_the_students(tmp_path: Path, comparison: list[Path]) -> None:
    text = io.StringIO()
    runs = load_runs([*comparison, write_run(tmp_path / "s", "amid", 0, label="amid, shuffled auxiliary")])
    Console(file=text, width=40, color_system=None).print(headline_table(runs, 40))
    lines = text.getvalue().splitlines()
    assert any(line.startswith("baseline") and "61.0 ± " in line for line in lines)
    assert any(line.startswith("amid, ") for line in lines)
    assert "…" not in text.getvalue()
    header, caption = text.getvalue().split("left out at 40 columns: ")
    assert "recovered" not in header
    assert "gap recovered" in " ".join(caption.split())


@pytest.mark.parametrize("label", ["amid", "amid, shuffled auxiliary"])
@pytest.mark.parametrize("room", [40, 59, 60, 80, 120])
def test_each_column_is_in_the_printed_table_or_said_to_be_left_out(
    room: int, label: str, tmp_path: Path, comparison: list[Path]
) -> None:
    text = io.StringIO()
    runs = load_runs([*comparison, write_run(tmp_path / "s", "amid", 4, label=label)])
    table = headline_table(runs, room)
    Console(file=text, width=room, color_system=None).print(table)
    printed = " ".join(text.getvalue().split())
    shown = [str(column.header).replace("\n", " ") for column in table.columns]
    columns = [name for name in results_table(runs).columns if name not in ("WA", "seconds")]  # it never has these two
    left_out = ", ".join(name for name in columns if name not in shown)
    assert (f"left out at {room} columns: {left_out}, which" in printed) == bool(left_out)
    assert ("left out" in printed) == bool(left_out)
    assert bool(left_out) == (room < 80)


@pytest.mark.parametrize(("accuracies", "said"), [((0.6, 0.95), True), ((0.70, 0.71), False), ((0.6, 0.95) * 3, False)])
def test_intervals_beyond_the_scale_are_explained(accuracies: tuple[float, ...], said: bool, tmp_path: Path) -> None:
    """Two runs: 77.5 ± 222.4; not cut, which would be another interval."""
    folders = [
        write_run(tmp_path / str(seed), "baseline", seed, {"student": value}) for seed, value in enumerate(accuracies)
    ]
    runs, text = load_runs(folders), io.StringIO()
    Console(file=text, width=80, color_system=None).print(headline_table(runs))
    assert ("with so few runs ± reaches beyond 0 to 100" in " ".join(text.getvalue().split())) == said
    assert ("77.5 ± 222.4" in text.getvalue()) == said
    assert ("With so few runs ± reaches beyond 0 to 100" in repr(report_of(runs, "report"))) == said


def test_printed_table_has_room_for_long_labels(tmp_path: Path, comparison: list[Path]) -> None:
    label = "amid, shuffled auxiliary"
    text = io.StringIO()
    runs = load_runs([*comparison, write_run(tmp_path / "s", "amid", 0, label=label)])
    Console(file=text, width=80, color_system=None).print(headline_table(runs))
    [line] = [line for line in text.getvalue().splitlines() if "shuffled" in line]
    assert line.startswith(label)


def test_formats() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["amid", "amid, no D2"]) == "amid; and amid, no D2"
    assert percent(-0.00001) == "0.0"
    assert percent(math.nan) == "–"
    assert percent(-4.2e20) == "−4.2e+22"
    assert percent(-999.99) == "−99999.0"
    assert points(4.2e20) == "+4.2e+22"
    assert points(0.012) == "+1.2"
    assert points(-0.012) == "−1.2"
    assert points(0.0001) == "0.0"
    assert interval(0.01, 0.02) == "−1.0 to +3.0"
    assert p_value(0.0004) == "< 0.001"
    assert p_value(0.0456) == "0.046"
