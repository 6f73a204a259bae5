"""Tux Paint's stamps: what becomes a sample, what stays together, and the printed commands up to a student."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from crossdistill.data.readers.text import hashed
from crossdistill.data.splits import require_groups_apart
from crossdistill.datasets.stamps import prepare
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.student import load
from crossdistill.types import InputError
from tests.datasets.stamp_trees import CLASSES, SPARSE, stamps

pytest.importorskip("av", reason="needs the extra 'media'")


def test_a_stamp_has_picture_text_and_speech_and_is_of_a_large_class(tmp_path: Path) -> None:
    root = stamps(tmp_path / "package")
    for number, source in enumerate((tmp_path / "package", root, root.parent)):
        folder = tmp_path / f"out{number}"
        prepared = prepare(source, folder)
        assert "Pictures: 28; with a text and speech (es): 26; in the 6 largest classes: 24" in prepared.notes[0]
        with (folder / "manifest.csv").open(encoding="utf-8") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        assert len(rows) == 24
        assert {row["label"] for row in rows.values()} == set(CLASSES)
        assert not any(key.startswith(SPARSE) for key in rows)
        stamp = rows["food/kind1/f3"]
        assert stamp["caption"] == stamp["text:text"] == "A food thing, number 3."
        assert (folder / stamp["picture"]).samefile(root / "food/kind1/f3.png")
        assert (folder / stamp["speech"]).samefile(root / "food/kind1/f3_desc_es.ogg")
        assert sorted(path.name for path in folder.iterdir()) == ["manifest.csv", "words.npy"], "nothing is copied"


def test_stamps_of_the_same_text_are_on_one_side(tmp_path: Path) -> None:
    stamps(tmp_path / "package", each=7)
    prepare(tmp_path / "package", tmp_path / "out")
    dataset = read_manifest(tmp_path / "out", only=("words",), allow_outside=True)
    require_groups_apart(dataset)
    assert len(set(dataset.groups)) == 36, "0 and 1 of each class have the same text"
    for label in range(6):
        of_class = dataset.splits[dataset.labels == label]
        assert 1 <= (of_class == "test").sum() <= 3
    prepare(tmp_path / "package", tmp_path / "again")
    assert (tmp_path / "out/manifest.csv").read_text() == (tmp_path / "again/manifest.csv").read_text()


def test_words_are_counted_without_a_vocabulary() -> None:
    texts = ["A green apple.", "A green pear!", "Money"]
    together, alone = (hashed(some).toarray() for some in (texts, texts[:1]))
    assert together.shape == (3, 1024)
    np.testing.assert_array_equal(together[:1], alone)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)
    assert together[0] @ together[1] > 0.3 > abs(together[0] @ together[2])


def test_mistakes(tmp_path: Path) -> None:
    stamps(tmp_path / "package")
    with pytest.raises(InputError, match=r"--language xx: too few .*; languages: es \(28\)"):
        prepare(tmp_path / "package", tmp_path / "out", "xx")
    with pytest.raises(InputError, match="tuxpaint-stamps-default"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="folder not found"):
        prepare(tmp_path / "gone", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_printed_commands_lead_to_students(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    stamps(tmp_path / "package")
    assert main(["prepare", "stamps", "--source", "package"]) == 0
    commands = [shlex.split(line) for line in re.findall(r"^  crossdistill (.*)$", capsys.readouterr().out, re.M)]
    assert [command[:2] for command in commands] == [
        ["prepare", "manifest"], ["extract", "data/stamps"], ["train", "stamps"], ["train", "stamps_words"],
    ]  # fmt: skip
    for command in commands[:2]:
        assert main(command) == 0
    for command in commands[2:]:
        name = command[1]
        quick = ["--epochs", "1", "--batch_size", "4", "--machine.accelerator", "cpu", "--out", name]
        assert main([*command, *quick]) == 0
        student = load(name)
        assert list(student.inputs) == ["picture"]
        assert student.inputs["picture"].kind == "picture"
        assert student.predict("package/usr/share/tuxpaint/stamps/food/kind0/f0.png")[0] in CLASSES
    dataset = read_manifest(Path("data/stamps/spectrograms.csv"), only=("speech",), allow_outside=True)
    assert dataset.shapes == {"speech": (201, 64)}


@pytest.mark.parametrize(("name", "auxiliary"), [("stamps", "speech"), ("stamps_words", "words")])
def test_the_recipes(name: str, auxiliary: str) -> None:
    made = RECIPES[name]()
    assert (made.name, made.data.target, made.data.auxiliary) == (name, ("picture",), (auxiliary,))
    assert 300 <= made.epochs * (420 // made.batch_size) <= 1000
