"""Single samples of real runs: they are those that the runs' accuracies count, and the map is a projection."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossdistill.reports import Changes, RepresentationMap, SampleViews, load_runs, write_report
from crossdistill.reports.examples import TrainedRuns, changed_samples, plane, representation_map, sample_views
from crossdistill.runs.results import Scores
from crossdistill.runs.run import run
from tests.listening import Heard
from tests.reports.test_page import Page
from tests.runs.small import folder_of, gestures, recipe

TESTED = 16


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of the student alone and one of amid, in data that lie in a folder."""
    home = tmp_path_factory.mktemp("runs")
    source = folder_of(gestures(), home)
    asked = (("baseline", 0), ("baseline", 1), ("amid", 1))
    for method, seed in asked:
        run(replace(recipe(source, method=method, epochs=2), seed=seed), home / f"{method}-{seed}")
    return [home / f"{method}-{seed}" for method, seed in asked]


@pytest.fixture(scope="module")
def views(folders: list[Path]) -> SampleViews:
    return sample_views(load_runs(folders))


def right(folder: Path, view: str = "student") -> int:
    scores = load_runs([folder])[0].scores[view]
    assert isinstance(scores, Scores)
    return round(TESTED * scores.top1)


def changes_of(views: SampleViews) -> Changes:
    assert views.changes is not None
    return views.changes


def map_of(views: SampleViews) -> RepresentationMap:
    assert views.map is not None
    return views.map


def test_changes_are_those_of_the_pair_with_a_common_seed(folders: list[Path], views: SampleViews) -> None:
    changes = changes_of(views)
    assert (changes.configuration, changes.seed, changes.measured) == ("amid", 1, TESTED)
    assert changes.right - changes.wrong == right(folders[2]) - right(folders[1])
    assert len(changes.by_seed) == 2
    assert changes.by_seed[0] - changes.by_seed[1] == right(folders[0]) - right(folders[1])
    assert [len(changes.newly_right), len(changes.newly_wrong)] == [min(n, 8) for n in (changes.right, changes.wrong)]
    assert changes.right + changes.wrong > 0, "else the next lines say nothing"
    labels = dict(zip(gestures().ids, gestures().labels, strict=True))
    for each in (*changes.newly_right, *changes.newly_wrong):
        assert each.label == f"gesture {labels[each.name]}"
        assert each.picture is None
    assert all(each.helped == each.label != each.alone for each in changes.newly_right)
    assert all(each.alone == each.label != each.helped for each in changes.newly_wrong)


def test_without_a_pair_there_are_no_changes(folders: list[Path]) -> None:
    for chosen in (folders[:1], folders[:2], [folders[0], folders[2]], folders[2:]):
        assert changed_samples(load_runs(chosen), TrainedRuns()) is None
    assert changes_of(sample_views(load_runs(folders[1:]))).by_seed == ()


def test_the_map_shows_what_was_measured(folders: list[Path], views: SampleViews) -> None:
    shown = map_of(views)
    assert (shown.configuration, shown.seed, shown.measured) == ("amid", 1, TESTED)
    assert list(shown.points) == ["student", "teacher"]
    for view, said in shown.predicted.items():
        assert shown.points[view].shape == (TESTED, 2)
        assert (said == shown.labels).sum() == right(folders[2], view)
    alone = representation_map(load_runs(folders[:1]), TrainedRuns())
    assert alone is not None
    assert list(alone.points) == ["student"]


def test_the_plane_is_that_of_the_largest_eigenvalues() -> None:
    """Against the eigenvectors of the covariance; no two points are farther apart in it than they were."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(count, 5, generator=generator) * torch.arange(1.0, 6) for count in (30, 20)]
    points, share = plane(parts)
    x = np.concatenate([(part / part.norm(dim=1, keepdim=True)).double().numpy() for part in parts])
    values, vectors = np.linalg.eigh(np.cov(x.T))
    expected = (x - x.mean(0)) @ vectors[:, ::-1][:, :2]
    found = torch.cat(points).numpy()
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-6)
    assert share == pytest.approx(values[-2:].sum() / values.sum())
    before, after = (np.linalg.norm(each[:, None] - each, axis=2) for each in (x, found))
    assert (after <= before + 1e-9).all()
    again, _ = plane([part.flip(0) for part in parts])
    assert torch.cat([each.flip(0) for each in again]).numpy() == pytest.approx(found), "the order changes no sign"


@pytest.mark.parametrize("width", [1, 2])
def test_representations_that_are_all_alike_have_a_plane(width: int) -> None:
    (points,), share = plane([torch.ones(4, width)])
    assert points.tolist() == [[0.0, 0.0]] * 4
    assert share == 1.0


def test_data_that_have_gone_are_said_once(folders: list[Path], views: SampleViews) -> None:
    heard, data = Heard(), folders[0].parent / "gestures"
    data.rename(data.with_name("moved"))
    found = sample_views(load_runs(folders), heard)
    data.with_name("moved").rename(data)
    assert found == SampleViews([])
    (line,) = heard.lines
    assert line.startswith("Without pictures and samples: ")
    assert "gestures" in line


def test_data_that_have_changed_have_no_samples_and_that_is_said(folders: list[Path], views: SampleViews) -> None:
    """Pictures and samples of other data would stand beside numbers that are not theirs."""
    heard, data = Heard(), folders[0].parent / "gestures"
    data.rename(data.with_name("moved"))
    folder_of(gestures(lambda values: values + 1), data.parent)
    found = sample_views(load_runs(folders), heard)
    shutil.rmtree(data)
    moved = sample_views(load_runs(folders), source=str(data.with_name("moved")))
    data.with_name("moved").rename(data)
    assert found == SampleViews([])
    (line,) = heard.lines
    assert "expected the data of training, found others: modality wrist, modality eye differ" in line
    assert changes_of(moved).newly_right == changes_of(views).newly_right


def test_a_page_has_a_row_a_sample_and_a_title_a_point(folders: list[Path], views: SampleViews, tmp_path: Path) -> None:
    changes, shown = changes_of(views), map_of(views)
    path = write_report(folders, tmp_path / "report.html", views)
    text = " ".join(Page(path).text)
    named = (*changes.newly_right, *changes.newly_wrong)
    assert all(f"{each.name} {each.label} {each.alone} {each.helped}" in text for each in named)
    assert f"differ on {changes.by_seed[0]} and {changes.by_seed[1]}" in text
    assert f"holds {100 * shown.share:.0f} % of their variance" in text
    page = path.read_text("utf-8")
    for row, name in enumerate(shown.names):
        said = shown.predicted["student"][row]
        verdict = "right" if said == shown.labels[row] else f"taken for gesture {said}"
        assert f"<title>{name}\ngesture {shown.labels[row]}: {verdict}</title>" in page
    assert page.count('<rect class="told"') >= 2 * TESTED
