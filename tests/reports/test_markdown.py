"""Markdown says what the page says, number by number, and shows labels as they are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from crossdistill.reports import ChangedSample, Changes, RepresentationMap, SampleViews, write_markdown, write_report
from crossdistill.reports.markdown import escaped, fenced
from crossdistill.types import InputError
from tests.reports.synthetic import write_run

COMMAND = "crossdistill report runs/watch --markdown docs/results"
LABELS = ("amid", "amid: no D2", "amid alpha_1=3.7", "a & <b> | `c` *d* [e](f)", "amid: L_MIs + L_MIa", 'id="x" $y$')
ROLES = {"amid: no D2": "ablation", "amid: L_MIs + L_MIa": "ablation", "amid alpha_1=3.7": "variation"}


@pytest.fixture
def odd(tmp_path: Path, comparison: list[Path]) -> list[Path]:
    """The comparison, with more configurations whose labels mean something to Markdown, HTML or SVG."""
    return comparison + [
        write_run(tmp_path / f"odd-{index}-{seed}", "amid", seed, {"student": 0.6 + 0.01 * seed, "teacher": 0.8},
                  label=label, role=ROLES.get(label, "method"))
        for index, label in enumerate(LABELS[1:])
        for seed in range(3)
    ]  # fmt: skip


class Cells(HTMLParser):
    """The rows of all tables of a page, without the rows that open a group."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in lines]
    return [
        [re.sub(r"\\(.)", r"\1", cell.strip("*") if cell.startswith("**") else cell) for cell in row] for row in rows
    ]


def test_markdown_has_the_page_s_rows(odd: list[Path], tmp_path: Path) -> None:
    page = write_report(odd, tmp_path / "report.html").read_text(encoding="utf-8")
    text = write_markdown(odd, tmp_path / "docs").read_text(encoding="utf-8")
    expected = [row for row in Cells(page).rows if len(row) > 1]
    found = [row for row in markdown_rows(text) if row[1] and row[0] != "---"]
    assert found == expected
    assert {row[0] for row in found} >= set(LABELS)
    assert len(expected) > 20


def test_it_names_its_command_seeds_versions_and_threads(comparison: list[Path], tmp_path: Path) -> None:
    document = write_markdown(comparison, tmp_path / "docs", COMMAND)
    text = document.read_text(encoding="utf-8")
    assert document == tmp_path / "docs" / "watch.md"
    assert f"```\n{COMMAND}\n```" in text
    assert "3 seeds each" in text
    assert "torch 2.9.0" in text
    assert "1 CPU thread." in text
    assert str(tmp_path) not in text


def test_every_figure_is_a_file_and_every_file_a_figure(odd: list[Path], tmp_path: Path) -> None:
    document = write_markdown(odd, tmp_path / "docs")
    named = re.findall(r"^!\[.*\]\((.+)\)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = [path.relative_to(document.parent).as_posix() for path in document.parent.rglob("*.svg")]
    assert sorted(named) == sorted(files)
    assert len(named) == len(set(named)) >= 9
    for name in named:
        source = (document.parent / name).read_text(encoding="utf-8")
        assert "var(--" not in source  # colours of its own: it stands on no page
        assert not re.search(r'href="(?!#|data:image/png)', source)
    assert "amid: no D2" in (document.parent / "watch/accuracy.svg").read_text(encoding="utf-8")  # its own legend


def test_samples_are_shown_as_on_the_page(comparison: list[Path], tmp_path: Path) -> None:
    """The map as a figure, the samples that change as a table, and their pictures, where there are any, as files."""
    picture = np.full((4, 6, 3), 7, np.uint8)
    right = [
        ChangedSample("no. 4", "walk | run", "sit", "walk | run", picture),
        ChangedSample("no. 5", "sit", "run", "sit"),
    ]
    wrong = [ChangedSample("no. 6", "sit", "sit", "run", picture)]
    points, labels = np.random.default_rng(0).normal(size=(2, 40, 2)), np.arange(40) % 2
    of_map = RepresentationMap(
        "amid", 0, dict(zip(("student", "teacher"), points, strict=True)), {"student": labels, "teacher": labels},
        labels, [f"no. {row}" for row in range(40)], 0.5, 200,
    )  # fmt: skip
    samples = SampleViews(changes=Changes("amid", 0, 200, 30, 10, right, wrong), map=of_map)
    document = write_markdown(comparison, tmp_path / "docs", COMMAND, samples)
    text = document.read_text(encoding="utf-8")
    assert "## Map of the representations\n\n![" in text
    assert re.search(r"^\| no. 5 \| sit \| run \| sit \|$", text, flags=re.MULTILINE)
    assert "| ![no. 4](watch/newly-right-0.png) |\n| --- |\n| **walk \\| run**, alone: sit |" in text
    assert "| ![no. 6](watch/newly-wrong-0.png) |\n| --- |\n| **sit**, now: run |" in text
    named = set(re.findall(r"\]\((watch/[^)]+)\)", text))
    assert named == {path.relative_to(document.parent).as_posix() for path in (document.parent / "watch").iterdir()}
    assert (imread(document.parent / "watch/newly-wrong-0.png")[:, :, :3] * 255 == 7).all()


def test_same_runs_same_bytes_whatever_their_order(odd: list[Path], tmp_path: Path) -> None:
    write_markdown(odd, tmp_path / "1", COMMAND)
    write_markdown(odd[::-1], tmp_path / "2", COMMAND)
    files = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert files
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    found = escaped(text)
    assert "\n" not in found
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_<>|\[\]&]", found)
    assert re.sub(r"\\(.)", r"\1", found) == " ".join(text.split())


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a ```` b").startswith("`````\n")


def test_a_file_in_the_way_is_named(comparison: list[Path], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="taken: expected a folder, found a file; choose another --markdown"):
        write_markdown(comparison, tmp_path / "taken")
