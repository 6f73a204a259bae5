"""Numbers in a manifest's own cells: alone, several together, missing, and what is no number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from crossdistill.data.cells import is_number
from crossdistill.data.inputs import InputSpec, input_spec
from crossdistill.data.readers import TextColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import content_of
from crossdistill.student import load
from crossdistill.types import InputError

HEADER = "id,split,label,age,rate:number,imu_x,imu_y,note"
ROWS = (
    "1,train,a,31,1e2,0.5,-1,hello",
    "2,train,b,,-.5,,,4",
    "3,test,a,40.5,+3.,2,7,",
)


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_column_of_numbers_is_a_vector_of_one(tmp_path: Path) -> None:
    dataset = read_manifest(table(tmp_path, *ROWS))
    assert dataset.shapes["age"] == dataset.shapes["rate"] == (1,)
    batch = dataset.only(["age", "rate", "imu_x"]).__getitems__([0, 1, 2])
    assert batch.modalities["age"].tolist() == [[31], [0], [40.5]]  # type: ignore[union-attr]
    assert batch.modalities["rate"].tolist() == [[100], [-0.5], [3]]  # type: ignore[union-attr]
    assert batch.present["age"].tolist() == [True, False, True]
    assert batch.present["rate"].tolist() == [True, True, True]
    assert isinstance(content_of(dataset.columns["note"]), TextColumn), "one of its cells is no number"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ("31", '"1,5"', "40.5"),
            r"row 3, column 'age': '1,5' is no number, so .*; numbers have a decimal point: 1\.5",
        ),
        (("31", "n/a", "40"), r"row 3, column 'age': 'n/a' is no number, so .*; mend it, or leave the cell empty"),
        (
            ('"0,5"', '"1,5"', '"-2,25"'),
            r"row 2, column 'age': '0,5' is no number, so .*; numbers have a .* point: 0\.5",
        ),
        (
            ('"1,000"', '"1,001"', "12"),
            r"row 2, column 'age': '1,000' is no .*; .* write 1000 where it parts thousands, 1\.000 where .* decimal",
        ),
        (
            ('"1,000,000"', '"-2,000.5"', "12"),
            r"'1,000,000' is no number, .*; numbers have no comma .* thousands: 1000000 ",
        ),
        (
            ("50.5 kg", "51 kg", "52"),
            r"row 2, column 'age': '50.5 kg' is no number, so .*; numbers have no unit: 50\.5,",
        ),
        (
            ("31", "\u22124.5%", "2%"),
            r"row 3, column 'age': '\u22124.5%' is no number, so .* have no unit: write all in one unit,",
        ),
        (("3 dogs", "1 cat", "2 horses"), ""),
        (("31", "32", "40"), ""),
        (("\u221231", "32", "40"), ""),
        (("True", "FALSE", "true"), ""),
        (("True", "False", "no"), r"row 4, column 'age': 'no' is no number, so .*; mend it, or leave the cell empty"),
        (("31", "thirty", "forty"), ""),
    ],
)
def test_a_cell_that_makes_numbers_texts_is_named(
    cells: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{row},train,{'ab'[row % 2]},{cell}" for row, cell in enumerate(cells)]
    path = table(tmp_path, *rows, header="id,split,label,age")
    assert main(["prepare", "manifest", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(said, out) if said else "is no number" not in out
    path = table(tmp_path, *rows, header="id,split,label,age:text")
    assert main(["prepare", "manifest", str(path)]) == 0
    assert "is no number" not in capsys.readouterr().out


def test_columns_with_a_common_beginning_are_one_modality_when_asked_for(tmp_path: Path) -> None:
    dataset = read_manifest(table(tmp_path, *ROWS), only=("imu", "age"))
    assert dataset.shapes == {"imu": (2,), "age": (1,)}
    column = dataset.columns["imu"]
    assert isinstance(column, PartialColumn)
    assert column.present.tolist() == [True, False, True]
    assert column.fetch(np.array([2, 0])).tolist() == [[2, 7], [0.5, -1]]  # type: ignore[union-attr]
    assert input_spec(column) == InputSpec("array", (2,), "float64", features=("imu_x", "imu_y"))


@pytest.mark.parametrize("columns", ["acc.x,acc.y", "acc x,acc y", "acc-x,acc-y", "acc1,acc2"])
def test_names_of_columns_that_belong_together(columns: str, tmp_path: Path) -> None:
    path = table(tmp_path, "1,train,a,1,2,9", "2,train,b,,,8", header=f"id,split,label,{columns},accent")
    dataset = read_manifest(path, only=("acc", "accent"))
    assert dataset.shapes == {"acc": (2,), "accent": (1,)}
    assert input_spec(dataset.columns["acc"]).features == tuple(columns.split(","))
    assert dataset.present(["acc"]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("columns", "modalities"),
    [
        ("acc.x_1,acc.x_2,b", {"acc": (2,), "b": (1,)}),
        ("imu_acc.x,imu_acc.y,imu_gyro.x,imu_gyro.y", {"imu_acc": (2,), "imu_gyro": (2,)}),
        ("imu_acc_x,imu_acc_y,imu_t", {"imu_acc_x": (1,), "imu_acc_y": (1,), "imu_t": (1,)}),
        ("city_New_York,city_New_Orleans,city_Paris,city_St. Louis", {"city": (4,)}),
        ("wl400.5,wl400.7,wl401.2", {"wl": (3,)}),
        ("pixel9,pixel10,pixel100,pixel.mean,pixel.sd", None),
        ("id.x,id.y", None),
    ],
)
def test_columns_that_no_modality_can_be_called_as_are_a_part_of_one(
    columns: str, modalities: dict[str, tuple[int]] | None, tmp_path: Path
) -> None:
    cells = ",".join("1" * (columns.count(",") + 1))
    path = table(tmp_path, f"train,a,{cells}", f"train,b,{cells}", header=f"split,label,{columns}")
    if modalities is not None:
        assert read_manifest(path).shapes == modalities
    else:
        with pytest.raises(
            InputError, match=r"row 1: '(pixel\.mean|id\.x)': expected ASCII letters, digits, _ and - in a mod"
        ):
            read_manifest(path)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Günstig", "Gunstig"),
        ("Gu\u0308nstig", "Gunstig"),
        ("Größe", "Grosse"),
        ("вино", ""),
        ("gr\u03bb", ""),
    ],
)
def test_columns_whose_beginning_no_modality_may_have_are_told_how_to_be_one(
    name: str, other: str, tmp_path: Path
) -> None:
    """As they are, and as prepare looks at each; with other names for all of them they would be one modality."""
    features = ["alcohol", "ash"]
    header = ",".join(f"{name}_{feature}" for feature in features)
    path = table(tmp_path, "1,train,a,1,2", "2,train,b,3,4", header=f"id,split,label,{header}")
    rule = "expected ASCII letters, digits, _ and - in a modality's name; rename the column"
    hints = (f", e.g. {name}_alcohol to {other}_alcohol", f", e.g. to {other}_alcohol") if other else ("", "")
    with pytest.raises(InputError) as together:
        read_manifest(path, only=[name])
    assert str(together.value) == f"{path} row 1: '{name}': {rule}s {name}_alcohol, {name}_ash{hints[0]}"
    with pytest.raises(InputError) as alone:
        read_manifest(path)
    assert str(alone.value) == f"{path} row 1: '{name}_alcohol': {rule}{hints[1]}"
    if other:
        renamed = header.replace(name, other)
        path = table(tmp_path, "1,train,a,1,2", "2,train,b,3,4", header=f"id,split,label,{renamed}")
        assert read_manifest(path, only=[other]).shapes == {other: (2,)}


@pytest.mark.parametrize(("name", "is_joint"), [("imu", True), ("im", False), ("imu_", False), ("note", False)])
def test_a_modality_that_columns_could_be_together_is_named(name: str, is_joint: bool, tmp_path: Path) -> None:
    dataset = read_manifest(table(tmp_path, *ROWS))
    with pytest.raises(InputError, match=f"has no modality '{name}x?'") as caught:
        dataset.only([name if name != "note" else "notex"])
    assert ("makes one of columns of numbers" in str(caught.value)) == is_joint


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_row_names_are_no_modality(tmp_path: Path, ending: str) -> None:
    """pandas writes them as a column without a name, and calls that "Unnamed: 0" once it has read it."""
    frame = pd.DataFrame({"id": ["1", "2"], "split": "train", "label": ["a", "b"], "age": [3, 4]})
    frame.index = pd.Index([7, 9])
    frame.to_csv(tmp_path / "first.csv")
    path = tmp_path / f"manifest.{ending}"
    again = pd.read_csv(tmp_path / "first.csv")
    again.to_csv(path) if ending == "csv" else again.iloc[1:].to_parquet(path)
    assert list(again.columns[:1]) == ["Unnamed: 0"]
    for each in (path, tmp_path / "first.csv"):
        assert read_manifest(each).shapes == {"age": (1,)}


def test_parquet_keeps_its_gaps_and_whole_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["1", "2"], "split": "train", "label": ["a", "b"]})
    frame["imu_x"], frame["imu_y"], frame["age"] = [1, 2], [0.25, 1e-9], [np.nan, 3.0]
    frame.to_parquet(tmp_path / "manifest.parquet")
    dataset = read_manifest(tmp_path, only=("imu", "age"))
    assert dataset.columns["imu"].fetch(np.arange(2)).numpy() == pytest.approx(np.array([[1, 0.25], [2, 1e-9]]))  # type: ignore[union-attr]
    assert dataset.present(["age"]).tolist() == [False, True]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_hot_columns_are_numbers(tmp_path: Path, ending: str) -> None:
    """`pandas.get_dummies` makes truth values; those of a sample that has none are empty, and "True" is text where the
    header says so."""
    sites = pd.get_dummies(pd.Series(["a", "b", "b"]), prefix="site").astype(object)
    sites.loc[1] = None
    frame = pd.DataFrame({"id": ["1", "2", "3"], "split": "train", "label": ["a", "b", "b"], "said:text": "True"})
    frame = pd.concat([frame, sites], axis=1)
    path = tmp_path / f"manifest.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    dataset = read_manifest(path, only=("site", "said"))
    assert dataset.present(["site"]).tolist() == [True, False, True]
    assert dataset.columns["site"].fetch(np.array([0, 2])).tolist() == [[1, 0], [0, 1]]  # type: ignore[union-attr]
    assert isinstance(content_of(dataset.columns["said"]), TextColumn)


@pytest.mark.parametrize("cell", ["3", "-3.5", "+.5", "4.", "1e-3", "2E+10", "007"])
def test_numbers(cell: str) -> None:
    assert is_number(cell)


@pytest.mark.parametrize(
    "cell",
    ["", "nan", "inf", "-inf", "1e999", "1,5", "1 000", "0x10", "1_000", "٣", "3s", "e5", ".", "2024-01-01", "1.2.3"],
)
def test_no_numbers(cell: str) -> None:
    assert not is_number(cell)


@pytest.mark.parametrize(
    ("header", "rows", "only", "message"),
    [
        ("age:number", ["3", "soon"], (), "row 3, column 'age:number': expected a number, found 'soon'"),
        ("age:number", ["3", "nan"], (), "row 3, column 'age:number': expected a number, found 'nan'"),
        ("age:number", ["", ""], (), "column 'age:number' has no filled cell"),
        ("age:array", ["3", "4"], (), "row 2, column 'age:array': expected a path such as a.npy"),
        ("imu_x,imu_y", ["1,2", "3,n/a"], ("imu",), "row 3, column 'imu_y': expected a number, found 'n/a'.*together"),
        ("imu_x,imu_y", ["1,2", "3,"], ("imu",), "row 3, column 'imu_y': expected a number, found ''.*all together"),
        (
            "imu_x,imu_y",
            ['1,"2,5"', '3,"4,12"'],
            ("imu",),
            r"row 2, column 'imu_y': .*'2,5'; the columns .* together as 'imu'; numbers have a decimal point: 2.5$",
        ),
        ("imu_x,imu_y", ["1,2.5%", "3,4%"], ("imu",), r"found '2.5%'; the columns .* together as 'imu'; .*2\.5"),
        ("imu_x,imu_t", ["1,2024-01-01", "3,4"], ("imu",), r"make numbers of times, such as seconds since the first$"),
        ("imu_x,imu_y", ["1,2", "3,4"], ("imu_*",), r"no modality 'imu_\*'; .*imu_\* are 'imu' together"),
        ("imu_x,imu_y", ["1,2", "3,4"], ("im",), "no modality 'im'; found imu$"),
        ("imu_x,imu_y", ["a,b", "c,d"], ("imu",), "no modality 'imu'"),
        (
            "acc.x,acc.place",
            ["1,b", "2,d"],
            ("acc",),
            r"'acc.place': expected a number, found 'b'.*e.g. acc.place:text",
        ),
        ("imu_mean,imu0,imu1", ["1,2,3"], ("imu",), "'imu' may mean the columns imu_mean, or imu0, imu1, too; rename"),
        ("imu_x,imu_y", ["1,2"], ("imu", "imu_x"), "column 'imu_x' is part of two modalities of imu, imu_x"),
        ("w400,w410", ["1,2"], ("w4",), "no modality 'w4'; found w$"),
        ("label1,label2,w", ["1,2,3"], ("label",), "no modality 'label'"),
        (
            "acc.x,accx2",
            ["1,b", "2,d"],
            (),
            r"manifest.csv row 1: 'acc.x': expected ASCII letters, .*; rename the column, e.g. to acc_x",
        ),
        (
            ",".join(f"f{n}" for n in range(99)),
            [",".join("1" * 98) + ","],
            ("f",),
            r"column 'f98': expected a number, found ''; a sample has f0, f1, f2, \.\.\., f98 all together",
        ),
        (
            "imu_x,age",
            [",2", "1e300,4"],
            ("imu_x",),
            r"row 3, column 'imu_x': expected a number within float32's range, found '1e300'",
        ),
        (
            ",".join(f"f{n}a" for n in range(99)),
            [",".join("1" * 99)],
            ("g",),
            "no modality 'g'; found f0a, f1a.{190,198}$",
        ),
    ],
)
def test_mistakes(header: str, rows: list[str], only: tuple[str, ...], message: str, tmp_path: Path) -> None:
    lines = [f"{row},train,{'ab'[row]},{cells}" for row, cells in enumerate(rows)]
    with pytest.raises(InputError, match=message):
        read_manifest(table(tmp_path, *lines, header=f"id,split,label,{header}"), only=only)


def test_what_the_student_sees_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 3, column 'imu_x': empty cell; every sample needs"):
        read_manifest(table(tmp_path, *ROWS), only=("imu",), required=("imu",))


def test_a_header_names_what_does_not_belong_to_the_others(tmp_path: Path) -> None:
    path = table(tmp_path, "1,train,a,1,here", "2,train,b,2,there", header="id,split,label,imu_x,imu_place:text")
    assert read_manifest(path, only=("imu",)).shapes == {"imu": (1,)}


def measured(count: int, seed: int) -> pd.DataFrame:
    """Two classes told by the sum of two numbers, on scales of their own, and at once by a third."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = random.normal(size=count)
    y = 3 * labels - 1.5 - x + 0.3 * random.normal(size=count)
    frame = pd.DataFrame({"id": [f"s{row}" for row in range(count)], "split": "train"})
    frame.loc[2 * count // 3 :, "split"] = "test"
    frame["label"] = np.array(["low", "high"])[labels]
    frame["imu_x"], frame["imu_y"], frame["age:number"] = 1000 * x + 5e4, 0.01 * y, labels + 0.1 * x
    return frame


def test_from_a_table_to_predictions_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = measured(120, 0)
    frame.loc[5:15, "age:number"] = np.nan  # an auxiliary that some lack
    frame.to_csv("manifest.csv", index=False)
    options = ["--data.target", "[imu]", "--data.auxiliary", "[age]", "--epochs", "12", "--batch_size", "16"]
    options += ["--data.source", "manifest.csv", "--optimization.learning_rate", "0.01", "--machine.accelerator", "cpu"]
    assert main(["train", "own", "--method", "kd", *options, "--out", "run"]) == 0
    student = load("run")
    assert student.inputs == {"imu": InputSpec("array", (2,), "float64", features=("imu_x", "imu_y"))}
    fresh = measured(40, 1)
    fresh = fresh[["imu_y", "label", "imu_x", "id"]]  # in another order
    fresh.to_csv("new.csv", index=False)
    fresh.to_parquet("new.parquet")
    broken = fresh.astype({"imu_x": object}).copy()
    broken.loc[3, "imu_x"] = "soon"
    broken.to_csv("broken.csv", index=False)
    assert main(["predict", "run", "new.csv", "new.parquet", "--out", "out.csv"]) == 0
    table = pd.read_csv("out.csv")
    assert (table["prediction"] == table["label"]).mean() > 0.9
    expected = student.predict_proba(fresh[["imu_x", "imu_y"]])
    np.testing.assert_allclose(table[["p_high", "p_low"]], np.tile(expected, (2, 1)), atol=1e-6)
    assert main(["predict", "run", "broken.csv", "--out", "out.csv"]) == 1
    errors = pd.read_csv("out.csv")["error"]
    assert errors.notna().tolist() == [row == 3 for row in range(40)]
    assert "'imu_x': expected a number, found 'soon'" in errors[3]


def test_a_student_of_one_hot_columns_reads_them_from_any_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.random.default_rng(0).integers(0, 2, 60)
    frame = pd.DataFrame({"id": np.arange(60), "split": "train", "label": np.where(labels, "yes", "no")})
    frame.loc[40:, "split"] = "test"
    frame = pd.concat([frame, pd.get_dummies(frame["label"], prefix="site"), pd.Series(labels, name="aux")], axis=1)
    frame.to_csv("manifest.csv", index=False)
    options = ["--data.source", "manifest.csv", "--data.target", "[site]", "--data.auxiliary", "[aux]"]
    options += ["--epochs", "10", "--optimization.learning_rate", "0.03", "--machine.accelerator", "cpu"]
    assert main(["train", "own", "--method", "kd", *options, "--out", "run"]) == 0
    sites = frame[["id", "site_yes", "site_no"]].astype(object)
    sites.loc[3, "site_no"] = None
    sites.to_csv("new.csv", index=False)
    sites.to_parquet("new.parquet")
    frame[["id", "site_yes", "site_no"]].to_parquet("whole.parquet")
    assert main(["predict", "run", "new.csv", "new.parquet", "whole.parquet", "--out", "out.csv"]) == 1
    table = pd.read_csv("out.csv", keep_default_na=False)
    assert [row for row, error in enumerate(table["error"]) if error] == [3, 63]
    right = np.tile(frame["label"], 3)
    assert all(table["prediction"][row] == right[row] for row in range(180) if row not in (3, 63))


def test_numbers_beside_arrays_in_one_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prediction reads both from a manifest; numbers that a row lacks are an error of that row alone."""
    monkeypatch.chdir(tmp_path)
    frame = measured(60, 0)
    np.save("w.npy", np.random.default_rng(0).normal(size=(60, 3)))
    frame["w"] = [f"w.npy#{row}" for row in range(60)]
    frame.to_csv("manifest.csv", index=False)
    options = ["--data.target", "[w,age]", "--data.auxiliary", "[]", "--epochs", "2", "--data.source", "."]
    options += ["--machine.accelerator", "cpu", "--out", "run"]
    assert main(["train", "own", "--method", "baseline", *options]) == 0
    given = frame[["id", "w", "age:number"]].iloc[:5].rename(columns={"age:number": "age"})
    given.loc[1, "age"] = np.nan
    given.to_csv("new.csv", index=False)
    assert main(["predict", "run", "new.csv", "--out", "out.csv"]) == 1
    table = pd.read_csv("out.csv")
    assert table["error"].notna().tolist() == [False, True, False, False, False]
    one = load("run").predict_proba({"w": np.load("w.npy")[4], "age": float(frame["age:number"][4])})
    np.testing.assert_allclose(table[["p_high", "p_low"]].iloc[4], one[0], atol=1e-6)


@pytest.mark.parametrize("word", ["NA", "nan", "n/a", "-", "unknown"])
def test_a_word_for_what_is_missing_is_told_to_be_an_empty_cell(word: str, tmp_path: Path) -> None:
    """No other kind of the column would help: the sample lacks the modality, or the number."""

    def error(header: str, *cells: str, only: tuple[str, ...]) -> str:
        lines = [f"{row},train,{'ab'[row % 2]},{each}" for row, each in enumerate(cells)]
        with pytest.raises(InputError) as caught:
            read_manifest(table(tmp_path, *lines, header=f"id,split,label,{header}"), only=only)
        return str(caught.value)

    np.save(tmp_path / "a.npy", np.eye(3))
    found = error("imu_x,imu_y", "1,2", f"3,{word}", only=("imu",))
    assert found.endswith(
        f"row 3, column 'imu_y': expected a number, found '{word}'; the columns imu_x, imu_y are taken together as "
        "'imu'; in the row of a sample that lacks them leave all of them empty, else fill the cell"
    )
    empty = "where the sample lacks the modality, leave the cell empty"
    expected = f"row 3, column 'age:number': expected a number, found '{word}'; {empty}"
    assert error("age:number", "1", word, only=("age",)).endswith(expected)
    for cells in (("a.npy#0", word), (word, "a.npy#0"), (word, word, "a.npy#0")):
        found = error("pose", *cells, only=("pose",))
        place = f"row {2 + cells.index(word)}, column 'pose'"
        assert found.endswith(f"{place}: expected a path such as a.npy or a.npy#17, found '{word}'; {empty}")
    assert empty in error("face:video", word, word, only=("face",))
