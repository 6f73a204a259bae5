"""The paper's figures stand beside ours on the paper's data sets, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossdistill.recipes.variants.published import PAPER, published
from crossdistill.reports import load_runs
from crossdistill.reports.cells import results_table
from crossdistill.reports.runs import Run
from tests.reports.synthetic import edit_results, run_of, write_run


def column(runs: list[Run], name: str) -> dict[str, str]:
    table = results_table(runs)
    return {row.cells[0]: row.cells[table.columns.index(name)] for row in table.rows}


def test_ucf51_shows_the_paper_s_top1_and_recalls() -> None:
    labels = ("baseline", "amid", "amid: fixed teacher", "mst", "amid alpha_2=1.8")
    runs = [run_of(label, 0, 0.5, method="amid" if "amid" in label else "", name="ucf51") for label in labels]
    assert column(runs, "student top-1, paper") == {
        "baseline": "66.7", "amid": "73.8", "amid: fixed teacher": "66.0", "mst": "–", "amid alpha_2=1.8": "72.4",
    }  # fmt: skip
    assert column(runs, "R@5, paper")["amid"] == "77.1"
    assert "WA, paper" not in results_table(runs).columns


def test_iemocap_shows_wa_and_ua() -> None:
    runs = [run_of(label, 0, 0.5, name="iemocap_al_v") for label in ("baseline", "amid", "ccl")]
    assert column(runs, "WA, paper") == {"baseline": "–", "amid": "53.8", "ccl": "53.2"}
    assert column(runs, "UA, paper") == {"baseline": "50.8", "amid": "52.7", "ccl": "51.4"}
    assert "student top-1, paper" not in results_table(runs).columns


@pytest.mark.parametrize("name", ["emoji", "avletters", "own", "UCF51", "ucf51-small"])
def test_other_data_sets_have_no_such_column(name: str) -> None:
    table = results_table([run_of("baseline", 0, 0.5, name=name), run_of("amid", 0, 0.5, name=name)])
    assert not any("paper" in column for column in table.columns)


def test_nor_have_validation_samples_and_mixed_data(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid", name="ucf51")
    edit_results(folder, split="validation")
    assert not any("paper" in column for column in results_table(load_runs([folder])).columns)
    mixed = [run_of("amid", 0, 0.5, name="ucf51"), run_of("amid", 1, 0.5, name="activitynet")]
    assert not any("paper" in column for column in results_table(mixed).columns)


def test_values_in_labels_are_numbers() -> None:
    assert published("ucf51", "amid alpha_1=4.0") == published("ucf51", "amid alpha_1=4") == {"student top-1": 73.8}
    assert published("ucf51", "amid alpha_1=4.05") == published("ucf51", "amid alpha_1=nan") == {}


def test_the_method_mi_is_the_row_l_mis() -> None:
    assert (
        published("ucf51", "mi") == published("ucf51", "amid: L_MIs") == {"student top-1": 69.8, "teacher top-1": 71.2}
    )


def test_tables_agree_where_they_print_the_same_figure() -> None:
    for tables in PAPER.values():
        seen: dict[tuple[str, str], float] = {}
        for figures in tables.values():
            for label, measures in figures.items():
                for measure, value in measures.items():
                    assert seen.setdefault((label, measure), value) == value, (label, measure)
    assert PAPER["ucf51"]["6"]["amid alpha_1=4.0"] == PAPER["ucf51"]["6"]["amid alpha_2=1.6"] == {"student top-1": 73.8}


def test_differences_that_the_text_names() -> None:
    """The text gives gains; the tables' figures must yield them."""
    top1 = {name: PAPER[name]["1"] for name in ("ucf51", "activitynet")}
    gains = [top1["ucf51"]["amid"]["student top-1"] - top1["ucf51"]["crcd"]["student top-1"]]
    gains += [top1["activitynet"]["amid"]["student top-1"] - top1["activitynet"]["gmc"]["student top-1"]]
    assert gains == pytest.approx([4.2, 0.5])
    setups = [PAPER[f"iemocap_{setup}"]["3"] for setup in ("a_v", "l_v", "al_v")]
    assert [s["amid"]["UA"] - s["baseline"]["UA"] for s in setups] == pytest.approx([0.9, 1.6, 1.9])
    ablations, amid = PAPER["ucf51"]["5"], PAPER["ucf51"]["5"]["amid"]["student top-1"]
    assert amid - ablations["amid: no warm-up"]["student top-1"] == pytest.approx(8.0)
    assert amid - ablations["amid: no D2"]["student top-1"] == pytest.approx(1.0)
    assert amid - PAPER["ucf51"]["4"]["amid: L_nce"]["student top-1"] == pytest.approx(1.5)
