from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdistill.data import check_values, read_manifest
from crossdistill.types import InputError

HEADER = ["id", "split", "label", "fold", "group", "caption", "thumbnail", "lips", "video"]


def rows() -> list[list[str]]:
    splits = ["train", "train", "validation", "test"]
    return [
        [f"s{i}", splits[i], "b" if i % 2 else "a", str(i % 2), f"g{i // 2}", f"clip, {i}", f"t.npy#{i}",
         f"clips/{i}.npy", f"video.npy#{3 - i}"]
        for i in range(4)
    ]  # fmt: skip


def write(folder: Path, lines: list[list[str]], header: list[str] = HEADER) -> Path:
    """Four samples: `lips` sequences of their own, `video` as rows of one array (in reverse), pictures."""
    generator = np.random.default_rng(0)
    (folder / "clips").mkdir(exist_ok=True)
    for i in range(4):
        np.save(folder / "clips" / f"{i}.npy", generator.normal(size=(2 + i, 3)).astype(np.float16))
    np.save(folder / "video.npy", np.arange(4 * 2 * 5, dtype=np.uint8).reshape(4, 2, 5))
    np.save(folder / "t.npy", generator.integers(0, 255, (4, 6, 6, 3), dtype=np.uint8))
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return folder / "manifest.csv"


def changed(row: int, column: str, cell: str) -> list[list[str]]:
    lines = rows()
    lines[row][HEADER.index(column)] = cell
    return lines


def test_what_the_manifest_says_is_what_is_read(tmp_path: Path) -> None:
    write(tmp_path, rows())
    dataset = read_manifest(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.ids == ("s0", "s1", "s2", "s3")
    assert dataset.classes == ("a", "b")
    assert dataset.labels.tolist() == [0, 1, 0, 1]
    assert dataset.splits.tolist() == ["train", "train", "validation", "test"]
    assert dataset.folds.tolist() == [0, 1, 0, 1]
    assert dataset.groups.tolist() == ["g0", "g0", "g1", "g1"]
    assert dataset.captions == ("clip, 0", "clip, 1", "clip, 2", "clip, 3")
    assert np.array_equal(dataset.pictures, np.load(tmp_path / "t.npy"))
    assert dataset.shapes == {"lips": (-1, 3), "video": (2, 5)}
    batch = dataset.__getitems__([3, 0])
    assert batch.modalities["video"][:, 0, 0].tolist() == [0, 30]
    assert batch.modalities["lips"].lengths.tolist() == [5, 2]
    assert np.array_equal(batch.modalities["lips"].values[0].numpy(), np.load(tmp_path / "clips" / "3.npy"))
    check_values(dataset)


def test_optional_columns_may_be_absent_or_partly_empty(tmp_path: Path) -> None:
    lines = [[line[0], line[1], line[2], "" if i else "7", "", line[8]] for i, line in enumerate(rows())]
    write(tmp_path, lines, ["id", "split", "label", "fold", "group", "video"])
    dataset = read_manifest(tmp_path)
    assert dataset.folds.tolist() == [7, -1, -1, -1]
    assert dataset.groups.tolist() == list(dataset.ids)
    write(tmp_path, [[*line[:3], line[8]] for line in rows()], ["id", "split", "label", "video"])
    dataset = read_manifest(tmp_path)
    assert dataset.folds.tolist() == [-1] * 4
    assert dataset.groups.tolist() == list(dataset.ids)
    assert dataset.captions == ()
    assert dataset.pictures.shape == (0, 0, 0, 3)


def test_folds_with_gaps_are_fractions_in_parquet(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(3, 2))
    columns = {"id": ["1", "2", "3"], "split": ["train"] * 3, "label": ["a"] * 3, "fold": [1, None, 0]}
    frame = pd.DataFrame({**columns, "a": ["a.npy#0", "a.npy#1", "a.npy#2"]})
    frame.to_parquet(tmp_path / "manifest.parquet")
    assert read_manifest(tmp_path).folds.tolist() == [1, -1, 0]


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    path = write(tmp_path, rows())
    expected = read_manifest(path)
    frame = pd.DataFrame(rows(), columns=HEADER).astype({"fold": "int64"})
    path.unlink()
    frame.to_parquet(tmp_path / "manifest.parquet")
    found = read_manifest(tmp_path)
    for name in ("ids", "classes", "captions"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("labels", "splits", "groups", "folds", "pictures"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    frame.loc[2, "label"] = None
    frame.to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match=r"manifest.parquet row 3, column 'label': empty"):
        read_manifest(tmp_path)


def test_the_index_that_pandas_keeps_is_no_modality(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    cells = {"id": [1, 2, 3, 4], "split": "train", "label": "a", "x": ["x.npy#0", "x.npy#1", "x.npy#2", "x.npy#0"]}
    frame = pd.DataFrame(cells).query("id != 2")
    frame.to_parquet(tmp_path / "manifest.parquet")
    assert pq.read_schema(tmp_path / "manifest.parquet").names[-1] == "__index_level_0__"
    assert list(read_manifest(tmp_path).columns) == ["x"]


def test_whole_number_labels_are_ordered_by_value_and_spreadsheet_habits_are_read(tmp_path: Path) -> None:
    lines = rows()
    for line, label in zip(lines, ["10", "9", "9", "10"], strict=True):
        line[2] = f" {label} "
    path = write(tmp_path, lines)
    text = path.read_text(encoding="utf-8").replace("\r\n", "\r\n\r\n")  # blank lines
    path.write_text("\ufeff" + text, encoding="utf-8", newline="")
    dataset = read_manifest(path)
    assert dataset.classes == ("9", "10")
    assert dataset.labels.tolist() == [1, 0, 0, 1]


def test_labels_that_look_like_missing_values_are_labels(tmp_path: Path) -> None:
    lines = rows()
    for line in lines:
        line[2] = {"a": "NA", "b": "null"}[line[2]]
    assert read_manifest(write(tmp_path, lines)).classes == ("NA", "null")


@pytest.mark.parametrize(
    ("row", "column", "cell", "message"),
    [
        (1, "id", "s0", "row 3, column 'id': 's0' is already the id of row 2"),
        (1, "id", "", "row 3, column 'id': empty cell"),
        (2, "split", "dev", "row 4, column 'split': expected train, validation, test; found 'dev'"),
        (3, "split", "", "row 5, column 'split': empty cell"),
        (2, "label", "", "row 4, column 'label': empty cell in split validation; only training samples may lack"),
        (3, "label", "c", "row 5, column 'label': class 'c' is in test but never in train$"),
        (3, "label", "-1.5", "class '-1.5' is in test but never in train; numbers .* need data.task regression"),
        (1, "fold", "one", "row 3, column 'fold': expected a whole number from 0, found 'one'"),
        (1, "fold", "-2", "row 3, column 'fold'"),
        (2, "lips", "clips/9.npy", "row 4, column 'lips': file not found: .*9.npy"),
        (2, "lips", "clips/2.wav", "row 4, column 'lips': expected a path such as a.npy or a.npy#17, found"),
        (2, "lips", f"{'a' * 300}.npy", r"row 4, column 'lips': 'aaa[a.]*.npy' names no file: File name too long"),
        (2, "lips", "a\0.npy", "row 4, column 'lips': .*names no file: embedded null byte"),
        (2, "lips", "loop/a.npy", "row 4, column 'lips': .*names no file: "),
        (2, "lips", "0.53", "row 4, column 'lips': expected a path"),
        (2, "lips", "video.npy#0", "row 4, column 'lips': .*expected a row .* in all cells or in none"),
        (2, "lips", "clips", "row 4, column 'lips': expected a path"),
        (2, "lips", "video.npy", r"row 4, column 'lips': .*\(time, 3\).*found \(4, 2, 5\)"),
        (1, "video", "video.npy#4", r"row 3, column 'video': row out of range: expected #0 to #3, found video.npy#4"),
        (1, "video", "video.npy#-1", "row 3, column 'video': expected a path"),
        (1, "video", "video.npy", "row 3, column 'video': .*in all cells or in none"),
        (1, "video", "missing.npy#0", "row 3, column 'video': file not found"),
        (1, "video", "clips/0.npy#0", r"row 3, column 'video': .*\(rows, 2, 5\), found \(2, 3\)"),
        (1, "thumbnail", "", "row 3, column 'thumbnail': empty"),
        (1, "thumbnail", "t.npy#4", "row 3, column 'thumbnail': row out of range"),
        (1, "thumbnail", "t.npy", "row 3, column 'thumbnail': .*in all cells or in none"),
    ],
)
def test_mistakes_in_a_cell_are_named_by_row_and_column(
    tmp_path: Path, row: int, column: str, cell: str, message: str
) -> None:
    path = write(tmp_path, changed(row, column, cell))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=message) as error:
        read_manifest(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [object, "U3", "c8", "M8[s]"])
def test_files_of_other_than_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path, rows())
    np.save(tmp_path / "clips" / "1.npy", np.zeros((3, 3)).astype("i8").astype(dtype), allow_pickle=True)
    with pytest.raises(InputError, match=r"row 3, column 'lips'.*numbers"):
        read_manifest(path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 an archive", b"text, not numbers" * 20])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, rows())
    (tmp_path / "video.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"row 2, column 'video': cannot read .*video.npy"):
        read_manifest(path)


@given(st.floats(0, 0.999))
def test_truncated_files_are_refused_wherever_they_end(tmp_path_factory, part: float) -> None:
    path = write(tmp_path_factory.mktemp("cut"), rows())
    whole = (path.parent / "clips" / "2.npy").read_bytes()
    (path.parent / "clips" / "2.npy").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match="row 4, column 'lips': cannot read"):
        read_manifest(path)


def test_nan_in_a_file_is_named_when_fetched_and_when_checked(tmp_path: Path) -> None:
    path = write(tmp_path, rows())
    np.save(tmp_path / "clips" / "2.npy", np.array([[0, 1, np.nan]]))
    dataset = read_manifest(path)
    dataset.__getitems__([0, 1, 3])
    for read in (lambda: dataset.__getitems__([0, 2]), lambda: check_values(dataset)):
        with pytest.raises(InputError, match=r"row 4, column 'lips': .*2\.npy: NaN or infinity"):
            read()


def test_nan_throughout_a_sample_is_told_how_to_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path, rows())
    video = np.load(tmp_path / "video.npy").astype("f4")
    empty_cell = "NaN or infinity .* where the sample lacks the modality, leave the cell empty"
    for hole, advice in ((slice(None), empty_cell), (slice(1), "replace or drop these values")):
        clip, videos = np.ones((4, 3), "f4"), video.copy()
        clip[hole], videos[1][hole] = np.nan, np.nan
        np.save(tmp_path / "clips" / "2.npy", clip)
        np.save(tmp_path / "video.npy", videos)
        for name in ("lips", "video"):
            dataset = read_manifest(path, only=[name])
            for read in (lambda given: given.__getitems__(range(len(given))), check_values):
                with pytest.raises(InputError, match=rf"column '{name}'.*{advice}"):
                    read(dataset)


@pytest.mark.parametrize(
    "pictures", [np.zeros((4, 6, 6, 3)), np.zeros((4, 6, 6, 4), np.uint8), np.zeros((4, 9), np.uint8)]
)
def test_thumbnails_must_be_rgb_bytes(tmp_path: Path, pictures: np.ndarray) -> None:
    path = write(tmp_path, rows())
    np.save(tmp_path / "t.npy", pictures)
    with pytest.raises(InputError, match=r"column 'thumbnail': .*uint8"):
        read_manifest(path)


def without(column: str, folder: Path) -> Path:
    keep = [i for i, name in enumerate(HEADER) if name != column]
    return write(folder, [[line[i] for i in keep] for line in rows()], [HEADER[i] for i in keep])


@pytest.mark.parametrize(("column", "said"), [("split", "train, validation, test"), ("label", "empty for none")])
def test_missing_columns_are_named(tmp_path: Path, column: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"no column '{column}' \(.*{said}.*\); found id, "):
        read_manifest(without(column, tmp_path))


def test_samples_without_ids_are_called_by_their_place(tmp_path: Path) -> None:
    named, unnamed = read_manifest(write(tmp_path, rows())), read_manifest(without("id", tmp_path))
    assert unnamed.ids == tuple(f"manifest.csv#{row}" for row in range(len(named)))
    assert unnamed.labels.tolist() == named.labels.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("id,split,label,x\n", "empty"),
        ("id,split,label\na,train,b\n", "no modality column; found id, split, label"),
        ("id,split,label,x,x\na,train,b,x.npy,x.npy\n", "row 1: expected distinct column names, found 'x' twice"),
        ("id,split,label,x\na,train,b,x.npy\na,train\n", "row 3: expected 4 cells as in the header, found 2"),
        ("id,split,label,x\na,train,b,x.npy,\n", "row 2: expected 4 cells as in the header, found 5"),
        ("id;split;label;x\na;train;b,c;x.npy\n", "row 1: expected commas between the cells, found semicolons"),
        ("id\tsplit\tlabel\tx\na\ttrain\tb\tx.npy\n", "row 1: expected commas between the cells, found tabs"),
        ('id,split,label,x\na,train,"b', "row 2: expected UTF-8 text, comma-separated: a quote is not closed"),
        ("id,split,label,x\na,train,b\0,x.npy\n", r"row 2, column 'label': .* without zero characters, found 'b.x00'"),
        ("id,split,label,x,group\na,train,b,x.npy,g\0\n", "row 2, column 'group': .* without zero characters"),
        (
            'id,split,label,x\na,train,b,x.npy\nc,train,d,"' + "x.npy\n" * 30_000,
            "row 3: expected cells of at most 131,072 characters.*a quote may not be closed",
        ),
        ("id,split,label,x y\na,train,b,x.npy\n", "'x y': expected ASCII letters"),
        ("sep=,\nid,split,label,x\na,train,b,x.npy\n", "row 1: expected the names of the columns, found 'sep=', which"),
        ("sep=;\nid;split;label;x\n", "row 1: expected the names of the columns, found 'sep=;', which"),
        ("\nid,split,label,x\na,train,b,x.npy\n", "row 1: expected the names of the columns, found an empty line"),
        ("id,split,label,x\na,train,b,d\\\\x.npy\n", r"file not found: .*x.npy; write / in place of .$"),
        (
            "id,split,label,acc x,acc y\na,train,b,1,2\nc,train,b,NA,2\nd,train,b,1,3\n",
            "row 3, column 'acc x': 'NA' is",
        ),
        ("id,split,label,acc x,acc y\na,train,b,1%,2\nc,train,b,2%,2\n", "row 2, column 'acc x': '1%' is no number"),
        ("id,split,label,x,\na,train,b,x.npy,hello\n", "row 1: expected a name for each column, found '' for column 5"),
    ],
)
def test_mistakes_in_the_table(tmp_path: Path, text: str, message: str) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest.csv or manifest.parquet in this folder, found neither"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="manifest not found"):
        read_manifest(tmp_path / "manifest.csv")
    (tmp_path / "table.xlsx").touch()
    with pytest.raises(InputError, match=r"ends in \.csv or \.parquet"):
        read_manifest(tmp_path / "table.xlsx")
    (tmp_path / "manifest.csv").write_bytes("id,split,label,é\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="found both"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").unlink()
    with pytest.raises(InputError, match="cannot read it as Parquet"):
        read_manifest(tmp_path)


def test_a_parquet_label_that_is_not_a_number_is_no_label(tmp_path: Path) -> None:
    """pyarrow keeps NaN apart from null, and str() would make it a class."""
    import pyarrow as pa
    import pyarrow.parquet

    np.save(tmp_path / "x.npy", np.eye(4))
    cells = {
        "id": ["a", "b", "c", "d"],
        "split": ["train"] * 4,
        "label": [1.5, float("nan"), 2.5, None],
        "x": [f"x.npy#{row}" for row in range(4)],
        "group": [1.0, float("nan"), 1.0, 2.0],
    }
    pa.parquet.write_table(pa.table(cells), tmp_path / "manifest.parquet")
    dataset = read_manifest(tmp_path)
    assert dataset.classes == ("1.5", "2.5")
    assert dataset.labels.tolist() == [0, -1, 1, -1]
    assert dataset.groups.tolist() == ["1", "b", "1", "2"], "whole numbers are fractions in a column with gaps"


@pytest.mark.parametrize("before", [0, 1, 5000])
def test_a_byte_that_is_no_text_is_found_in_its_row(tmp_path: Path, before: int) -> None:
    """Text is decoded thousands of rows ahead of them; a cell of several lines is in one row."""
    good = 'x,train,caf\u00e9,"1\n"\n' * before
    text = f"id,split,label,a\n{good}".encode() + b"x,train,caf\xe9,2\n" + b"x,train,other,3\n" * 9
    (tmp_path / "manifest.csv").write_bytes(text)
    with pytest.raises(
        InputError, match=f"manifest.csv row {before + 2}: expected UTF-8 text, found the byte 0xe9; save"
    ):
        read_manifest(tmp_path)


def test_arrays_in_files_with_a_hash_in_their_names(tmp_path: Path) -> None:
    (tmp_path / "x#y").mkdir()
    for name in ("x#y/0.npy", "x#y/1.npy", "a#0.npy", "a#1.npy", "q#q.npy"):
        np.save(tmp_path / name, np.full((2, 3), len(name)))
    lines = [f"{row},train,a,x#y/{row}.npy,a#{row}.npy,q#q.npy#{row}" for row in range(2)]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,split,label,deep,flat,row", *lines]))
    assert read_manifest(tmp_path).shapes == {"deep": (2, 3), "flat": (2, 3), "row": (3,)}


def test_a_word_that_is_no_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task: expected one of .*, multilabel, regression, found 'multi-label'"):
        read_manifest(write(tmp_path, rows()), task="multi-label")  # type: ignore[arg-type]
