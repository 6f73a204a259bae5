"""`prepare activitynet`: from downloads and the annotations to a manifest of videos or of segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossdistill.data import read_manifest
from crossdistill.data.readers import MediaColumn, ReaderSettings
from crossdistill.datasets import activitynet
from crossdistill.datasets.media_release import Prepared
from crossdistill.types import InputError
from tests.datasets.media_trees import DATABASE, annotation, copies, video, written
from tests.datasets.media_trees import activitynet as downloads

WHOLE = """id,split,group,label,video,audio:audio
--a_training,train,--a_training,Baking cookies,@/train/v_--a_training.mp4,@/train/v_--a_training.mp4
bTraining01,train,bTraining01,Skiing,@/train/bTraining01.mkv,@/train/bTraining01.mkv
gValidation,test,gValidation,Skiing,@/val/gValidation.mp4,@/val/gValidation.mp4
hValidation,test,hValidation,Baking cookies,@/val/v_hValidation.mkv,@/val/v_hValidation.mkv
"""
SILENT_TOO = WHOLE.replace("gVal", "eSilent0001,train,eSilent0001,Baking cookies,@/train/v_eSilent0001.mp4,\ngVal", 1)
TRIMMED = """id,split,group,label,start,end,video,audio:audio
--a_training_0,train,--a_training,Skiing,0.0,0.4,@/train/v_--a_training.mp4,@/train/v_--a_training.mp4
--a_training_1,train,--a_training,Baking cookies,0.5,1.5,@/train/v_--a_training.mp4,@/train/v_--a_training.mp4
bTraining01_0,train,bTraining01,Skiing,0.0,1.6,@/train/bTraining01.mkv,@/train/bTraining01.mkv
gValidation_1,test,gValidation,Skiing,0.2,1.2,@/val/gValidation.mp4,@/val/gValidation.mp4
hValidation_0,test,hValidation,Baking cookies,0.0,1.0,@/val/v_hValidation.mkv,@/val/v_hValidation.mkv
"""
URL = "https://www.youtube.com/watch?v=key"
JSON = "activity_net.v1-3.min.json"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return downloads(tmp_path)


def prepared(tree: Path, trimmed: bool = False, keep_silent: bool = False) -> Prepared:
    return activitynet.prepare(tree / "videos", tree / JSON, tree / "set", trimmed, keep_silent)


def text(tree: Path, name: str) -> str:
    return (tree / "set" / name).read_text(encoding="utf-8")


def lines(tree: Path, name: str) -> list[list[str]]:
    return [line.split("\t") for line in text(tree, name).splitlines()]


@pytest.mark.parametrize(
    ("trimmed", "keep_silent", "manifest"), [(False, False, WHOLE), (False, True, SILENT_TOO), (True, False, TRIMMED)]
)
def test_the_manifest(tree: Path, trimmed: bool, keep_silent: bool, manifest: str) -> None:
    prepared(tree, trimmed, keep_silent)
    assert text(tree, "manifest.csv") == manifest.replace("@", "../videos")


def test_the_manifest_opens_and_its_media_are_read(tree: Path) -> None:
    prepared(tree, trimmed=True, keep_silent=True)
    small = ReaderSettings(frames=4, size=16, resize=16, rate=8000)
    dataset = read_manifest(tree / "set", readers={"video": small, "audio": small}, allow_outside=True, strict=True)
    assert dataset.classes == ("Baking cookies", "Skiing")
    assert dataset.groups.tolist()[:3] == ["--a_training", "--a_training", "bTraining01"]
    assert dataset.present(["audio"]).tolist() == [True, True, True, False, True, True]
    batch = dataset.__getitems__(range(6))
    assert batch.present["video"].all()
    lengths = (batch.modalities["audio"].lengths / 8000).tolist()  # type: ignore[union-attr]
    assert lengths[:3] == pytest.approx([0.4, 1.0, 1.6], abs=0.1)
    column = dataset.columns["video"]
    assert isinstance(column, MediaColumn)
    assert [(clip.start, clip.end) for clip in column.clips[:2]] == [(0.0, 0.4), (0.5, 1.5)]


def test_what_is_left_out_is_listed_and_counted(tree: Path) -> None:
    found = prepared(tree, trimmed=True)
    assert lines(tree, "missing.txt") == [
        ["cNotThere01", "training", URL, "not found"],
        ["dZeroBytes1", "training", URL, "cannot read it as a media file (Invalid data found when processing input)"],
    ]
    assert lines(tree, "silent.txt") == [["eSilent0001", "training"]]
    assert lines(tree, "unlabelled.txt") == [["fNoLabels01", "training"]]
    assert lines(tree, "left_out.txt") == [["gValidation", "validation", "0", "0", "0", "shorter than 0.1 s"]]
    assert found.notes == [
        "Missing or not readable: 2 videos (missing.txt)",
        "Without an audio stream, left out unless --keep-silent is given: 1 videos (silent.txt)",
        "Without an annotation: 1 videos (unlabelled.txt)",
        "Too short or after the file's end: 1 segments (left_out.txt)",
        "Put in order or cut to their video: 2 segments",
    ]
    assert found.counts == [
        ["subset", "annotated", "missing", "silent", "unlabelled", "in the manifest", "in the paper"],
        ["training", "6", "2", "1", "1", "2", "10,024"],
        ["validation", "2", "0", "0", "0", "2", "4,926"],
    ]


def test_videos_with_several_activities_are_counted(tree: Path) -> None:
    assert "Annotated with several activities, labelled with the longest: 1 videos" in prepared(tree).notes


def with_database(tree: Path, **videos: Any) -> Path:
    """Two videos to train on, and these; all files are there."""
    base = {"one": video("training", annotation("a", 0, 1)), "two": video("training", annotation("b", 0, 1))}
    written(tree / JSON, json.dumps({"database": base | videos}))
    copies(tree / "loud.mp4", tree / "videos", *(f"v_{key}.mp4" for key in (*base, *videos)))
    return tree


@pytest.mark.parametrize(
    ("segments", "label"),
    [
        ([("a", 0, 0.5), ("b", 0.5, 1.2)], "b"),
        ([("a", 0, 0.4), ("b", 0.4, 1.0), ("a", 1.0, 1.4)], "a"),  # 0.8 seconds in two pieces
        ([("b", 0.5, 1), ("a", 0, 0.5)], "b"),  # as long: the first
        ([("b", 0.3, 0.3)], "b"),  # its only one, though of no length
        ([("a", 0, 0.9), ("b", 0.6, 99)], "b"),  # 1 second of the video's 1.6
        ([("a", 0, 0.9), ("b", 1.2, 0.1)], "b"),
    ],
)
def test_a_video_s_label_is_that_of_most_annotated_time(tree: Path, segments: Any, label: str) -> None:
    found = prepared(with_database(tree, three=video("validation", *(annotation(*segment) for segment in segments))))
    assert found.rows[-1]["label"] == label


@pytest.mark.parametrize(
    ("segment", "duration", "kept"),
    [
        ((0.2, 1.2), 1.6, ("0.2", "1.2")),
        ((1.2, 0.2), 1.6, ("0.2", "1.2")),
        ((-3, 1), 1.6, ("0.0", "1.0")),
        ((0.5, 7.25), 1.6, ("0.5", "1.6")),
        ((0.5, 1.5), 0, ("0.5", "1.5")),  # of unknown duration
        ((0.123456, 1), 1.6, ("0.1235", "1.0")),
        ((0.01, 0.02), 1.6, "shorter than 0.1 s"),
        ((9, 12), 1.6, "shorter than 0.1 s"),  # nothing is left inside the video
        ((9, 12), 20, "begins after the file's end at 1.6"),  # by the annotations it is longer than the download
    ],
)
def test_irregular_segments(tree: Path, segment: Any, duration: float, kept: Any) -> None:
    three = video("validation", annotation("a", *segment), annotation("b", 0, 1), duration=duration)
    found = prepared(with_database(tree, three=three), trimmed=True)
    first = next(row for row in found.rows if row["group"] == "three")
    if isinstance(kept, str):
        assert first["id"] == "three_1"
        assert lines(tree, "left_out.txt")[0][-1].startswith(kept)
    else:
        assert (first["id"], first["start"], first["end"]) == ("three_0", *kept)
        assert not (tree / "set/left_out.txt").exists()


DAMAGED: dict[str, tuple[str, str]] = {
    "cut": ('{"database": {"one": {"subset"', "v1-3.min.json: cannot read it as JSON"),
    "no JSON": ("--2Q7", "cannot read it as JSON"),
    "a list": ("[1, 2]", "expected ActivityNet's annotations, an object with a filled 'database'"),
    "no videos": ('{"database": {}}', "expected ActivityNet's annotations"),
    "no object": (
        '{"database": {"one": 3}}',
        "video 'one': expected a subset of training, validation, testing; found no",
    ),
    "unknown subset": ('{"database": {"one": {"subset": "train"}}}', "video 'one': expected a subset .*'train'"),
    "no list": ('{"database": {"one": {"subset": "training", "annotations": {}}}}', "'one': expected a list of annota"),
    "no label": (
        '{"database": {"one": {"subset": "training", "annotations": [{"segment": [0, 1]}]}}}',
        "video 'one', annotation 0: expected a label and a segment of two times",
    ),
    "one time": (
        '{"database": {"one": {"subset": "training", "annotations": [{"segment": [0], "label": "a"}]}}}',
        "video 'one', annotation 0: expected a label and a segment of two times",
    ),
    "no number": (
        '{"database": {"one": {"subset": "training", "annotations": [{"segment": [0, NaN], "label": "a"}]}}}',
        "video 'one', annotation 0: expected a segment of two times in seconds, found .0, nan.",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_annotations(tree: Path, damage: str) -> None:
    content, message = DAMAGED[damage]
    written(tree / JSON, content)
    with pytest.raises(InputError, match=message) as caught:
        prepared(tree)
    assert "\n" not in str(caught.value)
    assert not (tree / "set").exists()


def test_what_is_not_there_or_of_no_use(tree: Path, tmp_path: Path) -> None:
    for videos, listed, message in (
        ("nowhere", JSON, "nowhere: folder not found"),
        ("videos", "nowhere.json", "nowhere.json: file not found"),
        ("videos", "videos", "videos: cannot read it as JSON"),
        (JSON, JSON, "v1-3.min.json: expected a folder"),
        ("videos/val", JSON, "class 'Skiing' has samples in test but none in train"),
    ):
        with pytest.raises(InputError, match=message):
            activitynet.prepare(tree / videos, tree / listed, tree / "set")
    copies(tree / "silent.mp4", tmp_path / "mute", "v_--a_training.mp4", "gValidation.mp4")
    with pytest.raises(
        InputError, match=r"none of the 8 annotated.*; 2 are there but have no sound, and --keep-silent"
    ):
        activitynet.prepare(tmp_path / "mute", tree / JSON, tree / "set")
    assert not (tree / "set").exists()
    written(tree / "set/notes.txt", "mine")
    with pytest.raises(InputError, match="set: already there"):
        prepared(tree)


def test_a_file_named_by_the_bare_id_and_one_with_v(tree: Path) -> None:
    copies(tree / "silent.mp4", tree / "videos/val", "hValidation.webm")
    prepared(tree)
    assert text(tree, "manifest.csv") == WHOLE.replace("@", "../videos"), "v_hValidation.mkv comes first"


def test_the_testing_subset_has_no_row(tree: Path) -> None:
    assert DATABASE["iTesting001"]["subset"] == "testing"
    assert not any("iTesting" in row["id"] for row in prepared(tree, keep_silent=True).rows)
