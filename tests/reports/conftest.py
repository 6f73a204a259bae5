"""A comparison of baseline, teacher and AMID over three seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.synthetic import write_run

BASELINE, TEACHER, STUDENT = (0.60, 0.61, 0.62), (0.80, 0.81, 0.82), (0.70, 0.72, 0.71)


@pytest.fixture
def comparison(tmp_path: Path) -> list[Path]:
    """Means: baseline 61 %, teacher alone 81 %, amid's student 71 % (half the gap), amid's teacher 79 %."""
    folders = []
    for seed in range(3):
        folders += [
            write_run(tmp_path / f"baseline-{seed}", "baseline", seed, {"student": BASELINE[seed]}),
            write_run(tmp_path / f"teacher-{seed}", "teacher", seed, {"teacher": TEACHER[seed]}),
            write_run(tmp_path / f"amid-{seed}", "amid", seed, {"student": STUDENT[seed], "teacher": 0.79}),
        ]
    return folders
