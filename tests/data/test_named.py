"""Columns are known by their names, in tables, in rows of tables and in lists of either, and not by their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crossdistill import InputError, from_arrays
from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.feature_order import in_order
from crossdistill.data.given.tables import table_of
from crossdistill.data.inputs import InputSpec, column_of, input_spec
from crossdistill.data.named import in_one_order
from crossdistill.data.wrappers import content_of

random = np.random.default_rng(0)
LABELS = ["a", "b", "a", "b"]
TABLE = pd.DataFrame(random.normal(size=(4, 3)), columns=["x", "y", "z"])
OTHER = ["z", "x", "y"]
ROWS = [row for _, row in TABLE.iterrows()]
RAGGED = [pd.DataFrame(random.normal(size=(2 + row, 3)), columns=["x", "y", "z"]) for row in range(4)]
EVEN = [pd.DataFrame(random.normal(size=(5, 3)), columns=["x", "y", "z"]) for _ in range(4)]


def numbers(column: Column) -> list[np.ndarray]:
    """Each sample's numbers, as they were given."""
    content: Any = content_of(column)
    return list(content.sequences if isinstance(content, SequenceColumn) else content.array)


def same(one: Column, other: Column) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


@pytest.mark.parametrize("given", [RAGGED, EVEN, ROWS, tuple(ROWS)], ids=["sequences", "windows", "rows", "tuple"])
def test_training_puts_all_samples_in_the_first_one_s_order(given: Any) -> None:
    mixed = [item if row % 2 == 0 else item[OTHER] for row, item in enumerate(given)]
    alike, column = (from_arrays({"pen": values}, LABELS).columns["pen"] for values in (given, mixed))
    assert same(alike, column)
    assert input_spec(column).features == ("x", "y", "z")


@pytest.mark.parametrize("given", [RAGGED, EVEN, ROWS], ids=["sequences", "windows", "rows"])
@pytest.mark.parametrize("name", ["w", "more"])
def test_training_refuses_samples_of_other_columns(given: Any, name: str) -> None:
    odd = given[2].rename({"z": name}, axis=given[2].ndim - 1)
    odd = odd if name == "w" else pd.concat([given[2], odd[[name]]], axis=given[2].ndim - 1)
    with pytest.raises(
        InputError, match=rf"^pen: row 2: expected the columns x, y, z as in row 0, found x, y, .*{name};"
    ):
        from_arrays({"pen": [*given[:2], odd, given[3]]}, LABELS)


@pytest.mark.parametrize("given", [RAGGED, EVEN, ROWS], ids=["sequences", "windows", "rows"])
def test_prediction_puts_the_columns_in_training_s_order(given: Any) -> None:
    column = from_arrays({"pen": given}, LABELS).columns["pen"]
    spec = input_spec(column)
    for other in (
        [item[OTHER] for item in given],
        tuple(item[OTHER] for item in given),
        [item.to_numpy() for item in given],
        [item if row else item[OTHER] for row, item in enumerate(given)],
    ):
        assert same(column_of(spec, "pen", other), column), "whatever order, and arrays by place"
    for one in (given[0][OTHER], [given[0][OTHER]]):
        assert same(column_of(spec, "pen", one), column_of(spec, "pen", given[0])), "a single sample"
    lacking = [item.rename({"z": "w"}, axis=item.ndim - 1) for item in given]
    with pytest.raises(InputError, match=r"^pen: row 0: expected the column 'z' that training had, found x, y, w$"):
        column_of(spec, "pen", lacking)
    with pytest.raises(InputError, match=r"^pen: expected the column 'z' that training had, found x, y, w$"):
        column_of(spec, "pen", lacking[0])


def test_other_columns_beside_training_s_are_left_out() -> None:
    column = from_arrays({"pen": RAGGED}, LABELS).columns["pen"]
    assert same(
        column_of(input_spec(column), "pen", [table.assign(more=1.0)[["more", *OTHER]] for table in RAGGED]), column
    )


def test_a_row_is_by_place_where_its_entries_are_numbered_alone() -> None:
    spec = InputSpec("array", (3,), "float64", features=("x", "y", "z"))
    expected = column_of(spec, "pen", TABLE)
    times = pd.date_range("2024-01-01", periods=3)
    for index in (None, [5, 6, 7], times):
        assert same(column_of(spec, "pen", [pd.Series(row.to_numpy(), index=index) for row in ROWS]), expected)
    for values in (ROWS[0].rename({"x": "a", "y": "b", "z": "c"}), [row.rename({"y": "b"}) for row in ROWS]):
        with pytest.raises(InputError, match=r"pen.*: expected the column '[xy]' that training had, found"):
            column_of(spec, "pen", values)


def test_windows_of_a_series_have_no_names() -> None:
    series = pd.Series(np.arange(7.0))
    given = [series.iloc[start : start + 4] for start in range(4)]
    column = from_arrays({"pen": given}, LABELS).columns["pen"]
    assert input_spec(column).features == ()
    assert np.array_equal(numbers(column)[3], [3, 4, 5, 6])
    assert same(column_of(input_spec(column), "pen", given), column)


@pytest.mark.parametrize(
    ("index", "name", "feature"),
    [
        (None, None, "q"),
        (None, "z", "q"),
        (None, "z", 0),
        (None, None, 0),
        (list("abcdefghi"), None, "q"),
        (list("abcdefghi"), "q", "q"),
        (list("abcdefghi"), None, 0),
    ],
)
def test_a_series_of_samples_is_the_one_column(index: list[str] | None, name: str | None, feature: str | int) -> None:
    """And no row, of which a number in the index named the only one."""
    table = pd.DataFrame({feature: np.arange(9.0)})
    spec = input_spec(from_arrays({"pen": table}, np.arange(9) % 3).columns["pen"])
    assert len(column_of(spec, "pen", pd.Series(np.arange(9.0), index=index, name=name))) == 9


def test_steps_of_a_series_are_no_row_of_one_number() -> None:
    given = [pd.DataFrame(np.arange(4.0 + row)) for row in range(9)]
    spec = input_spec(from_arrays({"pen": given}, np.arange(9) % 3).columns["pen"])
    with pytest.raises(InputError, match=r"^pen: expected"):
        column_of(spec, "pen", [item[0] for item in given])


def test_a_column_of_the_one_feature_is_a_number_a_sample() -> None:
    spec = InputSpec("array", (1,), "float64", features=("x",))
    table = TABLE.set_axis(list("klmn"))
    assert len(column_of(spec, "pen", table["x"])) == 4
    with pytest.raises(InputError, match="expected the column 'x'"):
        column_of(spec, "pen", table["y"])


@pytest.mark.parametrize("form", [pa.Table.from_pandas, pa.RecordBatch.from_pandas])
def test_tables_of_arrow_are_tables(form: Any) -> None:
    table, sequences = form(TABLE[OTHER]), [form(each[OTHER]) for each in RAGGED]
    expected = {"pen": TABLE, "pad": RAGGED}
    specs = {name: input_spec(from_arrays({name: values}, LABELS).columns[name]) for name, values in expected.items()}
    for name, values in {"pen": table, "pad": sequences}.items():
        assert same(column_of(specs[name], name, values), column_of(specs[name], name, expected[name]))
        assert input_spec(from_arrays({name: values}, LABELS).columns[name]).features == tuple(OTHER)
    some = from_arrays({"pen": table}, LABELS, present={"pen": [True, False, True, True]})
    assert input_spec(some.columns["pen"]).features == tuple(OTHER)
    with pytest.raises(InputError, match=r"^pen: expected the column 'y' that training had, found x, z$"):
        column_of(specs["pen"], "pen", form(TABLE[["x", "z"]]))


@pytest.mark.parametrize("given", [RAGGED, EVEN], ids=["sequences", "windows"])
def test_a_data_set_of_sequences_is_put_in_training_s_order(given: Any) -> None:
    data, other = (from_arrays({"pen": v}, LABELS) for v in (given, [table[OTHER] for table in given]))
    assert same(in_order(other, {"pen": input_spec(data.columns["pen"])}).columns["pen"], data.columns["pen"])


def test_two_columns_of_one_name_are_refused_in_sequences() -> None:
    twice = [table.set_axis(["x", "y", "x"], axis=1) for table in RAGGED]
    with pytest.raises(InputError, match=r"^pen: expected distinct column names, found 'x' more than once"):
        from_arrays({"pen": twice}, LABELS)


def test_a_row_of_a_table_in_a_file_is_no_sequence(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    TABLE.to_csv(path, index=False)
    for column in (RAGGED, EVEN):
        spec = input_spec(from_arrays({"pen": column}, LABELS).columns["pen"])
        assert spec.features == ("x", "y", "z")
        with pytest.raises(InputError, match="expected the column 'pen'"):
            table_of(path, {"pen": spec}, False)


@pytest.mark.parametrize("values", [[1.0, 2.0], [[1.0], [2.0]], np.eye(2), ["a", "b"], [np.eye(2)], [], None])
def test_what_has_no_names_stays_as_it_is(values: Any) -> None:
    assert in_one_order("pen", values)[0] is values
    assert ArrayColumn(np.eye(2)).features == SequenceColumn([np.eye(2)]).features == ()
