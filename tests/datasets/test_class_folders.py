"""Folders of classes -> a manifest: what belongs together, how it is divided, and what is said of the rest."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from crossdistill.datasets.class_folders import Shares, Source, prepare
from crossdistill.types import InputError
from tests.data.clips import tone, write_sound, write_video
from tests.data.pictures import saved


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def two(home: Path) -> list[Source]:
    """Videos and sounds of two classes, ten names in common, three not."""
    names = [f"{label}/{number}" for label in ("cat", "dog") for number in range(1, 6)]
    touch(home / "v", *(f"{name}.mp4" for name in names), "cat/9.mp4", "cat/.hidden.mp4", "cat/readme.md")
    touch(home / "s", *(f"{name}.WAV" for name in names), "dog/7.wav", "dog/8.flac")
    return [Source("video", "video", home / "v"), Source("audio", "audio", home / "s")]


def test_files_of_one_name_and_class_are_one_sample(tmp_path: Path) -> None:
    prepared = prepare(two(tmp_path), tmp_path / "out", Shares(test=0.4))
    rows = rows_of(tmp_path / "out")
    assert list(rows[0]) == ["id", "split", "label", "video", "audio"]
    assert [row["id"] for row in rows] == [f"{label}/{n}" for label in ("cat", "dog") for n in range(1, 6)]
    for row in rows:
        assert row["label"] == row["id"].split("/")[0]
        for name, folder, ending in (("video", "v", "mp4"), ("audio", "s", "WAV")):
            assert row[name] == f"../{folder}/{row['id']}.{ending}"
            assert (tmp_path / "out" / row[name]).is_file()
    splits = Counter((row["label"], row["split"]) for row in rows)
    assert splits == {("cat", "train"): 3, ("cat", "test"): 2, ("dog", "train"): 3, ("dog", "test"): 2}
    notes = "\n".join(prepared.notes)
    assert "Found 11 files of video, 12 files of audio; 10 samples have all of them" in notes
    assert "Unmatched names, left out: 3 (unmatched.txt): no video: 2; no audio: 1" in notes
    assert f"Other files in {tmp_path / 'v'}: 1" in notes
    assert "group" in notes
    assert (tmp_path / "out/unmatched.txt").read_text().splitlines() == [
        "cat/9\tno audio", "dog/7\tno video", "dog/8\tno video",
    ]  # fmt: skip


def test_the_split_is_the_seeds_and_every_class_keeps_something_to_learn_from(tmp_path: Path) -> None:
    touch(
        tmp_path / "p", *(f"{label}/{n}.png" for label, count in (("a", 20), ("b", 2), ("c", 1)) for n in range(count))
    )
    source = [Source("picture", "picture", tmp_path / "p")]
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        prepare(source, tmp_path / f"o{number}", Shares(0.2, 0.1, seed))
        drawn.append({row["id"]: row["split"] for row in rows_of(tmp_path / f"o{number}")})
    assert drawn[0] == drawn[1] != drawn[2]
    counts = Counter((key[0], split) for key, split in drawn[0].items())
    assert counts == {
        ("a", "train"): 14, ("a", "test"): 4, ("a", "validation"): 2,
        ("b", "train"): 1, ("b", "test"): 1, ("c", "train"): 1,
    }  # fmt: skip


def test_samples_that_lack_a_modality_may_be_kept(tmp_path: Path) -> None:
    prepared = prepare(two(tmp_path), tmp_path / "out", Shares(0.2), keep_unmatched=True)
    rows = {row["id"]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 13
    assert rows["cat/9"]["audio"] == rows["dog/7"]["video"] == ""
    assert "kept with empty cells: 3" in "\n".join(prepared.notes)


def test_folders_that_say_the_split_are_believed(tmp_path: Path) -> None:
    names = ["Train/a/1", "Train/b/1", "val/a/1", "test/a/1", "test/b/deep/1"]
    touch(tmp_path / "p", *(f"{name}.jpg" for name in names))
    touch(tmp_path / "t", *(f"{name}.txt" for name in names))
    sources = [Source("picture", "picture", tmp_path / "p"), Source("text", "text", tmp_path / "t")]
    prepared = prepare(sources, tmp_path / "out")
    found = {row["id"]: (row["split"], row["label"]) for row in rows_of(tmp_path / "out")}
    assert found == {
        "train/a/1": ("train", "a"), "train/b/1": ("train", "b"), "validation/a/1": ("validation", "a"),
        "test/a/1": ("test", "a"), "test/b/deep/1": ("test", "b"),
    }  # fmt: skip
    assert "at random" not in "\n".join(prepared.notes)
    touch(tmp_path / "u", "a/1.txt")
    with pytest.raises(InputError, match="u: expected folders train and test like those of picture"):
        prepare([sources[0], Source("text", "text", tmp_path / "u")], tmp_path / "again")


def test_a_folder_without_classes_is_matched_by_name_alone(tmp_path: Path) -> None:
    touch(tmp_path / "p", "a/1.png", "a/2.png", "b/2.png", "b/3.png", "train/4.png")
    touch(tmp_path / "n", "1.npy", "2.npy", "3.npy", "4.npy", "5.npy")
    sources = [Source("picture", "picture", tmp_path / "p"), Source("pose", "array", tmp_path / "n")]
    prepared = prepare(sources, tmp_path / "out", Shares(0))
    rows = rows_of(tmp_path / "out")
    assert [(row["id"], row["pose"]) for row in rows] == [
        ("a/1", "../n/1.npy"), ("b/3", "../n/3.npy"), ("train/4", "../n/4.npy"),
    ]  # fmt: skip
    notes = "\n".join(prepared.notes)
    assert "no pose: 2" in notes, "a/2 and b/2 have the same name"
    assert "no class: pose alone, or a name of several classes: 2" in notes


def test_a_videos_sound_unless_there_is_a_sound_file(tmp_path: Path) -> None:
    touch(tmp_path / "v", "a/1.mp4", "a/2.mp4", "a/2.wav")
    sources = [Source("face", "video", tmp_path / "v"), Source("voice", "audio", tmp_path / "v")]
    prepared = prepare(sources, tmp_path / "out", Shares(0))
    assert [(row["face"], row["voice:audio"]) for row in rows_of(tmp_path / "out")] == [
        ("../v/a/1.mp4", "../v/a/1.mp4"), ("../v/a/2.mp4", "../v/a/2.wav"),
    ]  # fmt: skip
    assert "as another file has their name: 1" in "\n".join(prepared.notes)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["a/1.txt"], {}, "expected files that end in .png, .jpg.*found none"),
        (["1.png"], {}, "expected a folder for each class"),
        (["a/1.png"], {"test": 1.0}, "add up to less than 1, found 1 and 0"),
        (["a/1.png"], {"test": -0.1}, "add up to less than 1"),
        (["train/a/1.png", "test/b/1.png"], {}, "class 'b' has samples in test but none in train"),
    ],
)
def test_mistakes(names: list[str], options: dict[str, float], message: str, tmp_path: Path) -> None:
    touch(tmp_path / "p", *names)
    with pytest.raises(InputError, match=message):
        prepare([Source("picture", "picture", tmp_path / "p")], tmp_path / "out", Shares(**options))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_nothing_in_common(tmp_path: Path) -> None:
    touch(tmp_path / "p", "a/1.png")
    touch(tmp_path / "s", "a/2.wav")
    sources = [Source("picture", "picture", tmp_path / "p"), Source("audio", "audio", tmp_path / "s")]
    with pytest.raises(InputError, match="no name is that of a file of each modality"):
        prepare(sources, tmp_path / "out")
    with pytest.raises(InputError, match="gone: folder not found"):
        prepare([Source("picture", "picture", tmp_path / "gone")], tmp_path / "out")


def test_the_command_s_manifest_is_read_and_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for number in range(6):
        label = "ab"[number % 2]
        write_video(tmp_path / f"clips/{label}/x {number}.mp4", frames=8)
        write_sound(tmp_path / f"sounds/{label}/x {number}.wav", tone(0.3))
        saved(tmp_path / f"photos/{label}/x {number}.png")
    folders = ["--video", "clips", "--audio", "sounds", "--modality", "photo=photos"]
    assert main(["prepare", "folders", *folders, "--test", "0.34", "--out", "my data"]) == 0
    out = capsys.readouterr().out
    assert "my data: 4 train, 2 test; 2 classes" in out
    assert "crossdistill prepare manifest 'my data' --allow-outside --cache jpeg" in out
    dataset = read_manifest(tmp_path / "my data", allow_outside=True)
    assert {name: shape[0] for name, shape in dataset.shapes.items()} == {"video": 3, "audio": -1, "photo": 3}
    batch = dataset.only(["audio", "photo"]).__getitems__(np.arange(6).tolist())
    assert all(present.all() for present in batch.present.values())
    assert main(["prepare", "manifest", "my data", "--allow-outside"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected folders of modalities"),
        (["--modality", "photos"], "expected NAME=DIR or NAME:KIND=DIR"),
        (["--modality", "p:film=photos"], "KIND one of array, video, audio, picture, text, found 'p:film=photos'"),
        (["--modality", "p=mixed"], "expected files of one kind, found 1 picture, 1 audio; say it"),
        (["--modality", "my photo=photos"], "'my photo': expected ASCII letters, digits, _ and - only"),
        (["--modality", "label=photos"], "'label' has another meaning"),
        (["--picture", "photos", "--modality", "picture=photos"], "is given twice"),
        (["--picture", "gone"], "gone: folder not found"),
    ],
)
def test_mistakes_of_the_command(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "photos", "a/1.png")
    touch(tmp_path / "mixed", "a/1.png", "a/1.wav")
    assert main(["prepare", "folders", *arguments, "--out", "out"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
