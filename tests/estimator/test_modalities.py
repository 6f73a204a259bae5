"""The container that scikit-learn slices by rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, indexable

from crossdistill import InputError, Modalities, from_arrays
from tests.estimator.small import problem, quick

ARRAY, TABLE = np.arange(12.0).reshape(4, 3), pd.DataFrame({"a": range(4), "b": range(4)}, index=list("wxyz"))
SEQUENCES = [np.full((length, 2), float(length)) for length in (3, 1, 4, 2)]


def mixed() -> Modalities:
    return Modalities(array=ARRAY, table=TABLE, sequences=SEQUENCES)


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ([2, 0], [2, 0]),
        (np.array([3, 3]), [3, 3]),
        (slice(1, None), [1, 2, 3]),
        (np.array([True, False, False, True]), [0, 3]),
        (range(2), [0, 1]),
    ],
)
def test_rows_are_rows_of_each_modality(key: Any, rows: list[int]) -> None:
    for some in (mixed()[key], mixed()[key, ...], _safe_indexing(mixed(), np.arange(4)[key])):
        assert len(some) == len(rows)
        assert np.array_equal(some["array"], ARRAY[rows])
        assert some["table"].index.tolist() == TABLE.index[rows].tolist()
        assert [len(sequence) for sequence in some["sequences"]] == [len(SEQUENCES[row]) for row in rows]


def test_scikit_learn_takes_it_for_samples() -> None:
    train, test, y_train, _ = train_test_split(mixed(), list("abab"), test_size=0.5, random_state=0)
    assert (len(train), len(test)) == (2, 2)
    assert len(y_train) == 2
    assert len(indexable(mixed(), ARRAY)[0]) == 4


def test_it_says_what_it_holds() -> None:
    assert mixed().shape == (4, 3 + 2 + 2)
    assert repr(mixed()) == "Modalities(array=(4, 3), table=(4, 2), sequences=4 sequences)"
    one = mixed()[-1]
    assert one["array"].tolist() == ARRAY[3].tolist()
    assert one["sequences"].shape == (2, 2)
    assert one["table"].tolist() == [3, 3]
    with pytest.raises(IndexError):
        mixed()[4]


def test_names_that_are_no_arguments_come_in_a_dict() -> None:
    assert Modalities({"left-wrist": ARRAY}, camera=ARRAY).names == ("left-wrist", "camera")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "at least one modality"),
        ({"a": ARRAY, "b": ARRAY[:2]}, "found 4 of a, 2 of b"),
        ({"a": 3.0}, "a: expected samples along the first axis, found"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Modalities(given)


@pytest.mark.parametrize("as_lists", [False, True])
def test_a_series_of_arrays_is_what_its_arrays_are(as_lists: bool, tmp_path: Path) -> None:
    """As pandas reads lists from Parquet: vectors, sequences in arrays of arrays, None where a sample lacks one."""
    X, y, A = problem()
    steps = [np.repeat(row[None], 2 + place % 3, axis=0) for place, row in enumerate(A)]
    plain = quick().fit(X, y, auxiliary=[None if place % 9 == 4 else each for place, each in enumerate(steps)])
    cells = [None if place % 9 == 4 else each.tolist() for place, each in enumerate(steps)]
    table = pd.DataFrame({"x": X.tolist(), "steps": cells})
    if not as_lists:
        table.to_parquet(tmp_path / "table.parquet")
        table = pd.read_parquet(tmp_path / "table.parquet")
    given = quick().fit(table["x"], y, auxiliary=table["steps"])
    assert np.array_equal(given.predict_proba(table["x"]), plain.predict_proba(X))
    named = quick().fit(Modalities(wrist=table["x"]), y, auxiliary=Modalities(camera=table["steps"]))
    assert np.array_equal(named.predict_proba(Modalities(wrist=table["x"])), plain.predict_proba(X))


def test_columns_of_arrow_are_what_they_hold() -> None:
    """As Polars' are: texts, vectors, sequences."""
    X, y, A = problem()
    texts = [f"{'left' if label else 'right'} {row % 3}" for row, label in enumerate(y)]
    steps = [np.repeat(row[None], 2 + place % 3, axis=0).tolist() for place, row in enumerate(A)]
    for items in (texts, A.tolist(), steps):
        plain, given = (quick().fit(X, y, auxiliary=values) for values in (items, pa.chunked_array([items])))
        assert np.array_equal(given.predict_proba(X), plain.predict_proba(X))
    vectors = quick().fit(X, y, auxiliary=A)
    assert np.array_equal(vectors.predict_proba(pa.array(X.tolist())), vectors.predict_proba(X.tolist()))


@pytest.mark.parametrize("gap", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_a_gap_among_arrays_is_one_however_it_is_written(gap: Any) -> None:
    X, y, A = problem()
    plain = quick(n_epochs=1).fit(X, y, auxiliary=[None if row == 4 else each for row, each in enumerate(A)])
    cells = [gap if row == 4 else each for row, each in enumerate(A)]
    for given in (pd.Series(cells), cells):
        assert np.array_equal(quick(n_epochs=1).fit(X, y, auxiliary=given).predict_proba(X), plain.predict_proba(X))
    with pytest.raises(InputError, match="row 4 is None"):
        quick(n_epochs=1).fit(pd.Series(cells), y)
    with pytest.raises(InputError, match="a: row 4: expected a sample, found None"):
        from_arrays({"a": pd.Series(cells)}, y)


def test_tensors_in_a_series_are_arrays() -> None:
    X, y, _ = problem()
    given = quick("baseline").fit(pd.Series([torch.from_numpy(row) for row in X]), y)
    assert np.array_equal(given.predict_proba(X), quick("baseline").fit(X, y).predict_proba(X))
