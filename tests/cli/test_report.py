"""What `crossdistill report` takes of a folder, and what it says of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossdistill.cli.main import main
from tests.reports.synthetic import write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A comparison's folder with a finished run and other things."""
    write_run(tmp_path / "runs/kd-seed0", "kd")
    for number in range(4):
        (write_run(tmp_path / f"runs/late-seed{number}", "kd", number) / "results.json").unlink()
    (write_run(tmp_path / "runs/stray", "kd") / "recipe.yaml").unlink()
    (tmp_path / "runs/jobs").mkdir()
    (tmp_path / "runs/results.parquet").write_bytes(b"")
    return tmp_path / "runs"


def unreadable(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """As of somebody who is not root, whom the folder's mode stops."""
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if path.parent == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    patch.setattr(Path, "is_file", refused)


def test_what_is_left_out_of_a_folder_is_said(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "theirs").mkdir()
    unreadable(monkeypatch, runs / "theirs")
    page = runs.parent / "page.html"
    assert main(["report", str(runs), "--out", str(page)]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "Left out" in line]
    assert line == (
        f"Left out of {runs}: 4 folders not finished (late-seed0, late-seed1, late-seed2, ...); "
        "1 folder without recipe.yaml (stray); 1 folder not to be read (theirs)"
    )
    assert page.is_file()


def test_a_run_s_own_folder_has_nothing_left_out(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs / "kd-seed0"), "--out", str(runs.parent / "page.html")]) == 0
    assert "Left out" not in capsys.readouterr().out


def test_a_folder_without_a_finished_run_says_what_it_has(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "kd-seed0/results.json").unlink()
    assert main(["report", str(runs)]) == 2
    error = capsys.readouterr().err
    assert "expected a run folder or a folder that holds finished runs; found 5 folders not finished (kd-seed0" in error
    assert "1 folder without recipe.yaml (stray)" in error
    assert error.count("\n") == 1


def test_a_page_that_takes_another_s_place_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two comparisons of the recipe `own` are both own.md."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        write_run(tmp_path / name / "kd", "kd", name="own")
    assert main(["report", "one", "--markdown", "docs"]) == 0
    assert "takes the place" not in capsys.readouterr().out
    assert main(["report", "two", "--markdown", "docs"]) == 0
    said = "docs/own.md: takes the place of the page that `crossdistill report one --markdown docs` had written"
    assert said in capsys.readouterr().out
    before = (tmp_path / "docs/own.md").read_bytes()
    write_run(tmp_path / "one/kd1", "kd", 1, name="own")
    assert main(["report", str(tmp_path / "two"), "one/", "--markdown", "docs", "--out", "page.html"]) == 2, "twice kd"
    assert "takes the place" not in capsys.readouterr().out, "of one that is among them"
    assert main(["report", "one/", "--markdown", "docs", "--out", "page.html"]) == 0
    assert (tmp_path / "docs/own.md").read_bytes() != before
    (tmp_path / "docs/own.md").write_text("# Mine\n\n## How this was made\n\n```\ndon't know\n```\n")
    assert main(["report", "one", "--markdown", "docs"]) == 0
    assert "takes the place of the page that `don't know` had written" in capsys.readouterr().out
    (tmp_path / "docs/own.md").write_text("# Mine\n")
    assert main(["report", "one", "--markdown", "docs"]) == 2
    assert "own.md: is no page that `crossdistill report` wrote; move it away" in capsys.readouterr().err


def test_markdown_alone_leaves_no_page_beside_it(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    assert main(["report", "runs", "--markdown", "docs"]) == 0
    assert not Path("report.html").exists()
    assert main(["report", "runs"]) == 0
    assert Path("report.html").is_file()
