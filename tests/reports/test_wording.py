"""The summary says what the numbers allow, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.cli.headline import show_headline
from crossdistill.reports import load_runs
from crossdistill.reports.groups import main_configuration, reference_method, reference_methods
from crossdistill.reports.sections import report_of
from crossdistill.reports.tiles import next_steps
from crossdistill.reports.wording import findings, lead, replicates, summary, title, verdict
from tests.reports.synthetic import edit_results, run_of, runs_of, scores, write_run


def words(folders: list[Path]) -> str:
    runs = load_runs(folders)
    return " ".join([lead(runs), *summary(runs)]).strip()


def pair(tmp_path: Path, baseline: tuple[float, ...], student: tuple[float, ...], method: str = "amid") -> list[Path]:
    folders = [
        write_run(tmp_path / f"baseline-{seed}", "baseline", seed, {"student": value})
        for seed, value in enumerate(baseline)
    ]
    return folders + [
        write_run(tmp_path / f"{method}-{seed}", method, seed, {"student": value, "teacher": 0.8})
        for seed, value in enumerate(student)
    ]


def test_clear_gain(comparison: list[Path]) -> None:
    text = words(comparison)
    assert text.startswith(
        "Trained with all labels, the amid student, which had audio and text in training, is right on 71.0 % of new "
        "samples from video alone; a student trained without audio and text on 61.0 %. The gain of 10.0 points is "
        "significant. "
    )
    assert "+10.0 points" in text
    assert "excludes zero: in this setting distillation helped" in text
    assert "recovers 50.0 % of the gap between the baseline's 61.0 % and the 81.0 %" in text


def test_the_ends_of_a_gap_are_of_the_seeds_that_its_share_is_of(comparison: list[Path], tmp_path: Path) -> None:
    more = write_run(tmp_path / "baseline-3", "baseline", 3, {"student": 0.99})
    said = "recovers 50.0 % of the gap between the baseline's 61.0 % and the 81.0 %"
    assert said in " ".join(summary(load_runs([*comparison, more])))


@pytest.mark.parametrize(
    ("student", "end"),
    [((0.50, 0.512, 0.518), "The loss of 10.0 points is significant."),
     ((0.60, 0.66, 0.61), "The gain of 1.3 points is not significant, it may be chance."),
     ((0.60, 0.61, 0.62), "The difference of 0.0 points is not significant, it may be chance.")],
)  # fmt: skip
def test_the_first_sentences_promise_nothing_that_the_test_does_not_show(
    tmp_path: Path, student: tuple[float, ...], end: str
) -> None:
    folders = pair(tmp_path, (0.60, 0.61, 0.62), student)
    assert end in words(folders)


def test_the_first_sentence_says_how_few_labels_there_were(tmp_path: Path) -> None:
    folders = pair(tmp_path, (0.60, 0.61, 0.62), (0.70, 0.71, 0.72), "amid_u")
    for place, folder in enumerate(folders[3:]):
        edit_results(folder, samples={"train": 1271, "labelled": 235 + place, "test": 958})
    text = words(folders)
    assert text.startswith("With labels for 235 to 237 of 1,271 training samples, the amid_u student")
    assert main_configuration(load_runs(folders)) == "amid_u"


def test_with_unlabelled_pairs_amid_u_is_what_the_report_is_about_and_with_all_labels_amid(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / method, method, 0) for method in ("amid", "amid_u")]
    assert main_configuration(load_runs(folders)) == "amid"
    edit_results(folders[1], samples={"train": 1000, "labelled": 10, "test": 500})
    runs = load_runs(folders)
    assert main_configuration(runs) == reference_method(runs) == "amid_u"
    assert reference_method([]) == ""


def test_a_student_that_learnt_alone_is_not_said_to_be_distilled(tmp_path: Path) -> None:
    folders = pair(tmp_path, (0.60, 0.61, 0.62), (0.61, 0.60, 0.63), "amid_u")
    folders += [write_run(tmp_path / f"teacher-{seed}", "teacher", seed) for seed in range(3)]
    runs = load_runs(folders)
    assert main_configuration(runs) == "amid_u"
    text = " ".join([title(runs), lead(runs), *summary(runs)])
    assert "The amid_u student learnt from labels alone" in text
    assert not any(word in text for word in ("istil", "helped", "gap"))
    assert not any("to be told from none" in step for step in next_steps(runs))
    for folder in folders[3:6]:
        edit_results(folder, samples={"train": 1000, "labelled": 10, "test": 500})
    assert "which had audio and text in training" in lead(load_runs(folders))
    for folder in folders[3:6]:
        edit_results(folder, teaching=0.0)
    assert "which had audio and text in training" not in lead(load_runs(folders)), "whatever the reason was"
    for folder in folders[3:6]:
        edit_results(folder, samples={"train": 1000, "test": 500}, teaching=1.0)
    assert "which had audio and text in training" in lead(load_runs(folders))


@pytest.mark.parametrize("method", ["amid", "amid_u", "kd"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_what_stands_below_the_table_of_a_comparison_is_what_the_report_says(
    method: str, seeds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the report begins with: with all labels AMID-U's student learns alone, and one seed has no test."""
    folders = pair(tmp_path, (0.60, 0.64, 0.62)[:seeds], (0.65, 0.60, 0.66)[:seeds], method)
    runs = load_runs(folders)
    said = verdict(runs)
    assert said
    assert {*said} <= {lead(runs), *summary(runs), *findings(runs)}
    assert any(word in " ".join(said) for word in ("significant", "cannot tell a difference"))
    show_headline(runs)
    printed = " ".join(capsys.readouterr().out.split())
    assert all(sentence in printed for sentence in said)
    assert verdict(load_runs(folders[:seeds])) == [], "one configuration is compared with nothing"


def test_methods_without_a_baseline_are_said_to_be_compared_with_nothing(tmp_path: Path) -> None:
    runs = load_runs([write_run(tmp_path / method, method, 0) for method in ("amid", "kd")])
    assert any(sentence.startswith("Without a baseline run of the same seed") for sentence in verdict(runs))


def test_ablations_stand_beside_the_method_that_they_take_apart(tmp_path: Path) -> None:
    configurations = [
        ("baseline", "baseline", ""),
        ("amid", "amid", ""),
        ("amid_u", "amid_u", ""),
        ("amid", "amid: no warm-up", "ablation"),
        ("mi", "L_MIs alone", "ablation"),
        ("amid_u", "amid_u: no ramp", "ablation"),
    ]
    folders = [
        write_run(tmp_path / f"{place}-{seed}", method, seed, {"student": 0.6 + 0.01 * place}, label=label, role=role)
        for place, (method, label, role) in enumerate(configurations)
        for seed in (0, 1)
    ]
    runs = load_runs(folders)
    assert reference_methods(runs) == ["amid", "amid_u"]
    beside = {
        reference: [line for line in findings(runs) if f" {reference}:" in line] for reference in ("amid", "amid_u")
    }
    said = {reference: " ".join(lines) for reference, lines in beside.items()}
    assert "amid: no warm-up" in said["amid"]
    assert "L_MIs alone" in said["amid"]
    assert "no ramp" not in said["amid"]
    assert "amid_u: no ramp" in said["amid_u"]
    assert not any(label in said["amid_u"] for label in ("no warm-up", "L_MIs", "baseline"))
    headings = [section.heading for section in report_of(runs, "crossdistill report").sections]
    assert {"Difference to AMID", "Difference to AMID-U"} <= set(headings)


def test_interval_with_zero_claims_nothing(tmp_path: Path) -> None:
    text = words(pair(tmp_path, (0.60, 0.64, 0.62), (0.65, 0.60, 0.66)))
    assert "includes zero: these runs do not show" in text
    assert "helped." not in text


def test_harm_is_called_harm(tmp_path: Path) -> None:
    assert "distillation did harm" in words(pair(tmp_path, (0.70, 0.71, 0.72), (0.60, 0.61, 0.63)))


def test_single_seed_claims_nothing(tmp_path: Path) -> None:
    text = words(pair(tmp_path, (0.6,), (0.7,)))
    assert "in a single run" in text
    assert "one pair of runs cannot tell" in text
    assert "excludes zero" not in text


def test_no_baseline_no_verdict(tmp_path: Path) -> None:
    text = words([write_run(tmp_path / "a", "amid")])
    assert "cannot say whether distillation helped" in text


def test_many_comparisons_weaken_the_verdict(tmp_path: Path) -> None:
    # amid alone: p = 0.02; beside three other comparisons Holm asks for p < 0.0125
    folders = pair(tmp_path, (0.60, 0.61, 0.62), (0.64, 0.66, 0.68))
    assert "distillation helped" in words(folders)
    others = [
        write_run(tmp_path / f"{method}-{seed}", method, seed, {"student": accuracy})
        for method in ("kd", "crd", "gmc")
        for seed, accuracy in enumerate((0.62, 0.60, 0.63))
    ]
    text = words(folders[:3] + others + folders[3:])
    assert "corrected for 4 comparisons (Holm)" in text
    assert "distillation helped" not in text


def test_teacher_no_better_than_baseline(tmp_path: Path) -> None:
    folders = pair(tmp_path, (0.60, 0.62), (0.61, 0.62))
    text = words([*folders, write_run(tmp_path / "t", "teacher", 0, {"teacher": 0.55})])
    assert "There is no gap to recover" in text


def test_nothing_recovered(tmp_path: Path) -> None:
    folders = pair(tmp_path, (0.60, 0.62), (0.60, 0.60))
    teachers = [write_run(tmp_path / f"t{seed}", "teacher", seed, {"teacher": 0.71}) for seed in range(2)]
    text = words([*folders, *teachers])
    assert "recovers none of the gap" in text
    assert "(−10.0 %)" in text


def test_undefined_accuracy(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid")
    edit_results(folder, student={**scores(0.5, 4), "top1": float("nan")})
    assert "nothing to compare" in words([folder])


@pytest.mark.parametrize(
    ("methods", "main"),
    [(["baseline", "amid"], "amid"), (["amid", "baseline"], "amid"), (["amid", "kd", "teacher"], "amid"),
     (["crd", "kd", "baseline"], "kd"),
     (["baseline", "teacher"], "baseline"), (["teacher"], "teacher"),
     (["baseline", "self_training", "teacher"], "self_training"), (["baseline", "self_training", "crd"], "crd")],
)  # fmt: skip
def test_the_report_is_about_amid_or_else_the_highest_student(tmp_path: Path, methods: list[str], main: str) -> None:
    accuracy = {"crd": 0.6, "kd": 0.8, "amid": 0.5, "baseline": 0.9, "self_training": 0.7}
    folders = [write_run(tmp_path / m, m, 0, {"student": accuracy[m]} if m in accuracy else None) for m in methods]
    assert main_configuration(load_runs(folders)) == main


def test_title(tmp_path: Path, comparison: list[Path]) -> None:
    assert title(load_runs(comparison)) == "Distilling audio and text into video"
    assert title(load_runs([write_run(tmp_path / "b", "baseline")])) == "watch: baseline"


def test_a_student_that_learns_without_help_is_not_called_distilled(tmp_path: Path) -> None:
    runs = load_runs(pair(tmp_path, (0.60, 0.61, 0.62), (0.65, 0.66, 0.68), "self_training"))
    assert title(runs) == "watch: self_training"
    text = " ".join(summary(runs))
    assert "At prediction time the student sees video only. " in text
    assert "in this setting self_training helped" in text
    assert "audio" not in text
    assert "istill" not in text
    named = findings(runs_of({"baseline": SEEDS, "self_training": raised(0.05), "amid_u": raised(0.1)}))
    assert "Significantly better than the baseline: self_training (+5.0) and amid_u (+10.0)." in named


def raised(by: float, sign: int = 1) -> list[float]:
    """The baseline's accuracies plus `by`, give or take what differs with `by`."""
    spread = sign * (0.002 + 0.01 * by)
    return [value + by + spread * way for way, value in zip((1, -1, 0, 1, -1), SEEDS, strict=True)]


SEEDS = (0.60, 0.61, 0.62, 0.60, 0.63)


def test_wins_losses_and_ties_are_each_named() -> None:
    table = {
        "baseline": SEEDS, "amid": raised(0.05), "kd": raised(0.05, -1), "gmc": raised(-0.04), "crd": raised(0.0),
        "amid, shuffled auxiliary": raised(0.001), "amid, no D2": raised(0.03),
    }  # fmt: skip
    roles = {"amid, shuffled auxiliary": {"role": "control"}, "amid, no D2": {"role": "ablation"}}
    sentences = findings(runs_of(table, roles))
    assert "Significantly better than the baseline: amid (+5.0) and kd (+5.0)." in sentences
    assert "Significantly worse than the baseline: gmc (−4.0)." in sentences
    assert "No significant difference to the baseline: crd (0.0); and amid, shuffled auxiliary (+0.1)." in sentences
    assert sentences[0].startswith("Best: amid and kd; each is significantly better than the baseline")
    assert "No significant difference to amid: kd (0.0)." in sentences
    [worse] = [sentence for sentence in sentences if sentence.startswith("Significantly worse than amid")]
    assert "gmc (−9.0)" in worse
    assert "amid, no D2 (−2.0)" in worse


def test_a_single_best_and_no_best() -> None:
    table = {"baseline": SEEDS, "amid": raised(0.05), "kd": raised(0.01)}
    assert findings(runs_of(table))[0].startswith("Best: amid, significantly better than the baseline")
    losing = {"baseline": SEEDS, "amid": raised(-0.05), "kd": raised(0.0)}
    sentences = findings(runs_of(losing))
    assert sentences[0].startswith("No configuration is significantly better than the baseline")
    assert "Significantly worse than the baseline: amid (−5.0)." in sentences


def test_one_seed_names_no_best_and_says_that_nothing_was_tested() -> None:
    sentences = findings(runs_of({"baseline": [0.6], "amid": [0.7], "kd": [0.8]}))
    assert "nothing could be tested" in sentences[0]
    assert any(sentence.startswith("Not tested against the baseline") for sentence in sentences)
    assert not any("ignificant" in sentence for sentence in sentences)


def test_two_configurations_need_no_list() -> None:
    assert findings(runs_of({"baseline": SEEDS, "amid": raised(0.05)})) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-0.05, 0.0, 0.004, 0.05]), min_size=2, max_size=8), st.integers(0, 1000))
def test_every_method_is_named_once_against_the_baseline(shifts: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = {"baseline": list(SEEDS)}
    table |= {f"m{i}x": [v + shift + rng.normal(0, 0.004) for v in SEEDS] for i, shift in enumerate(shifts)}
    text = " ".join(findings(runs_of(table))[1:])
    assert all(text.count(f"{label} (") == 1 for label in table if label != "baseline")


def test_replicates() -> None:
    runs = [run_of("amid", seed, 0.5, fold=fold) for seed in range(2) for fold in range(5)]
    assert replicates(runs) == "2 seeds in 5 folds"
    assert replicates([*runs, run_of("kd", 0, 0.5)]) == "1 to 2 seeds each in 1 to 5 folds"
    assert replicates(runs_of({"kd": [0.1]})) == "1 seed"


def test_the_same_difference_in_every_pair_has_no_interval_to_speak_of() -> None:
    values = {"baseline": (0.60, 0.70, 0.65), "amid": (0.62, 0.72, 0.67)}
    said = " ".join(summary(runs_of(values)))
    assert "by +2.0 points (the same in each pair, 3 pairs, p = 0.250)" in said
    assert "3 pairs are too few: these runs do not show" in said
