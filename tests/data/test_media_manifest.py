"""Manifests that name media: kinds of columns, missing cells, segments, and paths that lead out."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from crossdistill.cli.main import main
from crossdistill.data import read_manifest, write_manifest
from crossdistill.data.cells import looks_like
from crossdistill.data.dataset import from_arrays, in_memory
from crossdistill.data.doubts import doubts_of
from crossdistill.data.inputs import InputSpec, input_spec
from crossdistill.data.loading import drawn_parts
from crossdistill.data.readers import MediaColumn, ReaderSettings, TextColumn
from crossdistill.data.readers.text import COUNTS, hashed
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import content_of
from crossdistill.diagnosis.features import features_of
from crossdistill.types import InputError, Padded
from tests.data.clips import tone, write_sound, write_video
from tests.tokenizer import save_tokenizer

SMALL = ReaderSettings(frames=4, size=16, resize=16, rate=8000)


def table(folder: Path, *lines: str, name: str = "manifest.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "clips/a.mp4", sound=tone())
    write_video(folder / "clips/b.avi", "mpeg4")
    write_sound(folder / "clips/c.wav", tone(0.5))
    (folder / "words.txt").write_text("From a file.\n", encoding="utf-8")
    np.save(folder / "pose.npy", np.arange(12.0).reshape(4, 3))
    return folder


def test_every_kind_of_column_with_gaps(media: Path) -> None:
    path = table(
        media,
        "id,split,label,face,voice:audio,noise,words,pose",
        "1,train,a,clips/a.mp4,clips/a.mp4,clips/c.wav,hello,pose.npy#1",
        "2,train,b,clips/b.avi,,,words.txt,pose.npy#0",
        '3,test,a,clips/a.mp4,clips/c.wav,,"one, two",',
        "4,test,b,clips/b.avi,clips/b.avi,clips/c.wav,,",
    )
    dataset = read_manifest(
        path, only=("face", "voice", "noise", "pose"), readers=dict.fromkeys(["face", "voice"], SMALL)
    )
    assert dataset.shapes == {"face": (3, 4, 16, 16), "voice": (-1, 1), "noise": (-1, 1), "pose": (3,)}
    batch = dataset.__getitems__(range(4))
    assert {name: mask.tolist() for name, mask in batch.present.items()} == {
        "face": [True] * 4,
        "voice": [True, False, True, False],  # the avi has no sound
        "noise": [True, False, False, True],
        "pose": [True, True, False, False],
    }
    assert dataset.present(["voice"]).tolist() == [True, False, True, True], "as far as the manifest tells"
    voice = batch.modalities["voice"]
    assert isinstance(voice, Padded)
    assert voice.lengths.tolist()[1::2] == [1, 1]
    assert voice.lengths[2] == 4000, "half a second, at this modality's rate"
    assert batch.modalities["pose"].tolist() == [[3, 4, 5], [0, 1, 2], [0, 0, 0], [0, 0, 0]]
    (note,) = batch.notes
    assert "row 5, column 'voice:audio'" in note.text
    words = read_manifest(path, only=("words",)).columns["words"]
    assert isinstance(words, PartialColumn)
    assert isinstance(words.column, TextColumn)
    assert [words.column.text(row) for row in range(3)] == ["hello", "From a file.", "one, two"]


def test_segments_and_crops_of_all_media_or_of_one(media: Path) -> None:
    path = table(
        media,
        "id,split,label,face,voice:audio,start,end,face:end,face:crop",
        "1,train,a,clips/a.mp4,clips/a.mp4,0.2,0.8,0.4,0 0.25 0.5 0.5",
        "2,train,a,clips/a.mp4,clips/a.mp4,0.5,,,",
        '3,train,a,clips/a.mp4,clips/a.mp4,,1.5,,"0,0,1,1"',
    )
    dataset = read_manifest(path)
    face, voice = dataset.columns["face"], dataset.columns["voice"]
    assert isinstance(face, MediaColumn)
    assert isinstance(voice, MediaColumn)
    assert [(c.start, c.end) for c in face.clips] == [(0.2, 0.4), (0.5, np.inf), (0.0, 1.5)]
    assert [(c.start, c.end) for c in voice.clips] == [(0.2, 0.8), (0.5, np.inf), (0.0, 1.5)]
    assert [c.crop for c in face.clips] == [(0, 0.25, 0.5, 0.5), (0, 0, 1, 1), (0, 0, 1, 1)]
    assert {c.crop for c in voice.clips} == {(0, 0, 1, 1)}


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("a.MP4", "video"), ("x/y.b.webm", "video"), ("a.FLAC", "audio"), ("a.npy", "array"), ("a.npy#3", "array"),
        ("I like it.", "text"), ("mp4", "text"), ("a.mp4 is a file", "text"), ("two\nlines", "text"),
        ("words.txt", "text"), ("a.NPY", "array"), ("x/A.Npy#3", "array"), ("00001.MTS", "video"),
        ("WORDS.TXT", "text"), ("a b.JPEG", "picture"), ("x.y/scan.tif", "picture"), ("look at a.gif", "picture"),
    ],
)  # fmt: skip
def test_kinds_by_their_looks(cell: str, kind: str) -> None:
    assert looks_like(cell) == kind


@pytest.mark.parametrize(
    "cell",
    [
        "i0.avif",
        "i 0.SVG",
        ".heic",
        "a.npz",
        "z.npz#0",
        "clips/c0.mp5",
        "clips/c0.heic",
        "there",
        "sub/there",
        "/etc/passwd",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_file_of_unknown_ending_is_no_text(cell: str, first: bool, tmp_path: Path) -> None:
    """Whether it exists or not; a name without an ending when it is that of a file."""
    (tmp_path / "sub").mkdir()
    for name in ("there", "sub/there"):
        (tmp_path / name).write_text("x")
    cells = [cell, "I like it."] if first else ["I like it.", cell]
    lines = ["id,split,label,words", *(f"{n},train,{'ab'[n]},{text}" for n, text in enumerate(cells))]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    several = "npz" in cell
    found = f"expected an array such as .*, found '{cell}', which" if several else f"'{cell}' is the name of a file .*"
    with pytest.raises(InputError, match=rf"row {2 if first else 3}, column 'words': {found}"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("\n".join(lines).replace("label,words", "label,words:text"))
    assert isinstance(read_manifest(tmp_path).columns["words"], TextColumn), "the header says so"


@pytest.mark.parametrize(
    "cell",
    ["Hello.", "No...", "3.5", "Well.. no", "v2", "a/b", "He said: go.Then he left", "U.S.", "hm...ok?", "…", "README"],
)
def test_a_text_is_no_file(cell: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f'id,split,label,words\n0,train,a,"{cell}"\n1,train,b,yes\n')
    assert isinstance(read_manifest(tmp_path).columns["words"], TextColumn)


def test_endings_in_capitals(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(2))
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    (tmp_path / "W.TXT").write_text("from the file")
    (tmp_path / "manifest.csv").write_text(
        "id,split,label,x,words\n0,train,a,A.NPY#0,W.TXT\n1,train,b,A.NPY#1,no file\n"
    )
    dataset = read_manifest(tmp_path)
    assert dataset.columns["x"].fetch(np.array([1])).tolist() == [[0.0, 1.0]]  # type: ignore[union-attr]
    words = dataset.columns["words"]
    assert isinstance(words, TextColumn)
    assert words.text(0) == "from the file"


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        (
            "face",
            ["clips/a.mp4", "clips/c.wav"],
            "row 3, column 'face': expected a video file, found 'clips/c.wav'.*row 2",
        ),
        (
            "face",
            ["", "hello", "clips/a.mp4"],
            "row 4, column 'face': expected a text, found 'clips/a.mp4'.*face:video",
        ),
        ("face", ["clips/a.mp4", "clips/a"], "row 3, column 'face': expected a video file, found 'clips/a'"),
        ("face:video", ["pose.npy#0"], "row 2, column 'face:video': expected a video file, found 'pose.npy#0'"),
        ("face:array", ["clips/a.mp4"], "row 2, column 'face:array': expected a path such as a.npy"),
        (
            "face:movie",
            ["clips/a.mp4"],
            "row 1: 'face:movie': expected one of array, video, audio, picture, number, text, start",
        ),
        ("face:", ["clips/a.mp4"], "row 1: 'face:'"),
        ("face", ["", ""], "column 'face' has no filled cell"),
        ("face", ["clips/z.mp4"], "row 2, column 'face': file not found: .*z.mp4"),
        ("words", ["nothing.txt"], "row 2, column 'words': file not found: .*nothing.txt"),
        ("face", ["../media/x.mp4"], "row 2, column 'face': '../media/x.mp4' leads out of the manifest's folder"),
        ("face", ["/dev/null.mp4"], "row 2, column 'face': '/dev/null.mp4' leads out"),
        ("face:start", ["1"], "row 1: 'face:start': there is no modality 'face'"),
        ("other:start", ["1"], "row 1: 'other:start': an array has no segment; cut arrays before, and name rows"),
        ("other:crop", ["0 0 1 1"], "row 1: 'other:crop': an array has no crop"),
        ("a,a:end", ["1,2"], "row 1: 'a:end': a number has no segment; leave it out"),
        ("words,words:end", ["hello,2"], "row 1: 'words:end': a text has no segment"),
        ("voice,voice:crop", ["clips/c.wav,0 0 1 1"], "row 1: 'voice:crop': a sound has no crop"),
    ],
)
def test_mistakes(header: str, cells: list[str], message: str, media: Path) -> None:
    lines = [f"{row},train,a,{cell},pose.npy#0" for row, cell in enumerate(cells)]
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(table(media, f"id,split,label,{header},other", *lines))
    assert "\n" not in str(caught.value)


def test_a_recording_in_an_array_has_no_segments(media: Path) -> None:
    """Each of its rows would be the whole of it; a vector may say something of all parts of a recording."""
    np.save(media / "wrist.npy", np.zeros((50, 3)))
    np.save(media / "place.npy", np.zeros(3))
    rows = "1,train,a,clips/a.mp4,{0},0,1", "2,train,b,clips/a.mp4,{0},1,2"
    lines = ["id,split,label,face,wrist,start,end", *(row.format("wrist.npy") for row in rows)]
    with pytest.raises(InputError, match=r"row 3, column 'wrist': 'wrist.npy' would be the whole .*, as in row 2: 's"):
        read_manifest(table(media, *lines))
    of_faces = "id,split,label,face,wrist,face:start,face:end"
    assert read_manifest(table(media, of_faces, *lines[1:])).shapes["wrist"] == (50, 3)
    assert read_manifest(table(media, *lines), only=["face"]).columns, "where it is not read"
    assert read_manifest(table(media, lines[0], *(row.format("place.npy") for row in rows))).shapes["wrist"] == (3,)
    assert not read_manifest(table(media, lines[0], *(row.format("pose.npy#0") for row in rows))).doubts


def test_segments_without_media_are_said(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["id,split,label,age,start,end,crop", "1,train,a,30,0,1,", "2,train,b,31,1,2,"]
    path = table(media, *lines)
    assert main(["prepare", "manifest", str(path)]) == 0
    said = "start, end say nothing here: they are of videos, sounds and pictures, and no column has any"
    assert said in " ".join(capsys.readouterr().out.split())
    assert not doubts_of(read_manifest(path)), "in training, where windows may keep for reference where they were"
    empty = [lines[0], "1,train,a,30,,,", "2,train,b,31,,,"]
    beside = ["id,split,label,age,start,face", "1,train,a,30,0,clips/a.mp4", "2,train,b,31,0.1,clips/a.mp4"]
    for others in (empty, beside):
        assert main(["prepare", "manifest", str(table(media, *others))]) == 0
        assert "say nothing here" not in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["Group", "ID", "Start", "LABEL", "Fold"])
def test_a_column_in_capitals_is_none_that_means_something(name: str, media: Path) -> None:
    header = ",".join(["id", "split", "label", "age"]).replace(f"{name.lower()},", "")
    path = table(media, f"{header},{name}", *(f"{'1,' * header.count(',')}1,{row}" for row in range(2)))
    with pytest.raises(InputError, match=f"row 1: '{name}' would be read as a modality; write '{name.lower()}', or '"):
        read_manifest(path)


def test_a_column_in_capitals_that_is_not_read_is_let_be_unless_it_protects(media: Path) -> None:
    lines = ["split,label,age,ID,Start,End", "train,a,30,1,0,1", "train,b,31,2,1,2"]
    assert list(read_manifest(table(media, *lines), only=["age"]).columns) == ["age"]
    with pytest.raises(InputError, match="row 1: 'Start' would be read as a modality; write 'start'"):
        read_manifest(table(media, *lines), only=["age", "Start"])
    for name in ("Group", "Fold"):
        path = table(media, lines[0].replace("Start", name), *lines[1:])
        with pytest.raises(InputError, match=f"row 1: '{name}' would be read as a modality"):
            read_manifest(path, only=["age"])


def test_a_column_in_capitals_that_says_its_kind_is_a_modality(media: Path) -> None:
    path = table(media, "id,split,label,Group:number,ID", "1,train,a,30,1", "2,train,b,31,2")
    assert list(read_manifest(path).columns) == ["Group", "ID"], "beside id"


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("start", "soon", "row 2, column 'start': expected seconds from 0, found 'soon'"),
        ("start", "-1", "row 2, column 'start'"),
        ("face:start", "nan", "row 2, column 'face:start'"),
        ("end", "0.5", "row 2, column 'end': expected an end after the start 1, found 0.5"),
        ("crop", "0 0 1", "row 2, column 'crop': expected left, top, width and height"),
        ("crop", "0.5 0 0.6 1", "row 2, column 'crop'"),
        ("crop", "0 0 0 1", "row 2, column 'crop'"),
    ],
)
def test_what_is_no_segment_or_no_part_of_a_frame(column: str, cell: str, message: str, media: Path) -> None:
    start = "" if "start" in column else ",start"
    path = table(media, f"id,split,label,face,{column}{start}", f"1,train,a,clips/a.mp4,{cell}{',1' if start else ''}")
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_the_same_modality_twice(media: Path) -> None:
    with pytest.raises(InputError, match="row 1: 'face' and 'face:audio' are the same modality"):
        read_manifest(table(media, "id,split,label,face,face:audio", "1,train,a,clips/a.mp4,clips/a.mp4"))


def test_a_modality_that_every_sample_needs(media: Path) -> None:
    path = table(media, "id,split,label,face:video", "1,train,a,clips/a.mp4", "2,train,a,")
    with pytest.raises(InputError, match="row 3, column 'face:video': empty cell; every sample needs what the student"):
        read_manifest(path, required=("face",))
    assert read_manifest(path).present(["face"]).tolist() == [True, False]


def test_links_that_lead_out(media: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.mp4").symlink_to(media / "clips/a.mp4")
    (inside / "folder").symlink_to(media / "clips")
    for cell in ("link.mp4", "folder/a.mp4", str(media / "clips/a.mp4"), "../inside/link.mp4"):
        path = table(inside, "id,split,label,face", f"1,train,a,{cell}")
        with pytest.raises(InputError, match="leads out"):
            read_manifest(path)
        assert len(read_manifest(path, allow_outside=True)) == 1
    write_video(inside / "b.mp4")
    (inside / "here.mp4").symlink_to(inside / "b.mp4")
    for cell in ("here.mp4", "../inside/b.mp4"):
        assert len(read_manifest(table(inside, "id,split,label,face", f"1,train,a,{cell}"))) == 1, "it ends inside"
    (tmp_path / "door").symlink_to(inside)
    assert len(read_manifest(tmp_path / "door")) == 1, "the folder itself may be reached by a link"


def test_media_are_not_kept_in_memory_but_arrays_are(media: Path) -> None:
    path = table(media, "id,split,label,face,pose", "1,train,a,clips/a.mp4,pose.npy#1", "2,train,a,clips/b.avi,")
    dataset = read_manifest(path, readers={"face": SMALL})
    kept = in_memory(dataset, np.arange(2))
    assert kept.columns["face"] is dataset.columns["face"]
    first, second = (kept.batch(np.arange(2), drawn_parts(0, epoch, np.arange(2))).to("cpu") for epoch in range(2))
    assert not torch.equal(first.modalities["face"], second.modalities["face"])  # type: ignore[arg-type]
    assert torch.equal(first.modalities["pose"], second.modalities["pose"])  # type: ignore[arg-type]


def test_only_what_is_asked_for_is_opened(media: Path) -> None:
    path = table(media, "id,split,label,face,pose", "1,train,a,nowhere.mp4,pose.npy#1")
    assert list(read_manifest(path, only=("pose",)).columns) == ["pose"]
    with pytest.raises(InputError, match="no modality 'smell'; found face, pose"):
        read_manifest(path, only=("smell",))


def test_gaps_are_written_as_empty_cells(tmp_path: Path) -> None:
    present = {"a": np.array([True, False, True]), "b": np.array([False, True, True])}
    clips = [np.full((1 + row, 2), row, np.float32) for row in range(3)]
    dataset = from_arrays(
        {"a": np.arange(6.0).reshape(3, 2), "b": clips}, list("xyx"), splits=np.zeros(3, bool), present=present
    )
    folder = write_manifest(tmp_path / "out", dataset)
    with (folder / "manifest.csv").open() as file:
        assert [row["a"] == "" for row in csv.DictReader(file)] == [False, True, False]
    one, other = dataset.__getitems__(range(3)), read_manifest(folder).__getitems__(range(3))
    assert torch.equal(one.modalities["a"], other.modalities["a"])  # type: ignore[arg-type]
    for first, second in zip(one.modalities["b"], other.modalities["b"], strict=True):
        assert torch.equal(first, second)
    assert all(torch.equal(one.present[name], other.present[name]) for name in "ab")


def test_a_text_without_a_tokenizer_is_counts_of_its_letters(media: Path) -> None:
    lines = "1,train,a,hello you", "2,train,a,words.txt", "3,train,a,", "4,train,b,hello you", "5,train,b,ヘロー"
    dataset = read_manifest(table(media, "id,split,label,words", *lines))
    assert dataset.shapes == {"words": (COUNTS,)}
    batch = dataset.__getitems__([4, 2, 0, 1, 3])
    words, content = cast(torch.Tensor, batch.modalities["words"]), content_of(dataset.columns["words"])
    assert batch.present["words"].tolist() == [True, False, True, True, True]
    assert words.norm(dim=1).tolist() == pytest.approx([1, 0, 1, 1, 1])
    assert torch.equal(words[2], words[4])
    assert isinstance(content, TextColumn)
    assert words[[3]].tolist() == hashed([content.text(1)]).toarray().tolist(), "the file's text, not its name"
    assert torch.equal(cast(torch.Tensor, dataset.__getitems__([3, 4]).modalities["words"]), words[[4, 0]])
    assert input_spec(dataset.columns["words"]) == InputSpec("text", (COUNTS,), "float32", ReaderSettings())


@pytest.mark.parametrize(
    ("cells", "doubt"),
    [
        (
            ["31", "32", "n/a", "40"],
            "row 4, column 'age': 'n/a' is no number, so all .*; mend",
        ),
        (['"0,5"', '"1,5"', '"2,5"', '"3"'], "row 2, column 'age': '0,5' is no number, .* decimal point: 0.5"),
        (
            ["2024-01-31", "2024-02-01T10:30:15", "9:15", "3"],
            "row 2, column 'age': '2024-01-31' is a time, read as",
        ),
    ],
)
def test_what_may_not_be_meant_as_text_is_not_trained_on(
    cells: list[str], doubt: str, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n},train,{'ab'[n % 2]},{cell}" for n, cell in enumerate(cells)]
    with pytest.raises(InputError, match=doubt):
        read_manifest(table(media, "id,split,label,age", *rows)).__getitems__([0])
    with pytest.raises(InputError, match=doubt):
        features_of(read_manifest(media).columns["age"], np.arange(4), 0)
    assert main(["prepare", "manifest", str(media)]) == 0
    assert re.search(doubt, " ".join(capsys.readouterr().out.split()))
    meant = read_manifest(table(media, "id,split,label,age:text", *rows)).__getitems__([0, 1])
    assert cast(torch.Tensor, meant.modalities["age"]).shape == (2, COUNTS)


def test_texts_that_cannot_be_read(media: Path) -> None:
    (media / "empty.txt").write_text(" \n")
    with pytest.raises(InputError, match=r"row 2, column 'words': expected a text, found nothing in .*empty\.txt"):
        read_manifest(table(media, "id,split,label,words", "1,train,a,empty.txt")).__getitems__([0])
    assert main(["prepare", "manifest", str(media)]) == 2
    path = table(media, "id,split,label,words", "1,train,a,hello")
    nowhere = {"words": ReaderSettings(tokenizer=str(media / "nowhere"))}
    with pytest.raises(InputError, match=r"data\.readers\.words\.tokenizer: ") as caught:
        read_manifest(path, readers=nowhere).__getitems__([0])
    assert "\n" not in str(caught.value)


def test_texts_become_the_tokenizer_s_numbers(media: Path, tmp_path: Path) -> None:
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "[CLS]", "hello", "From", "a", "file", "."])}
    save_tokenizer(tmp_path / "t", vocabulary)
    path = table(media, "id,split,label,words", "1,train,a,hello hello you", "2,train,a,words.txt")
    settings = {"words": ReaderSettings(tokenizer=str(tmp_path / "t"), max_tokens=5)}
    words = read_manifest(path, readers=settings).__getitems__([0, 1]).modalities["words"]
    assert isinstance(words, Padded)
    assert words.lengths.tolist() == [4, 5]
    assert words.values[:, :, 0].tolist() == [[1, 2, 2, 0, 0], [1, 3, 4, 5, 6]]
