"""`crossdistill prepare manifest`: what it says, what it refuses, and a cache that survives being killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossdistill import read_manifest
from crossdistill.atomic import written_whole
from crossdistill.cli.main import main
from crossdistill.data import from_arrays, same_samples
from crossdistill.data.doubts import doubts_of
from crossdistill.data.inspection import CacheSettings, check_manifest, spread
from crossdistill.data.readers import CacheFolder
from crossdistill.data.readers.media import MediaKind
from crossdistill.data.repeated_samples import repeated_samples
from crossdistill.types import InputError, TaskKind
from tests.data.clips import bars, halved, tone, write_sound, write_video
from tests.processes import SLOW, start, start_command

HEADER = "id,split,label,face,voice:audio,words,pose"


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def good(folder: Path) -> list[str]:
    """Files of every kind, and the rows that name them."""
    write_video(folder / "a.mp4", sound=tone())
    write_video(folder / "b.avi", "mpeg4", 50)
    write_sound(folder / "c.wav", tone(0.5))
    np.save(folder / "pose.npy", np.arange(12.0).reshape(4, 3))
    return [
        "1,train,left,a.mp4,a.mp4,hello,pose.npy#1",
        "2,train,right,b.avi,b.avi,,pose.npy#0",
        "3,test,left,a.mp4,c.wav,again,",
    ]


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["prepare", "manifest", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, " ".join(printed.out.replace("│", " ").split()), printed.err


def test_what_it_says_of_a_good_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, *good(tmp_path))
    for given in (path, tmp_path):
        code, out, error = said(capsys, given)
        assert (code, error) == (0, "")
        for line in (
            "face video train 2 0 0 0:00:04 1.80 s",  # 1.6 and 2 seconds
            "face video test 1 0 0 0:00:02 1.60 s",
            "voice audio train 2 1 0",  # the avi has no sound
            "voice audio test 1 0 0",
            "0.50 s",
            "words text train 2 1 0",
            "pose array test 1 1 0",
            "left 1 1",
            "right 1 0",
        ):
            assert line in out, line
    assert not (tmp_path / "cache").exists()


def test_brackets_in_names_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.replace("left", "[noise]").replace("right", "[/b]") for line in good(tmp_path)]
    code, out, _ = said(capsys, table(tmp_path, *rows))
    assert code == 0
    assert "[noise] 1 1" in out
    assert "[/b] 1 0" in out


Break = Callable[[Path, list[str]], None]


def first(cell: str, place: int) -> Break:
    """Another cell in the first row."""

    def change(folder: Path, rows: list[str]) -> None:
        cells = rows[0].split(",")
        cells[place] = cell
        rows[0] = ",".join(cells)

    return change


def damaged(write: Callable[[Path], object]) -> Break:
    """Another file behind the first row's `face` cell."""

    def change(folder: Path, rows: list[str]) -> None:
        write(folder / "z.mp4")
        first("z.mp4", 3)(folder, rows)

    return change


def not_a_number(folder: Path, rows: list[str]) -> None:
    write_sound(folder / "nan.wav", np.append(tone(), np.nan), codec="pcm_f32le")
    first("nan.wav", 4)(folder, rows)


def array_not_a_number(folder: Path, rows: list[str]) -> None:
    np.save(folder / "pose.npy", np.full((4, 3), np.inf))


BROKEN: dict[str, tuple[Break, tuple[str, ...]]] = {
    "missing file": (first("nowhere.mp4", 3), ("row 2", "'face'", "nowhere.mp4", "not found")),
    "zero-byte mp4": (damaged(lambda path: path.write_bytes(b"")), ("row 2", "z.mp4", "cannot read it as a media")),
    "mp4 cut in half": (damaged(lambda path: halved(write_video(path))), ("row 2", "z.mp4", "cannot read it")),
    "text renamed .mp4": (damaged(lambda path: path.write_text("Once upon\n" * 99)), ("row 2", "z.mp4", "cannot")),
    "NaN samples": (not_a_number, ("row 2", "'voice:audio'", "nan.wav", "NaN")),
    "NaN in an array": (array_not_a_number, ("row 2", "'pose'", "NaN or infinity")),
    "duplicate ids": (first("2", 0), ("row 3", "'id'", "'2' is already the id of row 2")),
    "path that climbs out": (first("../a.mp4", 3), ("row 2", "'face'", "'../a.mp4' leads out", "--allow-outside")),
    "label unseen in train": (first("up", 2), ("row 4", "'label'", "'left' is in test but never in train")),
    "sound for a video": (first("c.wav", 3), ("row 3", "'face'", "expected a sound")),
    "no such text": (first("w.txt", 5), ("row 2", "'words'", "w.txt", "not found")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_inputs_are_one_line_and_code_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = good(tmp_path)
    change, words = BROKEN[name]
    change(tmp_path, rows)
    code, _, error = said(capsys, table(tmp_path, *rows))
    assert code == 2
    assert error.startswith("crossdistill: error: ")
    assert error.count("\n") == 1
    for word in ("manifest.csv", *words):
        assert word in error


SMALL = """
method: mi
epochs: 1
batch_size: 2
data:
  target: [face]
  auxiliary: [voice]
  readers: {face: {frames: 2, size: 8, resize: 8}, voice: {seconds: 0.05, rate: 8000}}
  strict: true
model:
  auxiliary_encoders: trained
  encoders: {face: {kind: mlp, settings: {hidden: 8}}, voice: {kind: mlp, settings: {hidden: 8}}}
"""


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in ("NaN in an array", "no such text")])
def test_strict_training_says_the_same(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = good(tmp_path)
    change, words = BROKEN[name]
    change(tmp_path, rows)
    (tmp_path / "small.yaml").write_text(SMALL)
    source = table(tmp_path, *rows)
    command = ["train", str(tmp_path / "small.yaml"), "--data.source", str(source), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("crossdistill: error: ")
    assert error.count("\n") == 1
    for word in ("manifest.csv", *words):
        assert word in error
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_manifest_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [",".join(line.split(",")[:2] + line.split(",")[3:]) for line in good(tmp_path)]
    code, _, error = said(capsys, table(tmp_path, *rows, header=HEADER.replace("label,", "")))
    assert code == 2
    assert "manifest.csv: no column 'label' (of each row, empty for none); found id, split, face" in error
    assert error.count("\n") == 1
    code, _, error = said(capsys, tmp_path / "nothing.csv")
    assert code == 2
    assert "nothing.csv: manifest not found" in error


@pytest.mark.parametrize("name", ["nan", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "?", "-1"])
def test_a_class_that_looks_like_no_label_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, f"1,train,{name},1", "2,train,up,2", "3,train,,3", header="id,split,label,age")
    code, out, _ = said(capsys, path)
    assert code == 0
    assert f"'{name}' is taken for a class; a sample without a label has an empty cell" in out
    assert doubts_of(read_manifest(path)) == [
        f"'{name}' is taken for a class; a sample without a label has an empty cell, or None, NaN or '' in Python"
    ], "in training, too"


@pytest.mark.parametrize("names", [("down", "up"), ("-1", "1"), ("none", "some")])
def test_a_class_that_looks_like_one_is_not_doubted(
    names: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{row},train,{name},{row}" for row, name in enumerate([*names, ""])]
    _, out, _ = said(capsys, table(tmp_path, *rows, header="id,split,label,age"))
    assert "taken for a class" not in out


def test_classes_without_test_samples_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["1,train,up,1", "2,train,down,2", "3,train,left,3", "4,test,up,4"]
    _, out, _ = said(capsys, table(tmp_path, *rows, header="id,split,label,age"))
    assert "no test sample is of class 'down', 'left', which training samples have" in out
    _, out, _ = said(capsys, table(tmp_path, *rows[:3], header="id,split,label,age"))
    assert "no test sample" not in out, "where nothing is tested"


@pytest.mark.parametrize("cell", ["['dog', 'outdoors']", "['dog']", "['dog' 'outdoors']", '["dog"]', "('dog',)"])
@pytest.mark.parametrize("task", ["multilabel", "classification"])
def test_lists_of_labels_as_texts_are_refused(cell: str, task: TaskKind, tmp_path: Path) -> None:
    quoted = cell.replace('"', '""')
    path = table(tmp_path, "1,train,cat,1", f'2,train,"{quoted}",2', header="id,split,label,age")
    with pytest.raises(
        InputError, match=r"row 3, column 'label': found a list of labels as a text, .*; write ; betwee"
    ):
        read_manifest(path, task=task)


@pytest.mark.parametrize("cell", ["[]", "()", "{ }", "set()"])
def test_an_empty_list_may_be_a_class_but_no_set_of_labels(cell: str, tmp_path: Path) -> None:
    path = table(tmp_path, "1,train,cat,1", f"2,train,{cell},2", header="id,split,label,age")
    assert read_manifest(path).labelled_rows("train").tolist() == [0, 1]
    with pytest.raises(InputError, match=r"row 3, column 'label': found a list of labels as a text"):
        read_manifest(path, task="multilabel")


def test_labels_that_commas_part_are_doubted(tmp_path: Path) -> None:
    rows = ['1,train,"dog, outdoors",1', "2,train,dog,2", '3,train,"Paris, France",3']
    path = table(tmp_path, *rows, header="id,split,label,age")
    (line,) = doubts_of(read_manifest(path, task="multilabel"))
    assert line == "'dog, outdoors' is taken for one label; write ; between labels where it is several"
    assert not doubts_of(read_manifest(path))


@pytest.mark.parametrize(
    ("cells", "doubted"),
    [
        (("red / dry", "dry / sweet"), "dry / sweet"),
        (("dry", "red / dry"), "red / dry"),
        (("dog + cat", "dog"), "dog + cat"),
        (("dog & cat", "cat"), "dog & cat"),
        (("red / dry", "white / sweet"), ""),
        (("10 km/h", "20 km/h"), ""),
        (("2024/05/01", "2024/05/02"), ""),
        (("C++", "C"), ""),
        (("dog|cat", "dog"), ""),
    ],
)
def test_labels_that_other_marks_part_are_doubted(cells: tuple[str, ...], doubted: str, tmp_path: Path) -> None:
    """Where a part is in another label, too; a bar does part labels."""
    rows = [f"{row},train,{cell},{row}" for row, cell in enumerate(cells)]
    path = table(tmp_path, *rows, header="id,split,label,age")
    found = [line for line in doubts_of(read_manifest(path, task="multilabel")) if "taken for one label" in line]
    line = f"'{doubted}' is taken for one label; write ; between labels where it is several"
    assert found == ([line] if doubted else [])
    assert not any("taken for one label" in line for line in doubts_of(read_manifest(path)))


@pytest.mark.parametrize(("trained", "measured"), [("P1", "p1"), ("P6", "P06"), ("1", "1.0"), ("a\u0308", "\xe4")])
def test_groups_on_both_sides_that_may_be_one_are_said(trained: str, measured: str, tmp_path: Path) -> None:
    rows = [f"1,train,a,{trained},1", f"2,train,b,{trained},2", f"3,test,a,{measured},3", "4,test,b,P9,4"]
    path = table(tmp_path, *rows, header="id,split,label,group,age")
    (line,) = doubts_of(read_manifest(path))
    assert line.startswith("groups that differ in spelling alone are in train and are measured, as others: '")
    assert ascii(measured).replace("'", "") in line
    rows = [f"{trained},train,a,1", f"{measured},test,a,3"]
    assert not doubts_of(read_manifest(table(tmp_path, *rows, header="id,split,label,age"))), "samples are no groups"


SAME = "is the same in all 3 training samples, so that nothing can be learnt from it"


def test_a_modality_that_is_the_same_in_all_training_samples_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what cells name: a whole array in place of its rows, one row, one clip, one text, files that are alike."""
    np.save(tmp_path / "lab.npy", np.arange(12.0).reshape(4, 3))
    for name in "abcd":
        np.save(tmp_path / f"{name}.npy", np.ones((4, 3)))
    write_video(tmp_path / "a.mp4")
    splits = ["train", "train", "train", "test"]

    def doubts(*cells: str, header: str = "x") -> list[str]:
        rows = [f"{row},{splits[row]},{'ab'[row % 2]},{row},{cell}" for row, cell in enumerate(cells)]
        return doubts_of(read_manifest(table(tmp_path, *rows, header=f"id,split,label,age,{header}")))

    hint = "; rows of an array are lab.npy#0, lab.npy#1, ..."
    assert doubts(*["lab.npy"] * 4) == [f"x {SAME}{hint}"]
    code, out, _ = said(capsys, tmp_path)
    assert code == 0
    assert f"x {SAME}{hint}" in out
    assert doubts(*(f"lab.npy#{row}" for row in range(4))) == []
    assert doubts(*["lab.npy#2"] * 3, "lab.npy#1") == [f"x {SAME}"], "training samples alone are learnt from"
    assert doubts(*(f"a.npy#{row}" for row in range(4))) == [f"x {SAME}"]
    assert doubts(*(f"{name}.npy" for name in "abcd")) == [f"x {SAME}"]
    assert doubts(*["a.npy"] * 2, "lab.npy", "a.npy") == []
    assert doubts(*["so it is"] * 4) == [f"x {SAME}"]
    assert doubts("so it is", "so it was", "so it is", "so it is") == []
    assert doubts(*["a.mp4,0,0.2"] * 4, header="x,start,end") == [f"x {SAME}"]
    assert doubts(*(f"a.mp4,0,0.{row + 1}" for row in range(4)), header="x,start,end") == []
    assert doubts("so it is", "so it is", "", "so it is") == [], "of two samples it says nothing"


def test_columns_of_numbers_are_the_same_together(tmp_path: Path) -> None:
    """A picture's border is the same in all samples, and the picture is not."""
    header = "id,split,label,pixel0,pixel1,room"
    rows = [f"{row},train,{'ab'[row % 2]},0,{row},7" for row in range(3)]
    checked = check_manifest(table(tmp_path, *rows, header=header), CacheSettings())
    assert checked.doubts == [f"room {SAME}"]
    rows = [f"{row},train,{'ab'[row % 2]},0,1,7" for row in range(3)]
    checked = check_manifest(table(tmp_path, *rows, header=header), CacheSettings())
    (line,) = checked.doubts
    assert line == "room, pixel are the same in all 3 training samples, so that nothing can be learnt from them"


@pytest.mark.parametrize("sequences", [False, True])
def test_numbers_in_memory_that_are_the_same_are_said(sequences: bool) -> None:
    random = np.random.default_rng(0)
    values, one = random.normal(size=(6, 5, 2)), np.ones((5, 2))
    labels, there = np.arange(6) % 2, np.arange(6) > 1

    def doubts(given: list[NDArray[Any]], **present: NDArray[np.bool_]) -> list[str]:
        both = {"x": [*given, np.zeros((7 if sequences else 5, 2))], "age": np.arange(7.0)[:, None]}
        present = {name: np.append(mask, True) for name, mask in present.items()}
        return doubts_of(from_arrays(both, np.append(labels, 0), splits=np.arange(7) == 6, present=present))

    assert doubts(list(values)) == []
    assert doubts([one] * 6) == ["x is the same in all 6 training samples, so that nothing can be learnt from it"]
    lacking = "x is the same in all 4 training samples that have it, so that nothing can be learnt from it"
    assert doubts([*values[:2], *[one] * 4], x=there) == [lacking]
    assert doubts([*[one] * 5, one + 1e-9]) == []


def test_of_modalities_that_differ_few_samples_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in range(50):
        np.save(tmp_path / f"{row}.npy", np.full((3, 2), row))
    rows = [f"{row},train,{'ab'[row % 2]},{row}.npy" for row in range(50)]
    dataset = read_manifest(table(tmp_path, *rows, header="id,split,label,x"))
    opened = []
    opening = same_samples.open_array
    monkeypatch.setattr(same_samples, "open_array", lambda *given: opened.append(given) or opening(*given))
    assert doubts_of(dataset) == []
    assert len(opened) == 2


def test_a_word_for_a_missing_number_is_told_to_go_with_its_row(tmp_path: Path) -> None:
    """As training on the columns together would; the advice makes a manifest that it takes."""
    header, rows = "id,split,label,lab_a,lab_b", [f"{row},train,{'ab'[row % 2]},{row},{row + 1}" for row in range(8)]
    doubtful = [*rows[:3], "3,train,b,3,nan", *rows[4:]]
    (line,) = check_manifest(table(tmp_path, *doubtful, header=header), CacheSettings()).doubts
    assert "column 'lab_b': 'nan' is no number" in line
    assert "leave it empty, and with it all of that row's columns that are one modality with it, such as 'lab'" in line
    mended = table(tmp_path, *rows[:3], "3,train,b,,", *rows[4:], header=header)
    assert check_manifest(mended, CacheSettings()).doubts == []
    assert read_manifest(mended, only=("lab",)).present(["lab"]).sum() == 7


def test_samples_on_both_sides_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By all modalities: numbers, texts, and files with their rows."""
    np.save(tmp_path / "pose.npy", np.arange(12.0).reshape(4, 3))
    header = "id,split,label,age,say,pose"
    rows = ["a,train,x,1,hello,pose.npy#0", "b,train,y,1,hello,pose.npy#1", "c,test,x,1,hello,pose.npy#2"]
    assert not doubts_of(read_manifest(table(tmp_path, *rows, header=header)))
    twins = [*rows, "d,test,y,1,hello,pose.npy#1"]
    code, out, _ = said(capsys, table(tmp_path, *twins, header=header))
    assert code == 0
    assert "1 of 2 test samples are training samples, too, the same in age, say, pose: 'd' is 'b'" in out
    assert len(doubts_of(read_manifest(tmp_path, only=["say", "pose"]))) == 1


def test_sequences_and_clips_on_both_sides_are_said(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    steps = [random.normal(size=(3 + row, 200)) for row in range(4)]
    labels, splits = ["x", "y", "x", "y"], [False, False, True, True]
    assert not doubts_of(from_arrays({"wrist": steps}, labels, splits=splits))
    (line,) = doubts_of(from_arrays({"wrist": [*steps[:3], steps[1]]}, labels, splits=splits, ids=list("abcd")))
    assert "'d' is 'b'" in line
    almost = steps[1].copy()
    almost[0, 1] += 1  # which is none of the numbers that are compared at first
    assert not doubts_of(from_arrays({"wrist": [*steps[:3], almost]}, labels, splits=splits))
    write_video(tmp_path / "a.mp4")
    rows = ["a,train,x,a.mp4,0,0.2", "b,train,y,a.mp4,0.2,0.4", "c,test,x,a.mp4,0.4,0.6", "d,test,y,a.mp4,0.2,0.4"]
    header = "id,split,label,face,start,end"
    (line,) = doubts_of(read_manifest(table(tmp_path, *rows, header=header)))
    assert "'d' is 'b'" in line
    assert not doubts_of(read_manifest(table(tmp_path, *rows[:3], header=header)))


def test_numbers_that_occur_again_and_again_are_no_doubt() -> None:
    ages = np.random.default_rng(0).integers(20, 60, size=(400, 1))
    labels, splits = np.arange(400) % 2, np.arange(400) >= 300
    assert not doubts_of(from_arrays({"age": ages}, labels, splits=splits))
    rare, there = np.random.default_rng(1).normal(size=(400, 3)), np.arange(400) % 9 == 0
    assert not doubts_of(from_arrays({"age": ages, "scan": rare}, labels, splits=splits, present={"scan": there})), (
        "where samples lack what would tell them apart"
    )


def copied(values: NDArray[Any], measured: int) -> list[str]:
    splits = np.arange(len(values)) >= len(values) - measured
    return repeated_samples(from_arrays({"x": values}, np.arange(len(values)) % 2, splits=splits))


@pytest.mark.parametrize(
    ("sizes", "samples", "measured"),
    [
        ((72, 2, 5), 500, 150),
        ((72, 2, 50), 500, 150),
        ((300,), 1000, 600),
        ((30, 30), 1000, 970),
        ((2,) * 20, 400, 100),
    ],
    ids=str,
)
def test_tables_of_few_values_are_alike_by_chance(sizes: Sequence[int], samples: int, measured: int) -> None:
    alarms = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        values = np.stack([random.integers(size, size=samples) for size in sizes], 1)
        alarms += bool(copied(values.astype(np.float32), measured))
    assert alarms <= 3


def test_copies_in_a_table_are_said_beside_rows_that_are_alike_by_chance() -> None:
    values = np.random.default_rng(0).integers(2, size=(400, 12)).astype(np.float32)
    assert not copied(values, 100)
    values[300:360] = values[:60]
    assert len(copied(values, 100)) == 1


@pytest.mark.parametrize("shape", [(64, 64), (64, 30), (64, 64, 3), (65, 65)])
def test_copies_with_a_constant_border_are_said(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random((40, *shape)).astype(np.float32)
    values[:, :, 0] = 0
    assert not copied(values, 10)
    values[30] = values[3]
    (line,) = copied(values, 10)
    assert line.startswith("1 of 10 test samples are training samples, too, the same in x: '30' is '3'")
    values[30, -1, -1] += 1
    assert not copied(values, 10)


def test_minus_one_as_a_number_is_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["1,train,-1,1", "2,train,-1,2", "3,train,7.5,3", "4,test,-1,4"]
    manifest = table(tmp_path, *rows, header="id,split,label,age")
    code, out, _ = said(capsys, manifest, "--task", "regression")
    assert code == 0
    assert "label is -1 for 2 of 3 labelled training samples and above 0 for all others" in " ".join(out.split())
    assert "is -1 for" not in said(capsys, manifest)[1], "of classes"


def test_every_unreadable_file_is_named_and_the_rest_is_told_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = good(tmp_path)
    for number in range(3):
        (tmp_path / f"z{number}.mp4").write_bytes(b"")
        rows.append(f"z{number},train,left,z{number}.mp4,,,")
    code, out, error = said(capsys, table(tmp_path, *rows), "--cache", "raw")
    assert code == 2
    assert error.count("\n") == 1
    assert "z0.mp4" in error
    assert "(and 2 more, listed above)" in error
    assert all(f"row {5 + number}, column 'face': {tmp_path}/z{number}.mp4: cannot" in out for number in range(3))
    assert "face video train 5 0 3" in out
    assert "Decoded: 4; already there: 0." in out, "a broken file does not hold up the others"


def test_a_file_that_ends_early_is_an_error_only_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = good(tmp_path)
    halved(write_video(tmp_path / "z.mp4", frames=120, faststart=True))
    first("z.mp4", 3)(tmp_path, rows)
    path = table(tmp_path, *rows)
    code, out, error = said(capsys, path)
    assert (code, error) == (0, "")
    assert "z.mp4: ends after" in out
    code, _, error = said(capsys, path, "--strict")
    assert code == 2
    assert "row 2, column 'face': " in error
    assert "z.mp4: ends after" in error


def test_a_segment_after_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "a.mp4")
    path = table(tmp_path, "1,train,x,a.mp4,0.5,1", "2,train,x,a.mp4,7,9", header="id,split,label,face,start,end")
    code, out, error = said(capsys, path)
    assert code == 2
    assert "row 3, column 'face'" in error
    assert "begins at 7 s, the file ends at 1.60 s" in error
    assert "face video train 2 0 1 0:00:00 0.50 s" in out


def test_outside_files_where_they_are_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "a.mp4")
    (tmp_path / "inside").mkdir()
    path = table(tmp_path / "inside", "1,train,x,../a.mp4", header="id,split,label,face")
    assert said(capsys, path)[0] == 2
    assert said(capsys, path, "--allow-outside", "--cache", "jpeg")[0] == 0
    assert len(list((tmp_path / "inside/cache/video").iterdir())) == 1


def test_the_cache_s_size_is_told_before_it_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, *good(tmp_path))
    code, out, _ = said(capsys, path, "--cache", "raw", "--short-side", "24", "--rate", "16000", "--workers", "2")
    assert code == 0
    before, _, after = out.partition("Decoded: 4; already there: 0.")
    assert before
    assert not after
    frames, samples = 90 * 32 * 24 * 3, 4 * 16000 * (1.66 + 0.5)
    assert f"Cache: 4 files, about {(frames + samples) / 2**20:.1f} MiB" in before
    size = sum(part.stat().st_size for part in (tmp_path / "cache").rglob("*.part"))
    assert size == pytest.approx(frames + samples, rel=0.1)
    assert (
        "Decoded: 0; already there: 4."
        in said(capsys, path, "--cache", "raw", "--short-side", "24", "--rate", "16000")[1]
    )
    for mistake in (["--workers", "0"], ["--short-side", "-1"], ["--cache", "gif"]):
        assert said(capsys, path, *mistake)[0] == 2


def test_a_cache_that_is_killed_again_and_again_ends_as_one_never_killed(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames=[bars(n, 160, 120) for n in range(60)]).read_bytes()
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        for number in range(24):
            (tmp_path / name / f"{number}.mp4").write_bytes(video)
        table(tmp_path / name, *(f"{n},train,x,{n}.mp4" for n in range(24)), header="id,split,label,face")
    assert main(["prepare", "manifest", str(tmp_path / "whole"), "--cache", "jpeg"]) == 0
    kills = 0
    for parts in (1, 12):
        process = start_command("prepare", "manifest", tmp_path / "killed", "--cache", "jpeg")
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline:
            if len(list((tmp_path / "killed/cache/video").glob("*.part"))) >= parts:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.004)
        kills += process.result()[0] == -signal.SIGKILL
    assert kills >= 1, "the machine is too fast for this test: give it more files"
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.part")}
    assert len(done) < 24
    assert main(["prepare", "manifest", str(tmp_path / "killed"), "--cache", "jpeg"]) == 0
    assert all(path.stat().st_mtime_ns == before for path, before in done.items()), "what was done is kept"
    names = [sorted(path.name for path in (tmp_path / name / "cache").rglob("*")) for name in ("killed", "whole")]
    assert names[0] == names[1]
    assert not [name for name in names[0] if name.endswith(".partial")]


@pytest.mark.parametrize("kind", ["video", "audio"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_cache_of_the_same_files_is_told_to_wait(
    kind: MediaKind, workers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, *good(tmp_path))
    part = CacheFolder(tmp_path).part(tmp_path / "a.mp4", kind)
    part.parent.mkdir(parents=True)
    with written_whole(part):
        code, _, error = said(capsys, path, "--cache", "jpeg", "--workers", workers)
    assert code == 2
    assert f"{tmp_path / 'cache'}: cannot write: another process is writing it; wait until it has ended" in error


def spread_and_wait(workers: int) -> None:
    """Say which processes work, and then give them nothing more to do."""
    for pid in spread(worker, range(4 * workers), workers):
        print(pid, flush=True)
    for _ in spread(worker_that_waits, range(workers + 1), workers):
        pass


def worker(number: int) -> int:
    return os.getpid()


def worker_that_waits(number: int) -> None:
    print("waits", flush=True)
    time.sleep(0 if number == 0 else SLOW)


def test_processes_that_decode_end_with_the_one_that_began_them(tmp_path: Path) -> None:
    """Its own output ends when the last process that holds it is gone."""
    with start(spread_and_wait, 2, folder=tmp_path) as process:
        assert {process.stdout.readline() for _ in range(8)} - {f"{process.pid}\n"}
        assert process.stdout.readline() == process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGKILL)
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        reader.start()
        reader.join(60)
        assert not reader.is_alive(), "processes live on"


def test_a_header_that_is_shorter_than_its_file_is_told_and_an_error_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [30 * number for number in range(10)] + [1000, 2000, 3000, 4000, 5000]
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames=[bars(number, 32, 32) for number in range(15)], times=times)
    path = table(tmp_path, "1,train,x,a.mp4", "2,test,x,b.mp4", header="id,split,label,face")
    code, out, _ = said(capsys, path)
    assert code == 0
    assert "a.mp4: its header says 3.10 seconds, but it goes on to 5.36, and all of it is read" in out
    assert "5.36 s" in out
    code, _, error = said(capsys, path, "--strict")
    assert code == 2
    assert "row 2, column 'face'" in error


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("imu_x,imu_y,age", ("1,2,3", "4,5,6"), [("imu", "2 numbers"), ("age", "number")]),
        ("imu_x,age,imu_y", ("1,2,3", "4,5,"), [("imu_x", "number"), ("age", "number"), ("imu_y", "number")]),
        ("imu_x,imu_y,imu", ("1,2,3", "4,5,6"), [("imu_x", "number"), ("imu_y", "number"), ("imu", "number")]),
        ("imu_x,imu_acc_x,imu_acc_y", ("1,2,3", "4,5,6"), [("imu_x", "number"), ("imu_acc", "2 numbers")]),
        ("imu_x,imu_y,imu_acc_x", ("1,2,3", "4,5,6"), [("imu", "3 numbers")]),
        ("say_x,say_y", ("1,hello", "2,you"), [("say_x", "number"), ("say_y", "text")]),
        ("pixel0,w400,pixel1", ("1,2,3", "4,5,6"), [("pixel", "2 numbers"), ("w400", "number")]),
        ("acc.x,acc.y,t 1,t 2", ("1,2,3,4",), [("acc", "2 numbers"), ("t", "2 numbers")]),
        ("is_dark red,is_blue,at2", ("1,0,3", "0,1,6"), [("is", "2 numbers"), ("at2", "number")]),
        ("a_x,a_y,a-x,a1", ("1,2,3,4",), [("a_x", "number"), ("a_y", "number"), ("a-x", "number"), ("a1", "number")]),
        ("p9,p10,p11,w400.5,w401", ("1,2,3,4,5",), [("p", "3 numbers"), ("w", "2 numbers")]),
        ("label1,label2,id_1,id_2", ("1,2,3,4",), [(name, "number") for name in ("label1", "label2", "id_1", "id_2")]),
        ("imu_x1,imu_x2,imu_y1", ("1,2,3", "4,5,6"), [("imu_x", "2 numbers"), ("imu_y1", "number")]),
        ("say_x,say_y,say_z:text", ("1,2,3", "4,5,6"), [("say", "2 numbers"), ("say_z", "text")]),
    ],
)
def test_columns_of_numbers_that_are_read_as_one_are_counted_as_one(
    header: str, rows: tuple[str, ...], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Where their gaps are alike and the name would stand for no other column; else each by itself."""
    lines = [f"{row},train,{'ab'[row]},{cells}" for row, cells in enumerate(rows)]
    checked = check_manifest(table(tmp_path, *lines, header=f"id,split,label,{header}"), CacheSettings())
    assert [(count.modality, count.kind) for count in checked.counts] == expected
    sizes = {name: int(kind.split()[0]) for name, kind in expected if kind.endswith("numbers")}
    assert all(read_manifest(tmp_path, only=[name]).shapes[name] == (size,) for name, size in sizes.items())


def test_a_name_that_is_none_is_answered_with_names_that_are(tmp_path: Path) -> None:
    path = table(tmp_path, "1,train,a,1,2,3", header="id,split,label,imu_x,imu_y,age")
    with pytest.raises(InputError, match=r"no modality 'emu'; found imu, age$"):
        read_manifest(path, only=["emu"])


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("classification", ["0", "0.0", "1"], "'0' and '0.0' are taken for 2 classes; spell them alike where they are"),
        ("classification", ["cat", "Cat", "CAT"], "'CAT' and 'Cat' and 'cat' are taken for 3 classes"),
        ("multilabel", ["dog;cat", "Dog", "cat"], "'Dog' and 'dog' are taken for 2 labels"),
        ("classification", ["a\u0308b", "\u00e4b"], r"'a\u0308b' and '\xe4b' are taken for 2 classes"),
        ("classification", ["\u22121", "-1", "1"], "'-1' and '\u22121' are taken for 2 classes"),
        ("classification", ["a1", "a01", "a10"], "'a01' and 'a1' are taken for 2 classes"),
        ("classification", ["1", "10", "100"], ""),
        ("classification", ["v1.05", "v1.5", "v1.005"], ""),
        ("classification", ["m2", "m\u00b2", "x"], ""),
        ("regression", ["0", "0.0", "1"], ""),
    ],
)
def test_classes_that_may_be_one_are_said(
    task: str, labels: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{row},train,{label},{row}" for row, label in enumerate(labels)]
    code, out, _ = said(capsys, table(tmp_path, *rows, header="id,split,label,age"), "--task", task)
    assert code == 0
    assert expected in out if expected else "taken for" not in out


def test_an_empty_cell_beside_numbers_of_one_modality_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the words that training has for it, where it reads them together; each by itself may have gaps."""
    rows = ["1,train,a,1,2,3,9", "2,train,b,1,,3,", "3,train,a,,,,", "4,train,b,,,3,9"]
    path = table(tmp_path, *rows, header="id,split,label,b_0,b_1:number,b_2,age")
    code, out, _ = said(capsys, path)
    together = "a sample has b_0, b_1:number, b_2 all together, or lacks them all"
    assert code == 0
    assert "row 3, column 'b_1:number': empty cell beside filled ones, in 2 rows; as one" in out
    assert f"as one modality, 'b', {together}: fill it; only a column that is a modality of its own" in out
    with pytest.raises(InputError, match=f"row 3, column 'b_1:number': expected a number, found ''; {together}"):
        read_manifest(path, only=["b"])
    assert read_manifest(path, only=["b_1"]).present(["b_1"]).tolist() == [True, False, False, False]
    code, out, _ = said(capsys, table(tmp_path, *rows[::2], header="id,split,label,b_0,b_1,b_2,age"))
    assert (code, "empty cell" in out) == (0, False)


def test_a_table_that_no_method_can_train_on_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be looked through before anybody has labelled it."""
    rows = ["split,label,x_a,x_b", *(f"train,,{row},{row * 2}" for row in range(4)), "test,a,1,2", "test,b,3,4"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    assert main(["prepare", "manifest", str(tmp_path / "manifest.csv")]) == 0
    assert "no sample of split 'train' has a label, and every method learns from some: fill a few" in " ".join(
        capsys.readouterr().out.split()
    )
