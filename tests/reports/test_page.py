"""The page as a browser's parser sees it: self-contained, well-formed, complete, deterministic, also in odd cases."""

from __future__ import annotations

import errno
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from crossdistill.reports import (
    ChangedSample,
    Changes,
    RetrievalExample,
    RetrievedItem,
    SampleViews,
    illustrated,
    load_runs,
    write_report,
)
from crossdistill.reports.pictures import data_uri
from crossdistill.reports.samples import NO_SAMPLES
from crossdistill.reports.sections import report_of
from crossdistill.types import InputError
from tests.reports.synthetic import edit_results, scores, write_run

VOID = {"meta", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, attributes, ids and text, and checks that tags nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def checked_page(folders: list[Path], output: Path, samples: SampleViews = NO_SAMPLES) -> Page:
    page = Page(write_report(folders, output, samples))
    source = output.read_text(encoding="utf-8")
    assert "@import" not in source
    assert not re.search(r"url\((?!#)", source)  # styles and figures refer to parts of the page alone
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "base"}
        assert tag != "script" or not attributes, "the page's own, with nothing to fetch"
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), f"{tag} {name}={value[:60]}"
        assert not any(name.startswith("on") for name in attributes)
    assert page.count("script") == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for target in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', source):
        assert (target[0] or target[1]) in ids
    assert page.count("figure") == page.count("figcaption")
    return page


def test_complete_comparison(comparison: list[Path], tmp_path: Path) -> None:
    page = checked_page(comparison, tmp_path / "new" / "report.html")
    for expected in ("71.0 ± 2.5", "+10.0", "Results", "Accuracy over epochs", "λ₁, same sample", "mi_student"):
        assert expected in page.text
    text = " ".join(page.text)
    assert "walk" in text
    assert "discriminators: d1" in text
    assert "forgotten" not in text  # the pre-training stage
    for folder in comparison:
        assert f"crossdistill train {(folder / 'recipe.yaml').as_posix()}" in text
    assert "torch 2.9.0" in text
    assert page.count("details") == 4  # one for each configuration, and the loss terms
    assert "3 seeds each" in text
    assert "1 CPU thread" in text
    assert "Retrieval" not in page.text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", (tmp_path / "new" / "report.html").read_text("utf-8"))
    assert len(captions) >= 6
    assert all(re.fullmatch(r"[^.]+\.", caption) for caption in captions)  # one sentence each


def test_same_runs_same_bytes(comparison: list[Path], tmp_path: Path) -> None:
    first, second = (write_report(comparison[:3], tmp_path / name) for name in ("1.html", "2.html"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("methods", [["baseline"], ["teacher"], ["auxiliary"], ["amid"], ["baseline", "amid"]])
def test_few_methods_one_seed(tmp_path: Path, methods: list[str]) -> None:
    page = checked_page([write_run(tmp_path / method, method) for method in methods], tmp_path / "report.html")
    assert all(method in page.text for method in methods)
    assert ("Difference to the baseline" in page.text) == (methods == ["baseline", "amid"])
    assert ("What is confused with what" in page.text) == (methods not in (["teacher"], ["auxiliary"]))
    assert "band:" not in " ".join(page.text)


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    name = "<script>alert('x')</script> & $\\frac{1}$ \"q\""
    folders = [
        write_run(tmp_path / "b", "baseline", classes=[name, "日本", "$\\frac{1}$"], name=name),
        write_run(tmp_path / "a", "amid<b>&$x_1$", classes=[name, "日本", "$\\frac{1}$"], name=name),
    ]
    page = checked_page(folders, tmp_path / "report.html")
    assert "amid<b>&$x_1$" in page.text
    assert "日本" in page.text
    assert "$\\frac{1}$" in page.text
    assert page.count("b") == 0


def test_labels_are_text_in_tables_legends_and_figures(tmp_path: Path, comparison: list[Path]) -> None:
    labels = ("amid, no D2", "amid alpha_1=3.7", 'a & <b>, "c"=d', 'x id="x" #1d2430')
    folders = comparison + [
        write_run(tmp_path / f"odd-{index}-{seed}", "amid", seed, label=label)
        for index, label in enumerate(labels)
        for seed in range(3)
    ]
    page = checked_page(folders, tmp_path / "report.html")
    for label in labels:
        assert page.text.count(label) >= 6  # tables, legends, figures
    assert page.count("b") == 0


def test_the_best_alone_is_bold(tmp_path: Path) -> None:
    accuracies = {"baseline": (0.60, 0.61, 0.62), "amid": (0.70, 0.71, 0.725), "kd": (0.602, 0.61, 0.619)}
    folders = [
        write_run(tmp_path / f"{method}-{seed}", method, seed, {"student": accuracy})
        for method, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    page = checked_page(folders, tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text("utf-8")
    assert re.findall(r"<td[^>]*><strong>(.*?)</strong>", source) == ["71.2 ± 3.1"]
    assert 'class="better">better' in source
    assert "no significant difference" in page.text
    checked_page([folder for folder in folders if "amid" not in folder.name], tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search("<td[^>]*><strong>", source)
    assert "No configuration is marked as best" in source


def test_many_configurations(tmp_path: Path) -> None:
    labels = ["baseline", "teacher", "amid", *(f"m{index}" for index in range(8)), "amid, no D2", "amid alpha_1=2"]
    roles = {"amid, no D2": "ablation", "amid alpha_1=2": "variation"}
    folders = [
        write_run(tmp_path / label, re.split("[, ]", label)[0], label=label, role=roles.get(label, "method"), epochs=3)
        for label in labels
    ]
    page = checked_page(folders, tmp_path / "report.html")
    text = " ".join(page.text)
    assert "6 of 13 configurations are drawn" in text
    assert "Every configuration over epochs" in page.text
    for group in ("without distillation", "methods", "ablations", "variations"):
        assert group in page.text


def test_amid_against_ccl_by_class(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / method, method) for method in ("baseline", "amid", "ccl")]
    page = checked_page(folders, tmp_path / "report.html")
    assert "amid student minus baseline, accuracy by class (percentage points)" in page.text
    assert "amid student minus ccl, accuracy by class (percentage points)" in page.text


def test_the_command_is_named(comparison: list[Path], tmp_path: Path) -> None:
    command = "crossdistill compare watch --methods '[amid]'"
    write_report(comparison, tmp_path / "report.html", command=command)
    assert command in Page(tmp_path / "report.html").text


def test_the_order_of_the_folders_changes_nothing(comparison: list[Path], tmp_path: Path) -> None:
    first = write_report(comparison, tmp_path / "1.html")
    assert first.read_bytes() == write_report(comparison[::-1], tmp_path / "2.html").read_bytes()


def test_undefined_metrics(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid")
    edit_results(folder, student={**scores(0.5, 4), "top1": float("nan"), "per_class": [None] * 4}, seconds=None)
    lines = [
        {"stage": "amid", "epoch": epoch, "training/loss/total": float("nan"), "evaluation/student/top1": None}
        for epoch in range(3)
    ]
    lines[2]["evaluation/cosine_pair"] = 0.5  # a single point
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    page = checked_page([folder, write_run(tmp_path / "b", "baseline")], tmp_path / "report.html")
    assert "Accuracy over epochs" in page.text  # the baseline's
    assert "Class by class" not in page.text
    assert "nan" not in " ".join(page.text).lower().split()


def unmeasured(folder: Path, *arguments: object) -> Path:
    """A run like `write_run`'s that was trained without evaluation."""
    write_run(folder, *arguments)  # type: ignore[arg-type]
    path = folder / "results.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in ("student", "teacher")}
    path.write_text(json.dumps({**kept, "split": "none"}), encoding="utf-8")
    return folder


def test_runs_that_measured_nothing_are_named_and_in_no_table(comparison: list[Path], tmp_path: Path) -> None:
    silent = [unmeasured(tmp_path / "silent", "kd"), unmeasured(tmp_path / "mute", "amid", 7)]
    page = checked_page([*silent, *comparison], tmp_path / "report.html")
    text = " ".join(page.text)
    assert "Nothing was measured of " in text
    assert f"{silent[1]} and {silent[0]}" in text
    assert "so no table or figure has them" in text
    runs = load_runs([*silent, *comparison])
    report = report_of(runs, "")
    (results,) = (section.table for section in report.sections if section.name == "headline")
    assert results is not None
    assert [row.cells[:2] for row in results.rows] == [("baseline", "3"), ("teacher", "3"), ("amid", "3")]
    assert results == report_of(load_runs(comparison), "").sections[0].table


def test_a_report_of_nothing_measured_says_so_in_words(tmp_path: Path) -> None:
    folder = unmeasured(tmp_path / "silent", "kd")
    report = report_of(load_runs([folder]), "")
    assert report.sections == ()
    assert report.summary == (
        f"Nothing was measured of {folder} (data.evaluate_on is none, or no sample has what the method reads), so no "
        "table or figure has it.",
    )
    assert str(folder) in " ".join(checked_page([folder], tmp_path / "report.html").text)
    assert illustrated(load_runs([folder])) == []


def test_no_epochs_at_all(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "amid")
    (folder / "metrics.jsonl").write_text("", encoding="utf-8")
    page = checked_page([folder], tmp_path / "report.html")
    assert not any("over epochs" in text for text in page.text)


@pytest.mark.parametrize("count", [40, 120])
def test_many_classes_with_long_names(tmp_path: Path, count: int) -> None:
    classes = [f"c{index} of a class whose name goes on and on" for index in range(count)]
    folders = [write_run(tmp_path / method, method, classes=classes) for method in ("baseline", "amid")]
    text = " ".join(checked_page(folders, tmp_path / "report.html").text)
    assert "whose name goes on and on" not in text
    assert ("of 120 classes the 20 at either end" in text) == (count == 120)


def test_curves_with_gaps_and_seeds_of_different_length(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"amid-{seed}", "amid", seed, epochs=10) for seed in range(3)]
    for seed, folder in enumerate(folders):
        log = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        (folder / "metrics.jsonl").write_text("\n".join(log[: len(log) - 3 * seed]), encoding="utf-8")
    path = folders[0] / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines[::2]:
        line.pop("evaluation/student/top1", None)
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert "band: lowest to highest run" in " ".join(checked_page(folders, tmp_path / "report.html").text)


def test_retrieval_pictures(comparison: list[Path], tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    items = [RetrievedItem(picture, "run", 'no. 3 "fast" <i>', False), RetrievedItem(picture, "walk", "no. 9", True)]
    examples = [RetrievalExample(picture, "walk", "query no. 1", {"baseline": items, "amid": items[::-1]})]
    page = checked_page(comparison[:1], tmp_path / "report.html", SampleViews(examples))
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [attributes["alt"] for attributes in pictures] == [
        "query no. 1", 'no. 3 "fast" <i>', "no. 9", "no. 9", 'no. 3 "fast" <i>',
    ]  # fmt: skip
    marks = [text for text in page.text if text[0] in "✓✗"]
    assert marks == ["✗ run", "✓ walk", "✓ walk", "✗ run"]


def test_changed_samples_with_a_picture_are_shown_with_it(comparison: list[Path], tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    better = [ChangedSample("no. 1 <i>", "walk", "run", "walk", picture), ChangedSample("no. 2", "sit", "run", "sit")]
    worse = [ChangedSample("no. 3", "run", "run", "walk", picture)]
    changes = Changes("amid", 0, 200, 30, 1, better, worse, (12, 14))
    page = checked_page(comparison, tmp_path / "report.html", SampleViews(changes=changes))
    pictures = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert pictures == ["no. 1 <i>", "no. 3"]
    assert [text for text in page.text if text[0] in "✓✗"] == ["✓ alone: run", "✓ alone: run", "✗ now: walk"]
    text = " ".join(page.text)
    assert "30 right that the student alone of that seed does not" in text
    assert "differ on 12 and 14" in text
    none = Changes("amid", 0, 200, 0, 0, (), ())
    text = " ".join(checked_page(comparison, tmp_path / "none.html", SampleViews(changes=none)).text)
    assert "gets 0 right" in text
    assert "Shown are" not in text


def test_wrong_pictures_and_outputs_are_named(comparison: list[Path], tmp_path: Path) -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected a picture"):
            data_uri(wrong)
    with pytest.raises(InputError, match="cannot be written: expected a file to write, found a folder"):
        write_report(comparison[:1], tmp_path)


def test_a_full_disk_leaves_the_page_that_was_there(
    comparison: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    page = tmp_path / "report.html"
    page.write_text("last week's")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"report\.html: cannot be written: No space left on device$"):
        write_report(comparison[:1], page)
    assert page.read_text() == "last week's"


def test_what_training_warned_of_is_on_the_page(tmp_path: Path) -> None:
    """What runs have alike but for numbers is one row, which says whose it is; markup in it is text."""
    runs = {
        (name, seed): write_run(tmp_path / f"{name}-{seed}", name, seed)
        for name in ("baseline", "amid")
        for seed in (0, 1)
    }
    for folder in runs.values():
        (folder / "warnings.txt").write_text("'<b>nan</b>' is taken for a class\n", encoding="utf-8")
    for seed in (0, 1):
        with (runs["amid", seed] / "warnings.txt").open("a", encoding="utf-8") as file:
            file.write(f"amid, epoch {seed + 7}: the discriminator d1 was right on 99.{seed + 6} %\n")
    with (runs["amid", 1] / "warnings.txt").open("a", encoding="utf-8") as file:
        file.write("the student ends with one answer\n")
    (section,) = (
        each for each in report_of(load_runs([*runs.values()]), "command").sections if each.name == "warnings"
    )
    assert section.table is not None
    assert [row.cells for row in section.table.rows] == [
        ("all runs", "'<b>nan</b>' is taken for a class"),
        ("amid", "amid, epoch 7: the discriminator d1 was right on 99.6 %"),
        ("amid (1 of 2 runs)", "the student ends with one answer"),
    ]
    page = write_report([*runs.values()], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;nan&lt;/b&gt;" in page
    assert "<b>nan" not in page


def test_a_page_of_runs_without_warnings_has_no_such_section(tmp_path: Path) -> None:
    runs = load_runs([write_run(tmp_path / "baseline", "baseline")])
    assert "warnings" not in {section.name for section in report_of(runs, "command").sections}


def test_warnings_of_other_names_are_others(tmp_path: Path) -> None:
    """Digits of a name, and two lines of one run, are never one row."""
    for seed, name in enumerate(("sensor1", "sensor2")):
        folder = write_run(tmp_path / name, "baseline", seed)
        lines = f"{name} is the same in all 40 training samples\nclass '3' and 5 more\nclass '7' and 6 more\n"
        (folder / "warnings.txt").write_text(lines, encoding="utf-8")
    (section,) = (
        each
        for each in report_of(load_runs([tmp_path / "sensor1", tmp_path / "sensor2"]), "command").sections
        if each.name == "warnings"
    )
    assert section.table is not None
    assert [row.cells for row in section.table.rows] == [
        ("baseline (1 of 2 runs)", "sensor1 is the same in all 40 training samples"),
        ("baseline", "class '3' and 5 more"),
        ("baseline", "class '7' and 6 more"),
        ("baseline (1 of 2 runs)", "sensor2 is the same in all 40 training samples"),
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe broken \x00\n\n  \n", b"a" * 300_000, None])
def test_warnings_that_cannot_be_read_stop_no_report(content: bytes | None, tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", "baseline") / "warnings.txt"
    path.write_bytes(content) if content is not None else path.mkdir()
    (run,) = load_runs([tmp_path / "run"])
    assert all(line.strip() for line in run.warnings)
    assert sum(map(len, run.warnings)) <= 100_000
    write_report([tmp_path / "run"], tmp_path / "report.html")
