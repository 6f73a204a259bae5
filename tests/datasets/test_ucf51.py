"""`prepare ucf51`: from clips and the official lists to a manifest, and what it says of those that are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossdistill.data import read_manifest
from crossdistill.data.readers import MediaColumn, ReaderSettings
from crossdistill.datasets import ucf51
from crossdistill.types import InputError
from tests.datasets.media_trees import CLASS_NUMBERS, TEST, TRAIN, copies, ucf, written

EXPECTED = """id,split,group,label,video,audio:audio
v_ApplyEyeMakeup_g08_c01,train,ApplyEyeMakeup_g08,ApplyEyeMakeup,A/v_ApplyEyeMakeup_g08_c01.avi,A/v_ApplyEyeMakeup_g08_c01.avi
v_HandStandPushups_g08_c01,train,HandstandPushups_g08,HandstandPushups,H/v_HandStandPushups_g08_c01.avi,H/v_HandStandPushups_g08_c01.avi
v_Typing_g10_c01,train,Typing_g10,Typing,T/v_Typing_g10_c01.avi,T/v_Typing_g10_c01.avi
v_ApplyEyeMakeup_g01_c01,test,ApplyEyeMakeup_g01,ApplyEyeMakeup,A/v_ApplyEyeMakeup_g01_c01.avi,A/v_ApplyEyeMakeup_g01_c01.avi
v_HandStandPushups_g01_c01,test,HandstandPushups_g01,HandstandPushups,H/v_HandstandPushups_g01_c01.avi,H/v_HandstandPushups_g01_c01.avi
v_Typing_g01_c01,test,Typing_g01,Typing,T/v_Typing_g01_c01.avi,
"""
FOLDERS = {"A/": "ApplyEyeMakeup/", "H/": "HandstandPushups/", "T/": "Typing/"}


def expected(videos: str, flat: bool = False) -> str:
    text = EXPECTED
    for short, folder in FOLDERS.items():
        text = text.replace(f",{short}", f",{videos}/{'' if flat else folder}")
    return text


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ucf(tmp_path_factory.mktemp("ucf"))


def prepared(tree: Path, output: Path, split: int = 1) -> ucf51.Prepared:
    return ucf51.prepare(tree / "videos", tree / "splits", output, split)


def test_the_classes_are_those_of_the_issue() -> None:
    assert len(set(ucf51.CLASSES)) == 51
    assert sum(ucf51.SPLIT_1.values()) == ucf51.CLIPS == 6845


def test_the_manifest_and_what_is_missing(tree: Path, tmp_path: Path) -> None:
    prepared(tree, tmp_path / "data/ucf51")
    folder = tmp_path / "data/ucf51"
    relative = Path("../../..") / tree.relative_to(tmp_path.parent) / "videos"
    assert (folder / "manifest.csv").read_text(encoding="utf-8") == expected(relative.as_posix())
    assert (folder / "missing.txt").read_text(encoding="utf-8").splitlines() == [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g09_c01.avi\tnot found",
        "Typing/v_Typing_g10_c02.avi\tcannot read it as a media file (Invalid data found when processing input)",
    ]
    assert (folder / "silent.txt").read_text(encoding="utf-8") == "v_Typing_g01_c01\n"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.csv", "missing.txt", "silent.txt"]


def test_the_manifest_opens_and_its_media_are_read(tree: Path, tmp_path: Path) -> None:
    prepared(tree, tmp_path / "set")
    small = ReaderSettings(frames=4, size=16, resize=16, rate=8000)
    dataset = read_manifest(tmp_path / "set", readers={"video": small, "audio": small}, allow_outside=True, strict=True)
    assert dataset.classes == ("ApplyEyeMakeup", "HandstandPushups", "Typing")
    assert dataset.splits.tolist() == ["train"] * 3 + ["test"] * 3
    assert dataset.groups[0] == "ApplyEyeMakeup_g08"
    assert dataset.present(["audio"]).tolist() == [True] * 5 + [False]
    batch = dataset.__getitems__(range(6))
    assert batch.present["video"].all()
    assert batch.present["audio"].tolist() == [True] * 5 + [False]
    with pytest.raises(InputError, match="leads out of the manifest's folder"):
        read_manifest(tmp_path / "set")


def test_counts_are_told_class_by_class(tree: Path, tmp_path: Path) -> None:
    found = prepared(tree, tmp_path / "set")
    assert found.notes == [
        "The lists name 8 clips (5 train, 3 test) of the 51 classes, expected 6,845 clips (4,901 train, 1,944 test)",
        "Missing or not readable: 2 of 8 clips (missing.txt)",
        "Without an audio stream, so that they lack audio: 1 clips (silent.txt)",
    ]
    table = {row[0]: tuple(row[1:]) for row in found.counts}
    assert len(table) == 52, "every class, as the lists' counts are not the expected ones"
    assert table["ApplyEyeMakeup"] == ("2", "1", "1", "1")
    assert table["HandstandPushups"] == ("1", "1", "1", "1")
    assert table["Typing"] == ("2", "1", "1", "1")
    assert table["Surfing"] == ("0", "0", "0", "0")


def test_with_complete_lists_only_deviating_classes_are_told(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ucf51, "CLIPS", 8)
    monkeypatch.setattr(ucf51, "SPLIT_1", {"train": 5, "test": 3})
    found = prepared(tree, tmp_path / "set")
    assert [row[0] for row in found.counts] == ["class", "ApplyEyeMakeup", "Typing"]
    assert found.notes[0].startswith("Missing")
    monkeypatch.setattr(ucf51, "SPLIT_1", {"train": 4, "test": 4})
    assert prepared(tree, tmp_path / "other").notes[0].startswith("The lists name 8 clips (5 train, 3 test)")


def test_nothing_to_complain_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ucf51, "CLIPS", 3)
    tree = ucf(tmp_path)
    written(tree / "splits/trainlist02.txt", "Typing/v_Typing_g10_c01.avi 95\nTyping/v_Typing_g01_c01.avi 95\n")
    written(tree / "splits/testlist02.txt", "Typing/v_Typing_g02_c01.avi\n")
    copies(tree / "loud.avi", tree / "videos/Typing", "v_Typing_g01_c01.avi", "v_Typing_g02_c01.avi")
    found = prepared(tree, tmp_path / "set", split=2)
    assert (found.notes, found.counts) == (["All 3 clips are there."], [])
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["manifest.csv"]


def test_clips_that_lie_flat_in_one_folder(tmp_path: Path) -> None:
    prepared(ucf(tmp_path / "raw", flat=True), tmp_path / "set")
    assert (tmp_path / "set/manifest.csv").read_text(encoding="utf-8") == expected("../raw/videos", flat=True)


def test_of_two_files_the_one_in_its_class_s_folder_is_taken(tmp_path: Path) -> None:
    tree = ucf(tmp_path)
    copies(tree / "silent.avi", tree / "videos", "A/v_Typing_g10_c01.avi", "Typing/v_Typing_g10_c01.mkv")
    prepared(tree, tmp_path / "set")
    assert "videos/Typing/v_Typing_g10_c01.avi" in (tmp_path / "set/manifest.csv").read_text(encoding="utf-8")


def test_links_to_the_clips_and_around_the_output(tmp_path: Path) -> None:
    """Where the output folder lies behind a link, `..` leads out of where it really is."""
    tree = ucf(tmp_path / "raw")
    (tmp_path / "disk/deep").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "disk/deep")
    (tmp_path / "clips").mkdir()
    for name in ("ApplyEyeMakeup", "HandstandPushups", "Typing"):
        (tmp_path / "clips" / name).symlink_to(tree / "videos" / name)
    (tree / "videos/Typing/back").symlink_to(tmp_path / "clips")  # round and round
    ucf51.prepare(tmp_path / "clips", tree / "splits", tmp_path / "data/set")
    assert (tmp_path / "data/set/manifest.csv").read_text(encoding="utf-8") == expected("../../../clips")
    video = read_manifest(tmp_path / "data/set", only=("video",), allow_outside=True).columns["video"]
    assert isinstance(video, MediaColumn)
    assert all(clip.path.is_file() for clip in video.clips)


def test_without_any_sound_there_is_no_audio_column(tmp_path: Path) -> None:
    tree = ucf(tmp_path)
    for path in (tree / "videos").rglob("v_*.avi"):
        if path.stat().st_size:
            copies(tree / "silent.avi", path.parent, path.name)
    found = prepared(tree, tmp_path / "set")
    assert "Without an audio stream, so that they lack audio: 6 clips (silent.txt)" in found.notes
    assert list(read_manifest(tmp_path / "set", allow_outside=True).columns) == ["video"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "trainlist01.txt",
            TRAIN + "Typing/v_Typing_g11.avi 95\n",
            "trainlist01.txt line 8: expected a clip such as Ap",
        ),
        ("trainlist01.txt", TRAIN.replace(" 37", " x"), "trainlist01.txt line 4: expected a clip such as"),
        (
            "trainlist01.txt",
            TRAIN.replace(" 37", " 38"),
            "trainlist01.txt line 4: expected 37, the number of Handstand",
        ),
        ("trainlist01.txt", "", "trainlist01.txt: expected lines such as ApplyEyeMakeup/.*, found none"),
        (
            "testlist01.txt",
            TEST + TRAIN[:46],
            "testlist01.txt line 5: 'v_Apply.*' is listed already in .*train.* line 1",
        ),
        ("testlist01.txt", TEST + "Juggling/v_Juggling_g01_c01.avi", "line 5: class 'Juggling' is not in classInd.txt"),
        (
            "testlist01.txt",
            "Surfing/v_Surfing_g01_c01.avi 88\n",
            "class 'Surfing' has samples in test but none in train",
        ),
        ("classInd.txt", CLASS_NUMBERS + "Surfing\n", "classInd.txt line 5: expected a number and a class"),
    ],
)
def test_damaged_lists(tmp_path: Path, file: str, content: str, message: str) -> None:
    tree = ucf(tmp_path)
    copies(tree / "loud.avi", tree / "videos", "v_Surfing_g01_c01.avi")
    if "Surfing/" in content:
        written(tree / "splits/classInd.txt", CLASS_NUMBERS + "88 Surfing")
    written(tree / "splits" / file, content)
    with pytest.raises(InputError, match=message) as caught:
        prepared(tree, tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_lists_alone_are_enough(tmp_path: Path) -> None:
    tree = ucf(tmp_path)
    (tree / "splits/classInd.txt").unlink()
    assert len(prepared(tree, tmp_path / "set").rows) == 6


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("videos", "videos: folder not found"),
        ("splits", "splits: folder not found"),
        ("splits/trainlist01.txt", "trainlist01.txt: file not found"),
        ("splits/testlist01.txt", "testlist01.txt: file not found"),
    ],
)
def test_what_is_not_there(tmp_path: Path, gone: str, message: str) -> None:
    tree = ucf(tmp_path)
    (tree / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=message):
        prepared(tree, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_folders_that_hold_no_clips_or_none_of_these(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no video files"):
        ucf51.prepare(tmp_path / "empty", tree / "splits", tmp_path / "set")
    copies(tree / "loud.avi", tmp_path / "other", "a.avi")
    with pytest.raises(InputError, match="other: none of the 8 clips that the lists name"):
        ucf51.prepare(tmp_path / "other", tree / "splits", tmp_path / "set")
    written(tmp_path / "taken/manifest.csv", "mine")
    with pytest.raises(InputError, match="taken: already there"):
        prepared(tree, tmp_path / "taken")
    assert (tmp_path / "taken/manifest.csv").read_text(encoding="utf-8") == "mine"


def test_a_path_that_is_not_utf_8(tmp_path: Path) -> None:
    tree = ucf(tmp_path)
    (tree / "videos/Typing").rename(tree / "videos" / os.fsdecode(b"Typing\xff"))
    with pytest.raises(InputError, match=r"set: cannot write: .* as UTF-8") as caught:
        prepared(tree, tmp_path / "set")
    str(caught.value).encode()  # can be printed
    assert not (tmp_path / "set").exists()
