"""`crossdistill predict` on real files: who is read, who is not, and what a shell script sees."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len

from crossdistill.cli.main import main
from crossdistill.cli.predictions_file import CsvWriter
from crossdistill.data import from_arrays
from crossdistill.data.given.tables import _filled
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import DataSettings, ModelSettings
from crossdistill.runs.run import run
from crossdistill.student import Student, load
from tests.processes import start_command
from tests.runs.small import gestures, recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict") / "run"
    run(recipe(), folder, dataset=gestures())
    return folder


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of a table with the columns b, a and ä, whole numbers."""
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    frame = pd.DataFrame(random.integers(0, 9, size=(40, 3)) + 9 * labels[:, None], columns=["b", "a", "ä"])
    made = replace(
        recipe(),
        method="baseline",
        data=DataSettings("x", ("watch",), ()),
        model=ModelSettings(width=8, encoders={"watch": EncoderSettings("mlp", {"width": 8, "hidden": 8})}),
    )
    folder = tmp_path_factory.mktemp("table") / "run"
    run(made, folder, dataset=from_arrays({"watch": frame}, np.array(["nö", "ja"])[labels], splits=np.arange(40) >= 30))
    return folder


def sequences(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=(length, 3)) for length in lengths]


def assert_predicts(table: pd.DataFrame, student: Student, given: list[np.ndarray]) -> None:
    """The table's rows are what `Student.predict_proba` says."""
    shares = table[[f"p_{name}" for name in student.classes]].to_numpy()
    np.testing.assert_allclose(shares, student.predict_proba(given), atol=1e-6)
    assert table["prediction"].tolist() == student.predict(given).tolist()
    np.testing.assert_allclose(table["probability"], shares.max(1))


def test_a_folder_whose_broken_files_are_rows_with_an_error(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = sequences(3, 5, 9)
    (tmp_path / "in/deep").mkdir(parents=True)
    for name, values in zip(("a2", "deep/a1", "a10"), given, strict=True):
        np.save(tmp_path / f"in/{name}.npy", values)
    (tmp_path / "in/broken.npy").write_bytes(b"no array")
    np.save(tmp_path / "in/nan.npy", np.full((4, 3), np.nan))
    np.save(tmp_path / "in/wide.npy", np.zeros((4, 5)))
    (tmp_path / "in/notes.md").write_text("x")
    out = tmp_path / "out.csv"
    assert main(["predict", str(trained), str(tmp_path / "in"), "--out", str(out)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "wrist from .npy; 1 other files left out" in said
    assert "3 of 6 samples predicted, 3 could not be read" in said
    table = pd.read_csv(out)
    read = table[table["error"].isna()]
    assert [Path(key).stem for key in read["id"]] == ["a2", "a10", "a1"]
    assert_predicts(read, load(trained), [given[0], given[2], given[1]])
    errors = dict(zip(table["id"].map(lambda key: Path(key).stem), table["error"], strict=True))
    assert "whole .npy file" in errors["broken"]
    assert "NaN" in errors["nan"]
    assert "(4, 5)" in errors["wide"]
    assert table[table["error"].notna()].drop(columns=["id", "error"]).isna().all(axis=None)


def test_arrays_of_many_rows_in_parts(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("chunks", "tables"):
        monkeypatch.setattr(f"crossdistill.data.given.{module}.CHUNK", 4)
    values = np.random.default_rng(0).normal(size=(11, 6, 3))
    values[5, 0, 0] = np.inf
    np.save(tmp_path / "b.npy", values)
    lengths = np.array([1, 6, 2] * 3)
    np.savez(tmp_path / "c.npz", wrist=values[:9].clip(-9, 9), wrist_lengths=lengths)
    out = tmp_path / "out.parquet"
    arguments = [str(trained), str(tmp_path / "b.npy"), str(tmp_path / "c.npz"), "--batch-size", "3", "--out", str(out)]
    assert main(["predict", *arguments]) == 1
    table = pd.read_parquet(out)
    assert table["id"].tolist() == [f"{tmp_path}/b.npy#{row}" for row in range(11)] + [
        f"{tmp_path}/c.npz#{row}" for row in range(9)
    ]
    np.savez(tmp_path / "long.npz", wrist=values[:2].clip(-9, 9), wrist_lengths=np.array([7, 6]))
    assert main(["predict", str(trained), str(tmp_path / "long.npz"), "--out", str(tmp_path / "long.csv")]) == 1
    assert pd.read_csv(tmp_path / "long.csv")["error"].notna().tolist() == [True, False]
    kept = [row for row in range(11) if row != 5]
    assert table.index[table["error"].notna()].tolist() == [5]
    student = load(trained)
    assert_predicts(table.iloc[kept], student, list(values[kept]))
    assert_predicts(table.iloc[11:], student, [x[:n] for x, n in zip(values.clip(-9, 9), lengths, strict=False)])


def test_sequences_without_lengths_are_said(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Padding would be predicted from, where an array of lengths has another name."""
    values = np.random.default_rng(0).normal(size=(3, 6, 3))
    np.savez(tmp_path / "a.npz", wrist=values, lengths=np.array([2, 6, 3]), y=np.zeros(3))
    assert main(["predict", str(trained), str(tmp_path / "a.npz")]) == 0
    line = f"{tmp_path}/a.npz: no wrist_lengths, so all sequences are taken to have 6 steps; not read: lengths, y"
    assert line in capsys.readouterr().out
    np.savez(tmp_path / "b.npz", wrist=values, wrist_lengths=np.array([2, 6, 3]), y=np.zeros(3))
    assert main(["predict", str(trained), str(tmp_path / "b.npz")]) == 0
    assert "no wrist_lengths" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["manifest", "features"])
def test_what_was_trained_on_is_not_counted_with_what_was_not(
    kind: str, trained: Path, table_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest of training has all splits in it."""
    folder, header, cells = trained, "split,label,wrist", [f"x.npy#{row}" for row in range(5)]
    np.save(tmp_path / "x.npy", np.stack(sequences(4, 4, 4, 4, 4)))
    if kind == "features":
        folder, header, cells = table_run, "split,label,b,a,ä", [f"{row},{3 * row},5" for row in range(5)]
    (tmp_path / "samples.csv").write_text("\n".join([header, *(f"test,,{cell}" for cell in cells)]), encoding="utf-8")
    assert main(["predict", str(folder), str(tmp_path / "samples.csv"), "--out", str(tmp_path / "out.csv")]) == 0
    right = pd.read_csv(tmp_path / "out.csv", dtype=str)["prediction"].tolist()
    wrong = next(name for name in load(folder).classes if name != right[2])
    labels, splits = [right[0], right[1], wrong, right[3], ""], ["train", "train", "test", "test", "train"]
    lines = [header, *(",".join(row) for row in zip(splits, labels, cells, strict=True))]
    (tmp_path / "samples.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["predict", str(folder), str(tmp_path / "samples.csv"), "--out", str(tmp_path / "again.csv")]) == 0
    said = capsys.readouterr().out
    assert "Right on 3 of 4 labelled samples (75.0 %)" in said
    assert "\n  train: 2 of 2 (100.0 %)\n  test: 1 of 2 (50.0 %)\n" in said


def test_a_manifest_without_splits_and_its_accuracy(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, student = sequences(4, 4, 2), load(trained)
    np.save(tmp_path / "ab.npy", np.stack(given[:2]))
    np.save(tmp_path / "c.npy", given[2])
    (tmp_path / "c.npy").rename(tmp_path / "c.NPY")  # endings count in capitals, as in training
    right = student.predict(given)
    lines = ["id,label,wrist", f"a,{right[0]},ab.npy#0", "b,strange,ab.npy#1", f"c,{right[2]},c.NPY"]
    lines += ["d,,ab.npy#2", "e,,gone.npy", "f,,", "g,,what?"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    assert main(["predict", str(trained), str(tmp_path), "--out", str(out), "--top", "2"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Right on 2 of 3 labelled samples (66.7 %); labels that the student does not know: 1" in said
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == list("abcdefg")
    assert [row["prediction"] for row in rows[:3]] == right.tolist()
    assert all(row["probability"] >= row["probability_2"] for row in rows[:3])
    for row, problem in zip(rows[3:], ("out of range", "not found", "lacks", "expected a path"), strict=True):
        assert problem in row["error"]
        assert row["prediction"] is None


def test_a_recording_in_an_array_has_no_segments(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", sequences(9)[0])
    for header, rows, said in (
        ("wrist,start", ["x.npy,0", "x.npy,1"], "row 3, column 'wrist': 'x.npy' would be the whole recording"),
        ("wrist,wrist:end", ["x.npy,1"], "row 1: 'wrist:end': an array has no segment"),
    ):
        (tmp_path / "t.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
        assert main(["predict", str(trained), str(tmp_path / "t.csv")]) == 2
        assert said in capsys.readouterr().err


def test_a_table_of_features_by_their_names(table_run: Path, tmp_path: Path) -> None:
    student = load(table_run)
    frame = pd.DataFrame(
        {"id": ["x", "y", "z"], "ä": [1, 12, 3], "b": [2, 11, 5], "a": [0, 14, 2], "other": list("uvw")}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    expected = student.predict_proba(frame[["b", "a", "ä"]])
    for name in ("t.csv", "t.parquet"):
        assert main(["predict", str(table_run), str(tmp_path / name), "--out", str(tmp_path / "out.csv")]) == 0
        table = pd.read_csv(tmp_path / "out.csv")
        assert table["id"].tolist() == ["x", "y", "z"]
        np.testing.assert_allclose(
            table[["p_ja", "p_nö"]], expected[:, [student.classes.index(c) for c in ("ja", "nö")]]
        )
    broken = (tmp_path / "t.csv").read_text(encoding="utf-8").replace("12", "twelve")
    (tmp_path / "t.csv").write_text(broken, encoding="utf-8")
    assert main(["predict", str(table_run), str(tmp_path / "t.csv"), "--out", str(tmp_path / "out.csv")]) == 1
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["error"].isna().tolist() == [True, False, True]
    assert "'twelve'" in table["error"][1]


def predicted(run: Path, given: Path) -> pd.DataFrame:
    out = given.with_name("predictions.csv")
    assert main(["predict", str(run), str(given), "--out", str(out)]) in (0, 1)
    return pd.read_csv(out, dtype={"id": str, "label": str})


def test_tables_as_pandas_writes_them(table_run: Path, tmp_path: Path) -> None:
    """Its index in a column of its own, its types with NA, names with space around."""
    student = load(table_run)
    frame = pd.DataFrame({"a": [0, 14, 2], "ä": [1, 12, 3], "b": [2, 11, 5]})
    right = student.predict(frame).tolist()
    frame.set_index("b").to_parquet(tmp_path / "indexed.parquet")
    frame.to_csv(tmp_path / "indexed.csv")
    (tmp_path / "spaced.csv").write_text(
        frame.rename(columns={"a": "  a "}).to_csv(index=False, sep=",").replace(",", " , "), encoding="utf-8-sig"
    )
    for name in ("indexed.parquet", "indexed.csv", "spaced.csv"):
        assert predicted(table_run, tmp_path / name)["prediction"].tolist() == right
    labelled = frame.assign(label=pd.array([7, None, 7], dtype="Int64"), id=pd.array([1, 2, None], dtype="Int64"))
    labelled.to_parquet(tmp_path / "labelled.parquet")
    table = predicted(table_run, tmp_path / "labelled.parquet")
    assert table["id"].tolist() == ["1", "2", f"{tmp_path / 'labelled.parquet'}#2"]
    assert table["label"].fillna("").tolist() == ["7", "", "7"]
    gap = frame.astype("Int64")
    gap.iloc[1, 0] = pd.NA
    gap.to_parquet(tmp_path / "gap.parquet")
    assert predicted(table_run, tmp_path / "gap.parquet")["error"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize("cells", [[True, False, True], ["True", " false ", "TRUE"], ["1", "False", "true "]])
def test_truth_values_are_numbers_as_in_training(table_run: Path, tmp_path: Path, cells: list[object]) -> None:
    frame = pd.DataFrame({"a": [0, 14, 2], "ä": cells, "b": [2, 11, 5]})
    expected = load(table_run).predict_proba(frame.assign(ä=[1, 0, 1])).max(1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert predicted(table_run, tmp_path / name)["probability"].to_numpy() == pytest.approx(expected)


def test_a_cell_that_is_no_number_is_told_as_in_training(table_run: Path, tmp_path: Path) -> None:
    """With its column, and what to write in its place."""
    (tmp_path / "t.csv").write_text('a,ä,b\n0,"1,5",2\n14,1e400,11\n2,3%,5\n0,1,2\n', encoding="utf-8")
    errors = predicted(table_run, tmp_path / "t.csv")["error"].fillna("").tolist()
    assert errors[0].endswith("column 'ä': expected a number, found '1,5'; numbers have a decimal point: 1.5")
    assert errors[1].endswith("column 'ä': expected a number within float32's range, found '1e400'")
    assert "column 'ä': expected a number, found '3%'; " in errors[2]
    assert errors[3] == ""


def test_bytes_that_are_no_text_are_no_number(table_run: Path, tmp_path: Path) -> None:
    pd.DataFrame({"a": [0, 14], "ä": [b"\xff", b"\xfe1"], "b": [2, 11]}).to_parquet(tmp_path / "t.parquet")
    errors = predicted(table_run, tmp_path / "t.parquet")["error"]
    assert errors.str.contains("column 'ä': expected a number, found").all()


def test_tables_that_would_be_misread(
    table_run: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("twice.csv").write_text("a,b,ä,a\n1,2,3,4\n", encoding="utf-8")
    Path("european.csv").write_text("a;b;ä\n1,5;2,5;3,5\n", encoding="utf-8")
    assert main(["predict", str(table_run), "european.csv"]) == 2
    assert "european.csv row 1: expected commas between the cells, found semicolons" in capsys.readouterr().err
    assert main(["predict", str(table_run), "twice.csv"]) == 2
    assert "twice.csv: expected one column 'a', found 2 of that name" in capsys.readouterr().err
    Path("open.csv").write_text("a,b,ä\n1,2,3\n" + '1,2,"3\n', encoding="utf-8")
    assert main(["predict", str(table_run), "open.csv"]) == 2
    assert "open.csv row 3: expected UTF-8 text, comma-separated: a quote is not closed" in capsys.readouterr().err
    Path("latin.csv").write_bytes("a,b,ä\n".encode() + b"1,2,3\n" * 9000 + b"1,2,\xe9\n")
    assert main(["predict", str(table_run), "latin.csv"]) == 2
    assert "latin.csv row 9002: expected UTF-8 text, found the byte 0xe9" in capsys.readouterr().err
    np.savez("short.npz", wrist=np.zeros((3, 4, 3)), wrist_lengths=[4, 4])
    assert main(["predict", str(trained), "short.npz"]) == 2
    assert "found 3 of wrist, 2 of wrist_lengths" in capsys.readouterr().err


def test_rows_without_a_filled_cell_are_left_out_counted_and_said(
    table_run: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As spreadsheets leave them at the end; those that have but one filled cell are samples."""
    (tmp_path / "t.csv").write_text(
        "\n\n".join(["a,b,ä", "1,2,3", " ,,", "4,5,6", ",,7", ",, ", ",,"]), encoding="utf-8"
    )
    found = predicted(table_run, tmp_path / "t.csv")
    assert found["id"].tolist() == [f"{tmp_path / 't.csv'}#{row}" for row in (0, 2, 3)]
    assert found["error"].isna().tolist() == [True, True, False]
    assert f"{tmp_path / 't.csv'}: 3 empty rows left out (#1, #4, #5)\n" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text("a,b,ä\n1,2,3\n4,5,6\n\n", encoding="utf-8")
    assert len(predicted(table_run, tmp_path / "t.csv")) == 2
    assert "empty" not in capsys.readouterr().out, "a line without a comma is no row"
    for row in range(2):
        np.save(tmp_path / f"{row}.npy", np.ones((4, 3)))
    (tmp_path / "files.csv").write_text("id,wrist\nx,0.npy\n,\n\ny,1.npy\n", encoding="utf-8")
    assert predicted(trained, tmp_path / "files.csv")["id"].tolist() == ["x", "y"]
    assert f"{tmp_path / 'files.csv'}: 1 empty row left out (row 3)\n" in capsys.readouterr().out


def test_filled_rows_are_found_by_columns_and_no_further_than_needed() -> None:
    """A frame's rows cost as much as its columns each, of which there may be very many."""
    frame = pd.DataFrame([["", "1", "x"], [" ", "", ""], ["a", "", ""], ["", " ", "2"], [np.nan, "3", np.nan]])
    assert _filled(frame).tolist() == [True, False, True, True, True]
    assert not len(_filled(frame[:0]))
    wide = pd.DataFrame(np.full((200, 5000), "1.5", dtype=object))
    wide[0] = ""
    taken = []

    class Counted(pd.DataFrame):
        @property
        def iloc(self) -> Any:
            taken.append(1)
            return super().iloc

    assert _filled(Counted(wide)).all()
    assert len(taken) == 2


def test_tables_with_the_same_ids_are_told_apart(
    table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.csv", "two.csv"):
        Path(name).write_text("id,a,b,ä\nx,1,2,3\ny,4,5,6\n", encoding="utf-8")
    for out in ("out.csv", "out.parquet"):
        assert main(["predict", str(table_run), "one.csv", "two.csv", "--out", out]) == 0
        table = pd.read_csv(out) if out.endswith("csv") else pd.read_parquet(out)
        assert list(table.columns[:3]) == ["id", "input", "prediction"]
        assert table["id"].tolist() == list("xyxy")
        assert table["input"].tolist() == ["one.csv"] * 2 + ["two.csv"] * 2
    capsys.readouterr()
    assert main(["predict", str(table_run), "one.csv", "two.csv"]) == 0
    assert "two.csv" in capsys.readouterr().out
    assert "input" not in predicted(table_run, tmp_path / "one.csv").columns
    for name in ("one.csv", "two.csv"):
        Path(name).write_text("a,b,ä\n1,2,3\n", encoding="utf-8")
    assert main(["predict", str(table_run), "one.csv", "two.csv", "--out", "out.csv"]) == 0
    assert "input" not in pd.read_csv("out.csv").columns, "which ids say: one.csv#0"


def test_minus_signs_of_word_processors_are_read(table_run: Path, tmp_path: Path) -> None:
    for name, minus in (("a", "-"), ("b", "\N{MINUS SIGN}")):
        (tmp_path / f"{name}.csv").write_text(f"a,b,ä\n{minus}1,2,3\n{minus}2,5,{minus}6\n", encoding="utf-8")
    one, other = (predicted(table_run, tmp_path / f"{name}.csv") for name in "ab")
    assert one["error"].isna().all()
    assert one["probability"].tolist() == other["probability"].tolist()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b,ä\n\n100,1,2,3\n", "t.csv row 3: expected 3 cells as in the header, found 4"),
        ("a,b,ä\n   \n,1,2,3\n", "t.csv row 3: expected 3 cells as in the header, found 4"),
        ("a,b,ä\n,,,\n1,2,3\n", "t.csv row 2: expected 3 cells as in the header, found 4"),
        ("\na,b,ä\n1,2,3\n", "t.csv row 1: expected the names of the columns, found an empty line"),
        ("sep=,\na,b,ä\n1,2,3\n", "t.csv row 1: expected the names of the columns, found 'sep=', which tells a sprea"),
        ("sep=;\na;b;ä\n1;2;3\n", "t.csv row 1: expected the names of the columns, found 'sep=;', which tells a spre"),
        ("a,b,ä\n,,\n", "t.csv: the table is empty"),
    ],
)
def test_tables_whose_first_lines_are_odd(
    text: str, problem: str, table_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert main(["predict", str(table_run), str(tmp_path / "t.csv")]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("header.csv", "header.csv: the table is empty, no row has a filled cell; it needs one row per sample"),
        ("blank.csv", "blank.csv: the table is empty"),
        ("header.parquet", "header.parquet: the table is empty"),
        ("manifest.csv", "manifest.csv: the manifest is empty"),
        ("nothing.csv", "nothing.csv: expected the column 'b' (watch: int64 of shape (3)), found nothing"),
        ("none.npy", "none.npy: expected samples, found none"),
        ("none.npz", "none.npz: expected samples, found none"),
    ],
)
def test_an_input_without_samples_is_a_mistake(
    name: str,
    problem: str,
    table_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("header.csv").write_text("a,b,ä\n", encoding="utf-8")
    Path("blank.csv").write_text("a,b,ä\n\n\n", encoding="utf-8")
    Path("manifest.csv").write_text("id,watch\n", encoding="utf-8")
    Path("nothing.csv").touch()
    pd.DataFrame({"b": [], "a": [], "ä": []}).to_parquet("header.parquet")
    np.save("none.npy", np.zeros((0, 3)))
    np.savez("none.npz", watch=np.zeros((0, 3)))
    assert main(["predict", str(table_run), name, "--out", "out.csv"]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not Path("out.csv").exists()


def test_numbers_without_names_of_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A student of arrays takes columns in their order, but no first line of numbers, which is a sample."""
    labels = np.arange(40) % 2
    made = replace(recipe(), method="baseline", data=DataSettings("x", ("watch",), ()), model=ModelSettings(width=8))
    numbers = np.random.default_rng(0).normal(size=(40, 3)) + labels[:, None]
    run(made, tmp_path / "run", dataset=from_arrays({"watch": numbers}, labels, splits=np.arange(40) >= 30))
    right = [str(name) for name in load(tmp_path / "run").predict(numbers[30:])]
    for header in (["id3", "x", "y"], ["350", "350.5", "351"]):
        table = pd.DataFrame(numbers[30:], columns=header)
        for index in (True, False):
            table.to_csv(tmp_path / "t.csv", index=index)
            assert predicted(tmp_path / "run", tmp_path / "t.csv")["prediction"].astype(str).tolist() == right
    pd.DataFrame(numbers).to_csv(tmp_path / "t.csv", index=False, header=False)
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "t.csv")]) == 2
    assert "expected the names of the columns in the first line" in capsys.readouterr().err
    pd.DataFrame(numbers[:, :2], columns=["x", "y"]).to_csv(tmp_path / "t.csv", index=False)
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "t.csv")]) == 2
    assert "expected 3 columns of numbers" in capsys.readouterr().err


def test_predictions_never_take_an_input_s_place(
    table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "a,b,ä\n1,2,3\n"
    Path("manifest.csv").write_text(text, encoding="utf-8")
    Path("link.csv").symlink_to("manifest.csv")
    for arguments in (["manifest.csv", "--out", "link.csv"], [".", "--out", "manifest.csv"]):
        assert main(["predict", str(table_run), *arguments]) == 2
        assert "is an input; predictions would take its place" in capsys.readouterr().err
    assert Path("manifest.csv").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no-such.npy"], "no-such.npy: no such file or folder"),
        (["x.npy", "--out", "x.txt"], "expected a file that ends in .csv, .parquet, .jsonl"),
        (["x.npy", "--out", "wrong.csv/x.csv"], "wrong.csv: expected a folder, found a file; choose another --out"),
        (["x.npy", "--out", "empty"], "expected a file that ends in .csv, .parquet, .jsonl"),
        (["wrong.csv", "--out", "gone/x.csv"], "expected the column 'wrist'"),
        (["x.npy", "--top", "-1"], "--top"),
        (["wrong.csv"], "expected the column 'wrist'"),
        (["flat.npy"], "found shape (2, 3, 3, 3)"),
        (["empty"], "expected files that end in .npy"),
    ],
)
def test_mistakes_write_nothing(
    arguments: list[str],
    problem: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((2, 3)))
    np.save("flat.npy", np.zeros((2, 3, 3, 3)))
    Path("wrong.csv").write_text("id,elbow\na,b\n")
    Path("empty").mkdir()
    before = sorted(Path.cwd().iterdir())
    assert main(["predict", str(trained), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert problem in error
    assert sorted(Path.cwd().iterdir()) == before


def test_the_folder_of_the_file_is_made(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a run is."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", sequences(4)[0])
    assert main(["predict", str(trained), "x.npy", "--out", "new/one/x.csv"]) == 0
    assert pd.read_csv("new/one/x.csv")["id"].tolist() == ["x.npy"]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_of_the_terminal_fits(
    width: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    np.save("x.npy", sequences(4)[0])
    Path("broken.npy").write_bytes(b"x")
    assert main(["predict", str(trained), "x.npy", "broken.npy"]) == 1
    shown = capsys.readouterr().out
    table = [line for line in shown.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, table)) <= width
    text = shown.replace("\n", " ")
    assert "x.npy" in text
    assert "gesture" in text
    assert "1 of 2 samples predicted, 1 could not be read" in text


@pytest.mark.parametrize("width", [40, 80])
def test_the_likeliest_classes_stand_on_the_terminal_too(
    width: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in a line of its own, beside its probability."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    name = "x.npy" if width == 80 else "one_that_needs_all_of_the_room_there.npy"
    values = sequences(4)[0]
    np.save(name, values)
    Path("broken.npy").write_bytes(b"x")
    shares = dict(zip(load(trained).classes, load(trained).predict_proba([values])[0], strict=True))
    ranked = sorted(shares, key=lambda each: -shares[each])
    for top in (1, 2, 3, 9):
        assert main(["predict", str(trained), name, "broken.npy", "--top", str(top)]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines[:-1])) <= width
        found = [" ".join(re.findall(r"gesture \d|[0-9.]+(?= %| +│)", line)) for line in lines if "gesture" in line]
        assert found == [f"{each} {100 * shares[each]:.1f}" for each in ranked[: min(top, 3)]]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_part_of_a_path_is_broken_that_fits_into_the_terminal(
    width: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Letter by letter, no file would be found again; each sample's answer stands beside or below its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    folder = Path("recordings/subject_03/of_the_morning")
    folder.mkdir(parents=True)
    names = [f"a_long_name_of_take_{place}.npy" for place in range(3)]
    for name in names:
        np.save(folder / name, sequences(4)[0])
    (folder / "broken.npy").write_bytes(b"x")
    assert main(["predict", str(trained), str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:-1])) <= width, "but for what is one line: where the samples are, and how many"
    for part in (*folder.parts, *names):
        assert sum(part in line for line in lines[1:]) >= 1, part
    assert sum("gesture" in line for line in lines) == len(names)


def test_names_in_wide_letters_are_as_wide_as_they_are_shown(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal shows them in two columns each; no column of the table is cut off for that."""
    monkeypatch.chdir(tmp_path)
    np.save("日本語ファイル名日本語ファイル名.npy", sequences(4)[0])
    for width in (30, 44, 60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["predict", str(trained), "日本語ファイル名日本語ファイル名.npy"]) == 0
        shown = [line for line in capsys.readouterr().out.splitlines() if "┃" in line or "│" in line]
        assert all(cell_len(line) <= width and line.rstrip().endswith(("┃", "│")) for line in shown)


def test_a_reader_that_has_seen_enough_is_no_failed_sample(trained: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", sequences(4)[0])
    with start_command("predict", trained, "x.npy", folder=tmp_path) as process:
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == ""


def test_training_whose_output_is_closed_says_what_goes_on(tmp_path: Path) -> None:
    words = ("train", "emoji", "--method", "baseline", "--out", "run")
    with start_command(*words, folder=tmp_path) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 141
        error = process.stderr.read()
    assert error == "crossdistill: stopped, as its output is closed; the same command with --resume goes on\n"
    assert main([*words[:-1], str(tmp_path / "run"), "--resume"]) == 0


def test_a_line_s_end_in_a_cell_ends_no_row() -> None:
    file = io.BytesIO()
    writer = CsvWriter(file, {"id": str, "label": str})
    writer.write([{"id": "a\rb", "label": "c\nd"}, {"id": "e", "label": None}])
    writer.close()
    text = file.getvalue().decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["id", "label"], ["a\rb", "c\nd"], ["e", ""]]
    assert text.endswith("e,\n")
    assert "\r\n" not in text
