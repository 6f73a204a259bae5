"""The evidence page on synthetic tables: its tests, its verdicts, and that what does not hold comes first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossdistill.methods import METHODS
from crossdistill.recipes.library.bundled import watch
from crossdistill.recipes.variants.ablations import ablations, ablations_of_amid_u
from crossdistill.recipes.variants.benchmark import CHOSEN_FOR_ITSELF, CHOSEN_ON, SETS, SOURCES
from crossdistill.recipes.variants.controls import controls
from crossdistill.reports.benchmark import Provenance, report_of
from crossdistill.reports.benchmark.claims import OWN_CLAIMS, PAPER_CLAIMS, outcomes, pairs, unmeasured, verdict
from crossdistill.reports.benchmark.gains import gains_section
from crossdistill.reports.benchmark.paired import (
    BEST_CONTROL,
    CONTROLS,
    HALF_WAY,
    STUDENT_ALONE,
    Evidence,
    Pair,
    Side,
    best_control,
    evidence_of,
    paired_tests,
    share_recovered,
)
from crossdistill.reports.benchmark.promises import gains_by_source, promises
from crossdistill.reports.benchmark.ranks import rank_section, ranked
from crossdistill.reports.benchmark.results import settings_of
from crossdistill.reports.benchmark.tables import overview_table
from crossdistill.reports.benchmark.untouched import chosen_before, untouched_section
from crossdistill.reports.formats import NONE, points
from crossdistill.reports.markdown import write_document
from crossdistill.reports.page import write_page
from crossdistill.reports.sections import Report
from crossdistill.types import InputError
from tests.reports.synthetic import study_table

FEW, ALL = "10 % of labels", "all labels"
NOISE = np.random.default_rng(0).normal(0, 0.01, (40, 10, 5))
"""Setting, configuration, seed."""
Levels = Mapping[str, float]


def accuracies(levels: Levels, place: int, noise: float = 1.0) -> dict[str, Sequence[float]]:
    """Label -> five seeds around this level, with noise of its own in each setting."""
    return {
        label: np.clip(level + noise * NOISE[place, number], 0, 1).tolist()
        for number, (label, level) in enumerate(levels.items())
    }


GAIN = {"baseline": 0.5, "teacher": 0.8, "kd": 0.5, "amid": 0.51, "amid_u": 0.7, "self_training": 0.52,
        "amid_u, shuffled auxiliary": 0.5, "amid_u, zeroed auxiliary": 0.51}  # fmt: skip
EQUAL = {"baseline": 0.8, "teacher": 0.9, "kd": 0.8, "amid": 0.7, "amid_u": 0.81, "self_training": 0.8}


def study(sets: int = 7, few: Levels = GAIN, everything: Levels = EQUAL, noise: float = 1.0) -> pd.DataFrame:
    made = {}
    for number in range(sets):
        made[f"set{number}", FEW] = accuracies(few, 2 * number, noise)
        made[f"set{number}", ALL] = accuracies(everything, 2 * number + 1, noise)
    return study_table(made, teachers={"amid": 0.85})


def verdicts(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    settings = settings_of(table)
    tests = paired_tests(settings, pairs())
    found = [*promises(settings, tests), *outcomes(settings, tests)]
    return {(each.text, each.labels): each.verdict for each in found}


def verdict_of(table: pd.DataFrame, words: str, labels: str = "at most 25 %") -> str:
    (found,) = [value for (text, at), value in verdicts(table).items() if words in text and at == labels]
    return found


def test_every_p_of_the_page_is_corrected_for_all_of_them() -> None:
    """Against scipy's test and Holm's procedure as printed: reject in turn while p_(i) <= α / (m - i + 1)."""
    table = study(sets=2)
    tests = paired_tests(settings_of(table), pairs())
    values = {key: rows.sort_values("seed") for key, rows in table.groupby(["set", "budget", "label"])}
    expected = {}
    for (key, pair), row in tests.items():
        name, budget = key.split(", ")
        if pair.second.label in (HALF_WAY, BEST_CONTROL):
            continue
        column = {"student": "student_top1", "teacher": "teacher_top1", "R@1": "student_r1", "gap": "gap"}
        a, b = (values[name, budget, side.label][column[side.measure]].to_numpy() for side in (pair.first, pair.second))
        expected[key, pair] = stats.ttest_rel(a, b).pvalue
        assert row.p == pytest.approx(expected[key, pair])
        assert row.difference == pytest.approx(float(np.mean(a - b)))
        assert (row.difference - row.half_width, row.difference + row.half_width) == pytest.approx(
            tuple(stats.ttest_rel(a, b).confidence_interval())
        )
    everything = sorted(tests.values(), key=lambda row: row.p)
    assert len(everything) > 25
    for level in (0.001, 0.01, 0.05, 0.3):
        rejected = 0
        while rejected < len(everything) and everything[rejected].p <= level / (len(everything) - rejected):
            rejected += 1
        assert sum(row.p_holm <= level for row in everything) == rejected, level


def test_what_is_half_way_to_the_teacher() -> None:
    table = study_table({("a", FEW): {"baseline": [0.2, 0.3], "teacher": [0.8, 0.7], "amid": [0.6, 0.45]}})
    (setting,) = settings_of(table)
    assert Side(HALF_WAY).values(setting) == pytest.approx({(-1, 0): 0.5, (-1, 1): 0.5})
    tests = paired_tests([setting], [Pair(Side("amid"), Side(HALF_WAY))])
    assert tests["a, " + FEW, Pair(Side("amid"), Side(HALF_WAY))].difference == pytest.approx(0.025)


def test_the_share_of_the_gap_adds_gains_and_gaps_up() -> None:
    """(0.1 + 0.3) / (0.2 + 0.4); a setting whose teacher is behind has no gap and does not count."""
    made = {
        ("a", FEW): {"baseline": [0.5], "teacher": [0.7], "kd": [0.6]},
        ("b", FEW): {"baseline": [0.2], "teacher": [0.6], "kd": [0.5]},
        ("c", FEW): {"baseline": [0.6], "teacher": [0.5], "kd": [0.9]},
    }
    settings = settings_of(study_table(made))
    assert share_recovered(settings, "kd") == pytest.approx(2 / 3)
    assert share_recovered(settings, "baseline") == 0
    assert math.isnan(share_recovered(settings[2:], "kd"))
    assert math.isnan(share_recovered(settings, "crd"))


@pytest.mark.parametrize(
    ("settings", "better", "worse", "difference", "half_width", "expected"),
    [
        (10, 5, 0, 0.02, 0.01, "holds"),
        (10, 5, 0, 0.02, 0.03, "cannot tell"),  # two of few sets may be significant, and the mean anything
        (10, 4, 0, 0.02, 0.01, "cannot tell"),
        (10, 9, 1, 0.05, 0.01, "cannot tell"),
        (10, 1, 1, 0.0, 0.01, "does not hold"),
        (10, 0, 1, 0.02, 0.05, "does not hold"),
        (10, 0, 0, 0.001, 0.008, "does not hold"),  # a point is excluded
        (10, 0, 0, 0.001, 0.01, "cannot tell"),
        (10, 0, 0, -0.02, 0.05, "cannot tell"),
        (10, 1, 0, 0.001, 0.008, "cannot tell"),
        (1, 0, 0, -0.02, math.nan, "cannot tell"),
        (1, 1, 0, 0.02, math.nan, "cannot tell"),
        (1, 1, 0, 0.1, 0.05, "holds"),
    ],
)
def test_the_rule_of_the_verdicts(
    settings: int, better: int, worse: int, difference: float, half_width: float, expected: str
) -> None:
    assert verdict(Evidence(settings, settings, better, better, worse, difference, half_width)) == expected


def test_evidence_counts_settings_and_sets() -> None:
    settings = [each for each in settings_of(study(sets=3)) if each.level == "few"]
    pair = Pair(Side("amid_u"), STUDENT_ALONE)
    tests = paired_tests(settings, [])
    found = evidence_of(settings, pair, tests)
    assert found is not None
    assert (found.settings, found.sets, found.better, found.worse) == (3, 3, 3, 0)
    differences = [tests[each.key, pair].difference for each in settings]
    assert found.difference == pytest.approx(np.mean(differences))
    low, high = stats.t.interval(0.95, 2, np.mean(differences), stats.sem(differences))
    assert (found.difference - found.half_width, found.difference + found.half_width) == pytest.approx((low, high))
    alone = evidence_of(settings[:1], pair, tests)
    assert alone is not None
    assert alone.half_width == tests[settings[0].key, pair].half_width
    assert evidence_of(settings, Pair(Side("crd"), STUDENT_ALONE), tests) is None


def test_our_claims_hold_where_they_should_and_no_longer_where_not() -> None:
    good = verdicts(study())
    ours = {claim.text for claim in OWN_CLAIMS}
    assert {good[key] for key in good if key[0].startswith("AMID-U") or key[0] in ours} == {"holds"}
    assert verdict_of(study(few={**GAIN, "kd": 0.75}), "first in average rank") == "does not hold"
    assert verdict_of(study(few={**GAIN, "amid_u": 0.5}), "at least 6 data sets") == "does not hold"
    assert verdict_of(study(sets=5), "at least 6 data sets") == "cannot tell", "with five there can be no six"
    assert verdict_of(study(few={**GAIN, "kd": 0.65}), "1.5 times") == "does not hold"
    assert verdict_of(study(few={**GAIN, "amid_u": 0.4, "self_training": 0.3}), "1.5 times") == "does not hold"
    assert verdict_of(study(few={**GAIN, "amid_u, zeroed auxiliary": 0.75}), "zeroed") == "does not hold"
    worse = study(everything={**EQUAL, "amid_u": 0.6})
    assert verdict_of(worse, "never significantly worse", "all") == "does not hold"


def test_our_claims_want_more_than_a_lack_of_evidence() -> None:
    """First of few sets, and no loss that so few and so noisy runs could show, are neither kept nor broken."""
    assert verdict_of(study(sets=5), "first in average rank") == "cannot tell"
    assert verdict_of(study(sets=6), "first in average rank") == "holds"
    noisy = study(sets=3, everything={**EQUAL, "amid_u": 0.75}, noise=8.0)
    assert verdict_of(noisy, "never significantly worse", "all") == "cannot tell"


def test_a_rank_that_is_first_by_small_gains_beside_large_losses_does_not_hold() -> None:
    """Ranks of many methods count who stands between two, Wilcoxon's test how far they are apart: it may find the next
    method above the first."""
    between = ["ccl", "dist", "fitnets", "rkd", "cmc"]
    made = {}
    for place, gain in enumerate([0.001, 0.002, -0.03, -0.031, -0.032, -0.033, -0.034, -0.035]):
        others = 0.7 + gain / 2 if gain > 0 else 0.6
        levels = {"baseline": 0.5, "amid_u": 0.7 + gain, "kd": 0.7, **dict.fromkeys(between, others)}
        made[f"set{place}", FEW] = accuracies(levels, place, noise=0.0)
    found = ranked(settings_of(study_table(made)))
    assert found is not None
    assert found.labels[int(np.argmin(found.ranking.average))] == "amid_u"
    assert verdict_of(study_table(made), "first in average rank") == "cannot tell"


def test_a_set_counts_where_it_gains_at_each_of_its_budgets() -> None:
    made = {(f"set{n}", FEW): accuracies(GAIN, n) for n in range(6)}
    more = {(f"set{n}", "5 % of labels"): accuracies(GAIN, 10 + n) for n in range(6)}
    assert verdict_of(study_table(made | more), "at least 6 data sets") == "holds"
    more["set5", "5 % of labels"] = accuracies({**GAIN, "amid_u": 0.3}, 20)
    assert verdict_of(study_table(made | more), "at least 6 data sets") == "does not hold"
    more["set5", "5 % of labels"] = accuracies({**GAIN, "amid_u": 0.5}, 20)
    assert verdict_of(study_table(made | more), "at least 6 data sets") == "does not hold", "it takes every setting"


def test_one_set_with_a_loss_is_harm() -> None:
    table = study()
    one = (table["set"] == "set3") & (table["budget"] == ALL) & (table["label"] == "amid_u")
    table.loc[one, "student_top1"] -= 0.2
    assert verdict_of(table, "never significantly worse", "all") == "does not hold"


def test_the_paper_s_claims_by_level_of_labels() -> None:
    """AMID, a point above with few labels and ten below with all, is noise there and a loss here."""
    found = verdicts(study())
    claim = PAPER_CLAIMS[0].text
    assert found[claim, "all"] == "does not hold"
    assert found[claim, "at most 25 %"] == "cannot tell"
    assert verdict_of(study(everything={**EQUAL, "amid": 0.89}), PAPER_CLAIMS[0].text, "all") == "holds"
    assert verdict_of(study(everything={**EQUAL, "amid": 0.99}), "more than half of the way", "all") == "holds"
    assert verdict_of(study(), "more than half of the way", "all") == "does not hold"


def test_the_claims_speak_of_labels_that_comparisons_give() -> None:
    """A control, an ablation or a method that is renamed would leave its claim unmeasured without a word."""
    recipe = watch()
    known = {*METHODS, "self_training", HALF_WAY, BEST_CONTROL}
    known |= {*ablations(recipe), *ablations_of_amid_u(recipe)}
    known |= {control.label for control in controls(recipe, "amid_u")}
    assert known.issuperset(CONTROLS)
    for claim in (*PAPER_CLAIMS, *OWN_CLAIMS):
        for side in (claim.pair.first, claim.pair.second):
            assert side.label in known, claim.text
    settings = settings_of(study(sets=1))
    missing = unmeasured(settings)
    assert "AMID is better than CRD" in missing
    assert PAPER_CLAIMS[0].text not in missing


@pytest.mark.parametrize(("labelled", "level"), [(100, "few"), (101, "few"), (103, "between"), (400, "all")])
def test_at_most_a_quarter_is_few(labelled: int, level: str) -> None:
    """One of four subjects is 25.1 % of UTD-MHAD, and a quarter for everybody."""
    table = study_table({("a", "1 subject"): {"baseline": [0.5]}}, labelled={"1 subject": labelled})
    assert [each.level for each in settings_of(table)] == [level]


def test_what_lacks_a_setting_is_not_ranked_and_is_named() -> None:
    table = study(sets=3)
    table = table[~((table["set"] == "set1") & (table["label"] == "kd"))]
    section = rank_section(settings_of(table), "few")
    assert section is not None
    assert section.table is not None
    assert [row.cells[0] for row in section.table.rows] == ["amid_u", "self_training", "amid", "baseline"]
    assert "Not in every setting, and so not ranked: kd." in section.note
    assert ranked([]) is None
    settings = [each for each in settings_of(table) if each.level == "few"]
    found = ranked(settings)
    assert found is not None
    means = {label: [each.configurations[label].mean()[0] for each in settings] for label in found.labels}
    expected = np.mean([stats.rankdata(-np.array(column)) for column in zip(*means.values(), strict=True)], axis=0)
    assert found.ranking.average == pytest.approx(tuple(expected))


def report(table: pd.DataFrame, made: Provenance | None = None) -> Report:
    return report_of(table, made or Provenance(), "crossdistill report runs/benchmark --markdown docs/results")


def cells(found: Report, name: str) -> list[tuple[str, ...]]:
    (section,) = [section for section in found.sections if section.name == name]
    return [] if section.table is None else [row.cells for row in section.table.rows]


def test_what_does_not_hold_comes_first_and_nothing_is_lost() -> None:
    table = study()
    found = report(table)
    assert [section.name for section in found.sections[:3]] == ["refuted", "claims", "settings"]
    refuted, others = cells(found, "refuted"), cells(found, "claims")
    assert {row[-1] for row in refuted} == {"does not hold"}
    assert {row[-1] for row in others} == {"holds", "cannot tell"}
    assert {(row[0], row[2]): row[-1] for row in refuted + others} == verdicts(table)
    held = sum(row[-1] == "holds" for row in others)
    assert found.summary[0].startswith(
        f"Of {len(refuted + others)} claims, the paper's and ours, {len(refuted)} do not"
    )
    assert f"{held} hold, and of {len(others) - held} these runs cannot tell" in found.summary[0]
    worse = report(study(few={**GAIN, "amid_u": 0.4}))
    assert "Refuted of our own: AMID-U is first in average rank" in worse.summary[1]


def test_a_setting_s_table_by_hand() -> None:
    values = {
        "baseline": [0.5, 0.6], "teacher": [0.8, 0.9], "amid": [0.6, 0.6], "kd": [0.7, 0.6],
        "amid, shuffled auxiliary": [0.5, 0.6],
    }  # fmt: skip
    found = report(study_table({("watch", "1 subject labelled"): values}, labelled={"1 subject labelled": 90}))
    rows = {row[0]: row[1:] for row in cells(found, "setting-1")}
    assert list(rows) == ["baseline", "teacher", "kd", "amid", "amid, shuffled auxiliary"]
    assert rows["teacher"][:4] == ("2", "–", "85.0 ± 63.5", "–")
    assert rows["kd"][1] == "65.0 ± 63.5"
    assert rows["amid"][3] == "+5.0"
    assert rows["amid"][5] == "0.500", "t = 1 with one degree of freedom"
    assert rows["amid"][7] == "16.7", "0.05 of 0.30"
    assert rows["amid, shuffled auxiliary"][3] == "0.0"
    (section,) = [section for section in found.sections if section.name == "setting-1"]
    assert "90 of 400 labelled, 310 unlabelled; 200 measured" in section.note
    assert section.table is not None
    assert list(section.table.groups) == ["without distillation", "methods", "controls"]
    (line,) = cells(found, "settings")
    assert line[:5] == ("watch, 1 subject labelled", "90 of 400", "55.0 ± 63.5", "–", "85.0 ± 63.5")
    assert line[-2:] == ("kd", "+10.0")


def test_what_all_labels_would_give_stands_beside_few() -> None:
    lines = cells(report(study(sets=2)), "settings")
    assert {line[0]: line[3] for line in lines if line[0].endswith(FEW)} == {
        line[0].replace(ALL, FEW): line[2] for line in lines if line[0].endswith(ALL)
    }
    assert {line[3] for line in lines if line[0].endswith(ALL)} == {"–"}


def test_seeds_that_draw_other_subjects_have_a_range() -> None:
    table = study_table({("watch", "1 subject labelled"): {"baseline": [0.5, 0.6]}})
    table["labelled"] = [70, 95]
    (section,) = [section for section in report(table).sections if section.name == "setting-1"]
    assert "70 to 95 of 400 labelled, 305 to 330 unlabelled" in section.note


def test_how_it_was_made() -> None:
    made = Provenance(
        ("crossdistill compare benchmark --quick",),
        {"a/all": 0, "b/all": 0},
        ("mosi: not prepared; `crossdistill prepare mosi --source DIR` makes it",),
        {"a/all/kd-seed3": "diverged in epoch 2"},
    )
    found = report(study(sets=2), made).origin
    text = " ".join(found.notes)
    assert found.replicates == "5 runs each"
    assert found.versions == "torch 2.9.0, 1 CPU thread"
    assert "asked for by: crossdistill compare benchmark --quick" in text
    assert "Left out: mosi: not prepared; `crossdistill prepare mosi --source DIR` makes it" in text
    assert "Not finished: a/all/kd-seed3: diverged in epoch 2" in text
    assert "Nothing was tuned" in text
    tests = paired_tests(settings_of(study(sets=2)), pairs())
    assert f"for all {len(tests)} tests of this page" in text
    assert "16 trials" in " ".join(report(study(1), Provenance(trials={"a/all": 16})).origin.notes)
    differing = " ".join(report(study(1), Provenance(trials={"a/all": 16, "b/all": 0})).origin.notes)
    assert "0 trials in b/all; 16 trials in a/all" in differing


def test_same_table_same_bytes_and_every_figure_is_a_file(tmp_path: Path) -> None:
    table = study(sets=3)
    for name in ("1", "2"):
        write_document(report(table), tmp_path / name, "benchmark")
        write_page(report(table), tmp_path / name / "page.html")
    files = sorted(str(path.relative_to(tmp_path / "1")) for path in (tmp_path / "1").rglob("*") if path.is_file())
    assert files == ["benchmark.md", "benchmark/gains-all.svg", "benchmark/gains-few.svg", "benchmark/ranks-all.svg",
                     "benchmark/ranks-few.svg", "page.html"]  # fmt: skip
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    figure = (tmp_path / "1/benchmark/ranks-few.svg").read_text(encoding="utf-8")
    for label in ("amid_u", "baseline", "self_training", "critical difference"):
        assert label in figure
    text = (tmp_path / "1/benchmark.md").read_text(encoding="utf-8")
    assert re.search(r"^## Claimed, and it does not hold$", text, flags=re.MULTILINE)
    page = (tmp_path / "1/page.html").read_text(encoding="utf-8")
    assert '<table class="prose">' in page
    assert "can be repeated one by one" not in page


def test_a_claim_that_nothing_refutes_leaves_a_sentence() -> None:
    table = study_table({("a", FEW): {"baseline": [0.5, 0.6], "kd": [0.5, 0.7]}})
    found = report(table)
    assert cells(found, "refuted") == cells(found, "claims") == []
    assert found.sections[0].note == "No claim that was measured is refuted."


def test_a_table_that_is_none_is_one_line() -> None:
    table = study(sets=1)
    with pytest.raises(InputError, match="expected a column student_top1"):
        report(table.drop(columns="student_top1"))
    with pytest.raises(InputError, match="two runs of baseline seed 0 on set0"):
        report(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(InputError, match="at least one run, found none"):
        report(table.iloc[:0])
    for column, value, found in (
        ("seed", math.nan, "a number as seed, found nan"),
        ("student_top1", 63.1, "student_top1 within 0 and 1, found 63.1"),
        ("teacher_top1", math.inf, "teacher_top1 within 0 and 1, found inf"),
        ("student_r1", -0.1, "student_r1 within 0 and 1, found -0.1"),
        ("method", "other", "expected one method of this label, found several"),
    ):
        odd = table.astype({"seed": float})
        odd.loc[2, column] = value
        with pytest.raises(InputError, match=rf"baseline on set0, 10 % of labels: .*{re.escape(found)}"):
            report(odd)


def test_a_run_that_measured_nothing_is_left_out_and_named() -> None:
    """Averaged away it would move the means of its own configuration alone."""
    table = study(sets=1)
    lost = (table.label == "kd") & (table.seed == 3) & (table.budget == FEW)
    without = table[~lost]
    table.loc[lost, "student_top1"] = math.nan
    (few, _), (known, _) = settings_of(table), settings_of(without)
    assert few.lost == ("kd seed 3",)
    assert few.configurations["kd"] == known.configurations["kd"]
    assert not known.lost
    assert "Left out, as nothing was measured: kd seed 3." in report(table).sections[-2].note
    folds = table.assign(fold=table.seed, seed=0, labelled_groups=table.seed.astype(str))
    (few, _) = settings_of(folds)
    assert few.left_out == ((3, 0),), "no configuration is measured on the fold that one lacks"
    assert few.lost == ("kd fold 3 seed 0",)


def by_subject(drawn: Sequence[str], sets: int = 3) -> pd.DataFrame:
    """A study whose seeds 0, 1, ... draw these groups, and measure the same where they draw the same."""
    names = list(dict.fromkeys(drawn))
    made = {(f"set{n}", "1 subject labelled"): accuracies(GAIN, n) for n in range(sets)}
    once = {
        setting: {label: [values[names.index(name)] for name in drawn] for label, values in by_label.items()}
        for setting, by_label in made.items()
    }
    table = study_table(once, teachers={"amid": 0.85})
    return table.assign(labelled_groups=[drawn[seed] for seed in table.seed])


def test_seeds_that_label_the_same_groups_add_nothing() -> None:
    """Runs that repeat what others drew and measured leave every mean, interval, p and verdict as it was."""
    once, again = (settings_of(by_subject(drawn)) for drawn in ("ABCD", "ABACDDDA"))
    first, second = (paired_tests(made, pairs()) for made in (once, again))
    assert first.keys() == second.keys()
    for key, row in first.items():
        assert second[key].pairs == row.pairs == 4
        assert (second[key].difference, second[key].half_width, second[key].p, second[key].p_holm) == pytest.approx(
            (row.difference, row.half_width, row.p, row.p_holm)
        )
    for before, after in zip(once, again, strict=True):
        for label, made in before.configurations.items():
            assert after.configurations[label].mean() == pytest.approx(made.mean(), nan_ok=True)
    table = by_subject("ABACDDDA", sets=1)
    note = report(table[table.label == "baseline"]).sections[-1].note
    assert "8 draws labelled 4 distinct sets of groups" in note


def test_one_labelled_set_is_one_value_however_many_seeds_there_are() -> None:
    (setting,) = settings_of(by_subject("AAAAA", sets=1))
    rows = paired_tests([setting], [])
    assert {(row.pairs, row.verdict) for row in rows.values()} == {(1, "not tested")}
    assert math.isnan(setting.configurations["amid_u"].mean()[1])


def test_values_of_one_labelled_set_are_averaged_before_they_are_tested() -> None:
    values = {"baseline": [0.5, 0.6, 0.7, 0.4], "kd": [0.7, 0.7, 0.9, 0.9]}
    table = study_table({("watch", "1 subject labelled"): values}).assign(labelled_groups=["5", "1", "5", "3"] * 2)
    (setting,) = settings_of(table)
    row = paired_tests([setting], [])["watch, 1 subject labelled", Pair(Side("kd"), STUDENT_ALONE)]
    assert row.p == pytest.approx(stats.ttest_rel([0.8, 0.7, 0.9], [0.6, 0.6, 0.4]).pvalue)
    mean, half = setting.configurations["kd"].mean()
    assert (mean - half, mean + half) == pytest.approx(stats.t.interval(0.95, 2, 0.8, stats.sem([0.8, 0.7, 0.9])))


def test_folds_are_pairs_of_their_own() -> None:
    """Each fold tests other samples: runs of one seed are pairs fold by fold, whoever is labelled there."""
    values = {"baseline": [0.5, 0.6, 0.7, 0.4], "kd": [0.7, 0.7, 0.9, 0.9]}
    table = study_table({("watch", "1 subject labelled"): values})
    table = table.assign(fold=table.seed, seed=0, labelled_groups=["1", "2", "2", "3"] * 2)
    table["evaluated"] = 100 + table.fold
    (setting,) = settings_of(table)
    row = paired_tests([setting], [])["watch, 1 subject labelled", Pair(Side("kd"), STUDENT_ALONE)]
    assert row.pairs == 4
    assert row.p == pytest.approx(stats.ttest_rel(values["kd"], values["baseline"]).pvalue)
    own_split = study_table({("watch", "all labels"): values}).assign(labelled=lambda rows: rows.train)
    [line, _] = overview_table(settings_of(pd.concat([table, own_split])), {}).rows
    assert line.cells[3] == NONE, "with all labels other samples were tested"
    text = " ".join([report(table).sections[-1].note, *report(table).origin.notes])
    assert "100 to 103 measured. 4 folds, each tested in turn with labels of other groups." in text
    assert "Where the folds of watch are tested in turn, some test groups of that training split" in text
    assert "paired t-test over folds, and" in text
    assert "Folds share training samples" in text
    own = report(study(sets=1))
    assert "fold" not in " ".join([*own.summary, *own.origin.notes, *(section.note for section in own.sections)])
    table.loc[(table.fold == 1) & (table.label == "kd"), "fold"] = 0
    with pytest.raises(InputError, match="two runs of kd fold 0 seed 0 on watch, 1 subject labelled"):
        settings_of(table)


def test_draws_of_one_fold_are_averaged_before_they_are_tested() -> None:
    """Runs that test the same people are no independent repetitions, whoever was labelled for them."""
    values = {"baseline": [0.5, 0.6, 0.7, 0.4, 0.7, 0.4], "kd": [0.7, 0.7, 0.9, 0.9, 0.7, 0.9]}
    table = study_table({("watch", "1 subject labelled"): values})
    table = table.assign(fold=table.seed % 3, seed=table.seed // 3, labelled_groups=list("123456") * 2)
    (setting,) = settings_of(table)
    row = paired_tests([setting], [])["watch, 1 subject labelled", Pair(Side("kd"), STUDENT_ALONE)]
    kd, alone = (np.reshape(values[label], (2, 3)).mean(axis=0) for label in ("kd", "baseline"))
    assert row.pairs == 3
    assert row.p == pytest.approx(stats.ttest_rel(kd, alone).pvalue)
    assert setting.configurations["kd"].mean()[0] == pytest.approx(kd.mean())
    said = "6 draws whose runs are averaged fold by fold: means, intervals and tests are over these."
    assert said in report(table).sections[-1].note


def test_means_are_over_folds_that_all_have() -> None:
    """A method whose run of the hardest fold failed is not the better for it."""
    values = {"baseline": [0.5, 0.6, 0.1, 0.4], "kd": [0.5, 0.6, 0.1, 0.4], "dist": [0.4, 0.5, 0.1, 0.3]}
    table = study_table({("watch", "1 subject labelled"): values})
    table = table.assign(fold=table.seed, seed=0, labelled_groups=["1", "2", "4", "3"] * 3)
    whole = table[(table.label != "dist") | (table.fold != 2)]
    (setting,) = settings_of(whole)
    assert {label: made.mean()[0] for label, made in setting.configurations.items()} == pytest.approx(
        {"baseline": 0.5, "kd": 0.5, "dist": 0.4}
    )
    assert setting.left_out == ((2, 0),)
    assert "some configuration lacks a run there: fold 2 seed 0." in report(whole).sections[-1].note
    nothing = table[(table.label == "kd") == (table.fold % 2 == 0)]
    with pytest.raises(InputError, match="no fold of watch, 1 subject labelled has runs of every configuration"):
        settings_of(nothing)


def test_shares_ranks_and_gains_are_of_the_seeds_that_all_have() -> None:
    """A method that was run with the first seeds alone is held against the others in these, whatever the rest are."""
    few = {"baseline": [0.5, 0.5, 0.2, 0.2], "teacher": [0.7, 0.7, 0.4, 0.4], "amid_u": [0.6, 0.6, 0.3, 0.3],
           "kd": [0.51, 0.51, 0.21, 0.21], "dist": [0.55, 0.55, 0.9, 0.9]}  # fmt: skip
    table = study_table({("set0", FEW): few}, teachers={"teacher": 0.0})
    table.loc[table.label == "teacher", "teacher_top1"] = few["teacher"]
    table = table[~((table.label == "dist") & (table.seed > 1))]
    settings = settings_of(table)
    assert share_recovered(settings, "kd") == pytest.approx(0.05)
    assert share_recovered(settings, "dist") == pytest.approx(0.25), "its first seeds' gain by their gap"
    assert gains_by_source(settings, "dist", "kd") == pytest.approx([0.04])
    found = ranked(settings)
    assert found is not None
    order = dict(zip(found.labels, found.ranking.average, strict=True))
    assert sorted(order, key=lambda label: order[label]) == ["amid_u", "dist", "kd", "baseline"]


def test_ranks_are_of_the_runs_that_all_methods_have() -> None:
    """Gains in other draws of labels are no ranks among methods."""
    few = {"baseline": [0.5] * 4, "kd": [0.6, 0.6, 0.8, 0.8], "dist": [0.65, 0.65, 0.65, 0.65]}
    table = study_table({("set0", FEW): few})
    whole, part = settings_of(table), settings_of(table[(table.label != "dist") | (table.seed < 2)])
    for settings, first in ((whole, "kd"), (part, "dist")):
        found = ranked(settings)
        assert found is not None
        assert found.labels[int(np.argmin(found.ranking.average))] == first
    assert ranked(settings_of(table[(table.label == "kd") == (table.seed < 2)])) is None, "no run that both have"


def test_nobody_is_half_way_to_a_teacher_that_is_behind() -> None:
    few = {"baseline": [0.70, 0.71, 0.69, 0.70, 0.72], "teacher": [0.5] * 5, "amid": [0.67, 0.68, 0.66, 0.67, 0.69]}
    table = study_table({(f"set{number}", FEW): few for number in range(3)})
    table.loc[table.label == "teacher", "teacher_top1"] = 0.5
    assert not any("half of the way" in text for text, _ in verdicts(table))
    table.loc[table.label == "teacher", "teacher_top1"] = 0.8
    assert verdict_of(table, "half of the way") == "does not hold"


def test_what_could_not_be_tested_is_not_refuted() -> None:
    one = {"baseline": [0.5], "kd": [0.5], "amid_u": [0.75]}
    table = study_table({(f"set{number}", FEW): one for number in range(7)})
    assert verdict_of(table, "on at least 6 data sets") == "cannot tell"


def test_a_tie_for_the_first_rank_tells_nothing() -> None:
    tied = {"baseline": 0.5, "kd": 0.6, "amid_u": 0.6}
    table = study_table(
        {(f"set{number}", FEW): {key: [value] * 5 for key, value in tied.items()} for number in range(7)}
    )
    assert verdict_of(table, "first in average rank") == "cannot tell"


def test_a_table_that_does_not_say_how_many_threads_there_were_makes_a_page() -> None:
    table = study(sets=1)
    table = table.drop(columns=[name for name in table.columns if name == "version_threads"])
    assert "CPU thread" not in report(table).origin.versions


def test_what_the_table_does_not_say_of_groups_is_said() -> None:
    """In tables from before the column, and of runs from before: a null."""
    table = study(sets=1, few={"baseline": 0.5}, everything={"baseline": 0.5})
    unsaid = "the table does not say whether whole groups kept them"
    assert "Of 5 runs with a part of the labels" in " ".join(report(table).origin.notes)
    table["labelled_groups"] = ""
    assert unsaid not in " ".join(report(table).origin.notes)
    table.loc[(table.seed == 0) & (table.budget == FEW), "labelled_groups"] = None
    assert f"Of 1 run with a part of the labels {unsaid}" in " ".join(report(table).origin.notes)
    assert settings_of(table)[0].units == settings_of(table.drop(columns="labelled_groups"))[0].units, "by seed"


def test_runs_of_a_seed_that_label_different_groups_are_no_pairs() -> None:
    table = by_subject("ABC", sets=1)
    table.loc[(table.seed == 1) & (table.label == "kd"), "labelled_groups"] = "C"
    with pytest.raises(InputError, match="runs of seed 1 on set0, 1 subject labelled label different groups, B and C"):
        settings_of(table)
    table.loc[(table.seed == 1) & (table.label == "kd"), "labelled_groups"] = None
    with pytest.raises(InputError, match="label different groups, B and unknown ones"):
        settings_of(table)


def test_a_fold_that_old_rows_lack_is_the_set_s_own_split() -> None:
    table = study(sets=2)
    old = table["set"] == "set0"
    mixed = pd.concat([table[old].drop(columns="fold"), table[~old]])
    assert [each.units for each in settings_of(mixed)] == [each.units for each in settings_of(table)]


def test_a_set_with_another_s_samples_is_no_data_set_more() -> None:
    """A copy under the name of a set that shares mfeat's samples changes no rank, gain or interval over data sets."""
    table = study(sets=3)
    table["set"] = table["set"].replace({"set0": "mfeat"})
    copy = table[table["set"] == "mfeat"].assign(set="mfeat_zernike")
    once, twice = (
        [each for each in settings_of(made) if each.level == "few"] for made in (table, pd.concat([table, copy]))
    )
    assert (len(once), len(twice)) == (3, 4)
    assert ranked(twice) == ranked(once)
    assert gains_by_source(twice, "amid_u", "kd") == pytest.approx(gains_by_source(once, "amid_u", "kd"))
    assert share_recovered(twice, "amid_u") == pytest.approx(share_recovered(once, "amid_u"))
    pair = Pair(Side("amid_u"), STUDENT_ALONE)
    before, after = (evidence_of(made, pair, paired_tests(made, [])) for made in (once, twice))
    assert before is not None
    assert after is not None
    assert (after.settings, after.sets, after.better, after.worse) == (4, 3, before.better, before.worse)
    assert (after.difference, after.half_width) == pytest.approx((before.difference, before.half_width))
    alone = pd.concat([table, copy])
    said = report(alone[alone.label == "baseline"]).summary[-1]
    assert "of 3 data sets: " in said
    assert "mfeat and mfeat_zernike share their samples" in said


def test_a_data_set_is_better_where_all_its_settings_are_and_worse_where_any_is() -> None:
    levels = {"baseline": 0.5, "amid_u": 0.7}
    made = {
        ("mfeat", FEW): accuracies(levels, 0),
        ("mfeat_zernike", FEW): accuracies({**levels, "amid_u": 0.5}, 1),
        ("utd_mhad", FEW): accuracies(levels, 2),
        ("utd_mhad_depth", FEW): accuracies({**levels, "amid_u": 0.3}, 3),
        ("emoji", FEW): accuracies(levels, 4),
    }
    settings = settings_of(study_table(made))
    found = evidence_of(settings, Pair(Side("amid_u"), STUDENT_ALONE), paired_tests(settings, []))
    assert found is not None
    assert (found.settings, found.sets, found.better, found.partly, found.worse) == (5, 3, 1, 3, 1)


def test_the_control_is_the_best_of_each_setting() -> None:
    zeroed, shuffled = "amid_u, zeroed auxiliary", "amid_u, shuffled auxiliary"
    levels = {"baseline": 0.5, "self_training": 0.4, zeroed: 0.45, shuffled: 0.3, "amid_u": 0.52}
    made = {
        ("a", FEW): accuracies(levels, 0),
        ("b", FEW): accuracies({**levels, zeroed: 0.7}, 1),
        ("c", FEW): accuracies({label: level for label, level in levels.items() if label != shuffled}, 2),
    }
    settings = settings_of(study_table(made))
    assert [best_control(setting) for setting in settings] == ["baseline", zeroed, ""]
    assert Side(BEST_CONTROL).values(settings[1]) == Side(zeroed).values(settings[1])
    assert Side(BEST_CONTROL).values(settings[2]) == {}, "a setting that lacks one has no best"
    weak = {**GAIN, "self_training": 0.3, "baseline": 0.7}
    assert verdict_of(study(few=weak), "best of what does without") != "holds", "no gain over a weak control alone"


def test_sets_that_took_no_part_are_shown_alone() -> None:
    table = study(sets=4)
    table["set"] = table["set"].replace({"set0": "emoji", "set1": "mfeat_zernike"})
    made = settings_of(table)
    tests = paired_tests(made, [])
    assert untouched_section([each for each in made if each.name.startswith("set")], tests, "few") is None, "all"
    section = untouched_section(made, tests, "few")
    assert section is not None
    assert section.table is not None
    assert "2 data sets alone, set2 and set3" in section.note
    kept = [each for each in made if each.level == "few" and each.name in ("set2", "set3")]
    alone = ranked(kept)
    assert alone is not None
    expected = dict(zip(alone.labels, alone.ranking.average, strict=True))
    assert {row.cells[0]: row.cells[1] for row in section.table.rows} == {
        label: f"{rank:.2f}" for label, rank in expected.items()
    }
    said = " ".join(chosen_before(made))
    assert "validation parts of the training splits of emoji and mfeat" in said
    assert "emoji: its own options for most methods" in said
    assert "avletters" not in said


def test_what_is_said_of_sets_names_sets_of_the_study() -> None:
    names = {each.name for each in SETS}
    assert names.issuperset({*SOURCES, *SOURCES.values(), *CHOSEN_ON, *CHOSEN_FOR_ITSELF})
    assert not set(SOURCES) & {*SOURCES.values(), *CHOSEN_ON, *CHOSEN_FOR_ITSELF}, "these are sources"


def test_the_auxiliary_modalities_alone_stand_below_their_setting() -> None:
    """They have neither a student nor a teacher to stand in a row."""
    page = report(study_table({("set0", FEW): {"baseline": [0.5, 0.6], "auxiliary": [0.8, 0.9]}}))
    (section,) = [each for each in page.sections if each.heading == f"set0, {FEW}"]
    assert section.table is not None
    assert [row.cells[0] for row in section.table.rows] == ["baseline"]
    assert "The auxiliary modalities alone: 85.0 ± 63.5." in section.note  # t of one degree of freedom, 12.7, times 5


def test_the_map_of_gains_holds_every_paired_difference_where_it_belongs() -> None:
    """Cell by cell as drawn: methods by falling gain, controls under the line, bold where it is significant."""
    table = study(sets=3)
    table = table[~((table["set"] == "set1") & (table["label"] == "kd"))]
    settings = settings_of(table)
    tests = paired_tests(settings, pairs())
    section = gains_section(settings, tests, "few")
    assert section is not None
    (captioned,) = section.figures
    assert captioned.draw is not None
    (axes,) = captioned.draw().axes
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    columns = [tick.get_text() for tick in axes.get_xticklabels()]
    assert rows == ["amid_u", "amid", "kd", "self_training", "amid_u, zeroed auxiliary", "amid_u, shuffled auxiliary"]
    assert columns == [f"set{number}, {FEW}" for number in range(3)]
    few = table[table["budget"] == FEW].sort_values("seed")
    values = {key: made.student_top1.to_numpy() for key, made in few.groupby(["set", "label"])}
    drawn = {(rows[int(text.get_position()[1])], columns[int(text.get_position()[0])]): text for text in axes.texts}
    assert len(drawn) == 6 * 3 - 1
    assert ("kd", columns[1]) not in drawn
    for (label, column), text in drawn.items():
        name = column.split(", ")[0]
        assert text.get_text() == points(float(np.mean(values[name, label] - values[name, "baseline"])))
        row = tests[column, Pair(Side(label), STUDENT_ALONE)]
        assert (text.get_fontweight() == "bold") == (row.p_holm <= 0.05)
    assert any(text.get_fontweight() == "bold" for text in drawn.values())
    assert [line.get_ydata()[0] for line in axes.lines] == [3]  # type: ignore[index]
    assert "methods by their mean over the 2 settings that have all of them" in captioned.caption
    assert "Under the line: self_training; amid_u, zeroed auxiliary; and amid_u, shuffled" in captioned.caption


def test_a_map_of_gains_takes_two_methods_and_a_student_alone() -> None:
    for levels in ({"baseline": 0.5, "amid_u": 0.7}, {"kd": 0.5, "amid_u": 0.7}):
        settings = settings_of(study_table({("a", FEW): accuracies(levels, 0)}))
        assert gains_section(settings, paired_tests(settings, pairs()), "few") is None
    assert gains_section(settings_of(study()), {}, "all") is None
