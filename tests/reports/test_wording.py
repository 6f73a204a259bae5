"""The summary says what the numbers allow, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossdistill.reports import load_runs
from crossdistill.reports.wording import main_method, summary, title

from .synthetic import edit_results, scores, write_run


def words(folders: list[Path]) -> str:
    return " ".join(summary(load_runs(folders)))


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
    assert "71.0 ± 2.5 % top-1 accuracy" in text
    assert "+10.0 points" in text
    assert "excludes zero: in this setting distillation helped" in text
    assert "recovers 50.0 % of the gap between the baseline's 61.0 % and the 81.0 %" in text


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
    text = words([*folders, write_run(tmp_path / "t", "teacher", 0, {"teacher": 0.71})])
    assert "recovers none of the gap" in text
    assert "(−10.0 %)" in text


def test_undefined_accuracy(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid")
    edit_results(folder, student={**scores(0.5, 4), "top1": float("nan")})
    assert "nothing to compare" in words([folder])


@pytest.mark.parametrize(
    ("methods", "main"),
    [(["baseline", "amid"], "amid"), (["amid", "baseline"], "amid"), (["amid", "kd", "teacher"], "kd"),
     (["baseline", "teacher"], "baseline"), (["teacher"], "teacher")],
)  # fmt: skip
def test_main_method_is_the_last_distilled_student(tmp_path: Path, methods: list[str], main: str) -> None:
    assert main_method(load_runs([write_run(tmp_path / method, method) for method in methods])) == main


def test_title(tmp_path: Path, comparison: list[Path]) -> None:
    assert title(load_runs(comparison)) == "Distilling audio and text into video"
    assert title(load_runs([write_run(tmp_path / "b", "baseline")])) == "watch: baseline"
