from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.data import from_arrays, read_manifest, with_fold, with_validation, write_manifest
from crossdistill.data.controls import Control, with_control
from crossdistill.data.labels import natural_order
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError


def arguments(count: int = 6, **changes: object) -> dict[str, object]:
    base = {
        "modalities": {
            "audio": np.arange(count * 2, dtype=np.float32).reshape(count, 2),
            "lips": [np.ones((1 + row, 3)) for row in range(count)],
        },
        "labels": ["yes", "no"] * (count // 2),
        "splits": ["train"] * (count - 2) + ["test"] * 2,
    }
    return base | changes


def grouped(groups: int, size: int, test_groups: int = 1, classes: int = 2):
    """Each group has `size` samples of all classes in turn; the last `test_groups` are for test."""
    count = groups * size
    group = np.arange(count) // size
    return from_arrays(
        {"x": np.arange(count, dtype=np.float32)[:, None]},
        np.arange(count) % classes,
        splits=group >= groups - test_groups,
        groups=group,
        folds=group,
    )


def test_a_batch_holds_the_rows_asked_for_in_their_order() -> None:
    dataset = from_arrays(**arguments())
    batch = dataset.__getitems__([4, 1, 4])
    assert batch.modalities["audio"].tolist() == [[8, 9], [2, 3], [8, 9]]
    assert batch.modalities["lips"].lengths.tolist() == [5, 2, 5]
    assert batch.rows.tolist() == [4, 1, 4]
    assert [dataset.classes[label] for label in batch.labels] == ["yes", "no", "yes"]
    assert batch.labels.dtype == batch.rows.dtype == torch.int64
    assert set(batch.present) == set(batch.modalities)
    assert all(present.dtype == torch.bool and present.tolist() == [True] * 3 for present in batch.present.values())


def test_rows_shapes_and_length() -> None:
    dataset = from_arrays(**arguments(splits=["train", "validation", "test", "train", "train", "test"]))
    assert len(dataset) == 6
    assert [dataset.rows(split).tolist() for split in ("train", "validation", "test")] == [[0, 3, 4], [1], [2, 5]]
    assert dataset.shapes == {"audio": (2,), "lips": (-1, 3)}
    assert dataset.rows("train").dtype == np.int64
    with pytest.raises(InputError, match=r"'dev'.*train, validation, test"):
        dataset.rows("dev")


def test_a_bool_mask_means_test() -> None:
    dataset = from_arrays(**arguments(splits=np.array([False, True, False, False, True, False])))
    assert dataset.splits.tolist() == ["train", "test", "train", "train", "test", "train"]


def test_only_drops_the_other_modalities() -> None:
    dataset = from_arrays(**arguments())
    assert set(dataset.only(["lips"]).__getitems__([0]).modalities) == {"lips"}
    assert set(dataset.columns) == {"audio", "lips"}
    with pytest.raises(InputError, match="no modality 'video'; it has audio, lips"):
        dataset.only(["lips", "video"])
    with pytest.raises(InputError, match="no modality chosen"):
        dataset.only([])


def test_tensors_and_equal_lists_are_stacked() -> None:
    modalities = {"a": torch.ones(6, 4), "b": [torch.zeros(2, 3)] * 6}
    assert from_arrays(**arguments(modalities=modalities)).shapes == {"a": (4,), "b": (2, 3)}


TEXTS = ["see you", "3 more", "hello", "I like track.mp3", "3", "hello"]


@pytest.mark.parametrize("values", [TEXTS, tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object), pd.Series(TEXTS)])
def test_texts_are_a_modality(values: object) -> None:
    data = from_arrays(**arguments(modalities={"said": values, "x": np.eye(6)}, present={"x": [True] * 5 + [False]}))
    assert data.shapes == {"said": (1024,), "x": (6,)}
    said = data.__getitems__([2, 5, 0]).modalities["said"]
    assert torch.equal(said[0], said[1])  # type: ignore[index]
    assert not torch.equal(said[0], said[2])  # type: ignore[index]
    some = from_arrays(**arguments(modalities={"said": values}, present={"said": [True, False] * 3}))
    assert some.__getitems__([0, 1]).present["said"].tolist() == [True, False]


@pytest.mark.parametrize("texts", [["3 people", "2 people"] * 3, ["5 stars"] * 6, ["10A", "11A", "9A"] * 2], ids=str)
def test_texts_that_begin_with_a_number_are_texts(texts: list[str]) -> None:
    assert from_arrays(**arguments(modalities={"said": texts})).shapes == {"said": (1024,)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["a", "b", "c.mp4", "d", "e", "f"],
            "expected numbers or texts, found the name of a file, 'c.mp4'",
        ),
        (["1", "2", "3", "n/a", "5", "6"], "expected numbers or texts, found numbers as texts, such as '1'"),
        (
            ["0,5", "1,5", "2,5", "no", "3,5", "6"],
            "expected numbers or texts, found numbers .* '0,5'",
        ),
        (["True", "False"] * 3, "expected numbers or texts, found numbers as texts"),
        (
            ["2024-01-31", "2024-02-01 10:30", "3", "9:15 PM", "1.2.2024", "b"],
            "found times, such as '2024-01-31'",
        ),
        (["[1.0, 2.0]"] * 6, "expected numbers or texts, found lists as texts"),
        (
            ["a", "b", "notes.txt", "d", "e", "f"],
            "expected numbers or texts, found the name of a file, 'notes.txt'",
        ),
        (["my clips/a.avif"] * 6, "expected numbers or texts, found the name of a file, 'my clips/a.avif'"),
        (["a", " ", "c", "d", "e", "f"], "said: row 1: expected a text, found an empty one"),
        (["a", "b", "c", "\ud800", "e", "f"], "said: row 3: expected a text, found half a surrogate pair in it"),
        (["a", "b", "c", "d", 5, "f"], "expected"),
    ],
)
def test_what_is_no_text(values: list[object], message: str) -> None:
    with pytest.raises(InputError, match=f"^said: (row .: )?.*{message.removeprefix('said: ')}"):
        from_arrays(**arguments(modalities={"said": values}))


@pytest.mark.parametrize(
    ("labels", "classes", "numbers", "names"),
    [
        ([10, 2, -2, 2, 10, -2], (), [2, 1, 0, 1, 2, 0], ("-2", "2", "10")),
        (["a10", "a2", "b", "b", "a2", "b"], (), [1, 0, 2, 2, 0, 2], ("a2", "a10", "b")),
        ([0, 2, 0, 2, 0, 2], ("x", "y", "z"), [0, 2, 0, 2, 0, 2], ("x", "y", "z")),
        (["z", "x", "x", "z", "x", "z"], ("z", "y", "x"), [0, 2, 2, 0, 2, 0], ("z", "y", "x")),
        (np.array(["u", "v", "u", "v", "u", "v"], dtype=object), (), [0, 1, 0, 1, 0, 1], ("u", "v")),
    ],
)
def test_labels_become_class_numbers(labels: list, classes: tuple, numbers: list[int], names: tuple) -> None:
    dataset = from_arrays(**arguments(labels=labels, classes=classes))
    assert dataset.labels.tolist() == numbers
    assert dataset.labels.dtype == np.int64
    assert dataset.classes == names


@given(st.lists(st.text(max_size=5)), st.randoms())
def test_natural_order_is_an_order_of_the_distinct_texts(texts: list[str], random) -> None:
    ordered = natural_order(texts)
    assert sorted(ordered) == sorted(set(texts))
    random.shuffle(texts)
    assert natural_order(texts) == ordered


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_natural_order_of_whole_numbers_is_by_value(values: list[int]) -> None:
    assert natural_order([str(value) for value in values]) == [str(value) for value in sorted(set(values))]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["a"] * 5}, "for each of the 5 labels, found 6"),
        ({"labels": [0.5] * 6}, "whole numbers or strings"),
        ({"labels": np.zeros((6, 1), int)}, r"shape \(N,\)"),
        ({"labels": [0, 1, 2] * 2, "classes": ("a", "b")}, "0 to 1 for 2 classes, found 2"),
        ({"labels": ["a", "c"] * 3, "classes": ("a", "b")}, "'c' is not one of the classes a, b"),
        ({"classes": ("a", "a")}, "distinct"),
        ({"labels": ["a"] * 4 + ["b"] * 2}, "class 'b' is in test but never in train"),
        ({"splits": ["train"] * 5}, "splits: .*6 labels, found 5"),
        ({"splits": ["train"] * 5 + ["dev"]}, "unknown split 'dev'"),
        ({"splits": [0, 1] * 3}, "True for test"),
        ({"ids": list("abcdea")}, "'a' occurs more than once"),
        ({"ids": list("abc")}, "ids: .*found 3"),
        ({"groups": [1, 2]}, "groups: .*found 2"),
        ({"folds": [1, 2]}, "folds: .*found 2"),
        ({"captions": ["x"]}, "captions: .*found 1"),
        ({"pictures": np.zeros((6, 4, 4, 3))}, "uint8"),
        ({"pictures": np.zeros((6, 4, 4), np.uint8)}, "uint8"),
        ({"pictures": np.zeros((5, 4, 4, 3), np.uint8)}, "pictures: .*found 5"),
        ({"modalities": {}}, "no modalities"),
        ({"modalities": {"a": np.zeros((0, 2))}, "labels": [], "splits": []}, "no samples|expected"),
        ({"modalities": {"a.b": np.zeros((6, 2))}}, r"'a\.b'.*letters"),
        ({"modalities": {1: np.zeros((6, 2))}}, "modality name 1: expected ASCII letters"),
        ({"task": "regresion"}, "task: expected one of classification, multilabel, regression, found 'regresion'"),
        ({"labels": np.eye(6), "task": "multi-label"}, "task: expected one of .*, found 'multi-label'"),
        ({"labels": ["a\0", "a"] * 3}, r"labels: expected text without zero characters, found 'a.x00'"),
        ({"labels": np.array(["a\0", "a"] * 3, dtype=object)}, "labels: expected text without zero characters"),
        ({"groups": ["g\0", "g"] * 3}, "groups: expected text without zero characters"),
        ({"modalities": {"a": np.full((6, 2), np.nan)}}, "a: row 0: NaN"),
        ({"modalities": {"a": [np.zeros((2, 3))] * 5 + [np.zeros((2, 4))]}}, "a: row 5"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        from_arrays(**arguments(**changes))
    assert "\n" not in str(error.value)


def test_with_fold_tests_on_one_fold_and_trains_on_the_rest() -> None:
    dataset = grouped(groups=4, size=6)
    for fold in range(4):
        chosen = with_fold(dataset, fold)
        assert (dataset.folds[chosen.rows("test")] == fold).all()
        assert sorted([*chosen.rows("test"), *chosen.rows("train")]) == list(range(24))
    with pytest.raises(InputError, match="no fold 4; it has 0, 1, 2, 3"):
        with_fold(dataset, 4)
    with pytest.raises(InputError, match="no fold 0; it has no folds"):
        with_fold(from_arrays(**arguments()), 0)
    with pytest.raises(InputError, match="never in train"):
        with_fold(from_arrays(**arguments(folds=[0, 1] * 3)), 0)


@settings(deadline=None)  # the first example imports what splits by group
@given(st.integers(3, 8), st.integers(2, 5), st.floats(0.1, 0.5), st.integers(0, 1000))
def test_validation_groups_are_disjoint_from_train_groups_like_the_test_groups(
    groups: int, half: int, fraction: float, seed: int
) -> None:
    dataset = grouped(groups, 2 * half)
    tuning = with_validation(dataset, fraction, seed)
    train, validation = tuning.rows("train"), tuning.rows("validation")
    assert not set(dataset.groups[train]) & set(dataset.groups[validation])
    assert sorted([*train, *validation]) == dataset.rows("train").tolist()
    assert tuning.rows("held_out").tolist() == dataset.rows("test").tolist()
    assert not len(tuning.rows("test"))
    assert len(validation)
    assert np.array_equal(with_validation(dataset, fraction, seed).splits, tuning.splits)


@given(st.integers(1, 20), st.integers(0, 1000))
def test_validation_rows_without_groups_are_in_proportion_to_the_classes(tens: int, seed: int) -> None:
    labels = np.repeat([0, 1], [10 * tens, 20 * tens])
    dataset = from_arrays({"x": np.zeros((30 * tens, 1))}, labels, splits=np.zeros(30 * tens, bool))
    validation = with_validation(dataset, 0.2, seed).rows("validation")
    assert np.bincount(labels[validation]).tolist() == [2 * tens, 4 * tens]


def test_validation_is_by_class_where_the_test_split_shares_the_groups() -> None:
    """Speaker-dependent tests: the same speakers in train and test, so validation has all of them as well."""
    group = np.arange(300) % 3
    dataset = from_arrays(
        {"x": np.zeros((300, 1))}, np.arange(300) // 3 % 2, splits=np.arange(300) >= 200, groups=group
    )
    tuning = with_validation(dataset, 0.25, 0)
    assert set(tuning.groups[tuning.rows("validation")]) == set(tuning.groups[tuning.rows("train")]) == {"0", "1", "2"}


def test_existing_validation_rows_are_kept() -> None:
    dataset = from_arrays(**arguments(splits=["train", "train", "validation", "train", "test", "test"]))
    tuning = with_validation(dataset, 0.5, 0)
    assert tuning.splits.tolist() == ["train", "train", "validation", "train", "held_out", "held_out"]


def test_the_data_set_itself_keeps_its_splits() -> None:
    dataset = grouped(4, 4)
    before = dataset.splits.copy()
    with_validation(dataset, 0.3, 0)
    with_fold(dataset, 1)
    assert np.array_equal(dataset.splits, before)


def test_a_fold_that_holds_all_of_a_class_is_named_and_so_is_the_file(tmp_path: Path) -> None:
    made = from_arrays({"x": np.zeros((6, 1))}, ["a", "a", "a", "a", "c&d", "c&d"], folds=[0, 1, 0, 1, 1, 1])
    with_fold(made, 0)
    source = write_manifest(tmp_path / "data", made)
    problem = "data/manifest.csv: class 'c&d' is in test but never in train: fold 1 is tested, and outside of it no"
    with pytest.raises(InputError, match=problem):
        with_fold(read_manifest(source), 1)


def test_validation_that_cannot_be_taken_is_refused() -> None:
    with pytest.raises(InputError, match="above 0 and below 1"):
        with_validation(grouped(4, 4), 1.0, 0)
    rare = from_arrays({"x": np.zeros((9, 1))}, [0] * 8 + [1], splits=np.zeros(9, bool))
    with pytest.raises(
        InputError, match=r"take 0.3 of 9 labelled train rows for .* side: of '1' there is one; label more"
    ):
        with_validation(rare, 0.3, 0)
    one_group = from_arrays(
        {"x": np.zeros((8, 1))}, [0, 1] * 4, splits=[False] * 6 + [True] * 2, groups=list("aaaaaabb")
    )
    with pytest.raises(InputError, match=r"cannot take .* on either side and no group on both, of 1 group; label more"):
        with_validation(one_group, 0.3, 0)
    plain = from_arrays({"x": np.zeros((25, 1))}, [0] * 13 + [1] * 12)
    with pytest.raises(InputError, match=r"2 classes on either side: 25 would be for validation and 0 for training;"):
        with_validation(plain, 0.99, 0)
    numbers = from_arrays({"x": np.zeros((25, 1))}, np.arange(25.0), task="regression")
    with pytest.raises(InputError, match=r"with one on either side: 25 would be for validation and 0 for training;"):
        with_validation(numbers, 0.99, 0)
    by_class = from_arrays(
        {"x": np.zeros((8, 1))}, [0, 0, 0, 1, 1, 1, 0, 1], splits=[False] * 6 + [True] * 2, groups=list("aaabbbcc")
    )
    with pytest.raises(InputError, match="would be in validation but not in train"):
        with_validation(by_class, 0.5, 0)


def test_a_mistyped_name_among_those_present_is_named() -> None:
    with pytest.raises(InputError, match="present: no modality 'writs'; there are wrist"):
        from_arrays({"wrist": np.zeros((4, 2))}, [0, 1, 0, 1], present={"writs": np.ones(4, bool)})


def test_folds_are_whole_numbers() -> None:
    with pytest.raises(InputError, match="folds: expected whole numbers, found dtype float64"):
        from_arrays({"wrist": np.zeros((4, 2))}, [0, 1, 0, 1], folds=np.full(4, 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels",
    [
        [True, False, None],
        [True, False, -1],
        (True, False, float("nan")),
        np.array([True, False, None], dtype=object),
        pd.array([True, False, None]),
        np.ma.masked_array([True, False, False], [False, False, True]),
    ],
)
def test_true_and_false_are_classes_of_these_names_as_in_a_table(labels: Any) -> None:
    table = np.zeros((3, 2))
    dataset = from_arrays({"watch": table}, labels)
    assert dataset.classes == ("False", "True")
    assert dataset.labels.tolist() == [1, 0, -1]
    assert from_arrays({"watch": table}, np.array([True, False, True])).classes == ("False", "True")
    assert from_arrays({"watch": table}, torch.tensor([True, False, True])).classes == ("False", "True")
    named = from_arrays({"watch": table}, [True, False, True], classes=("no", "yes"))
    assert named.classes == ("no", "yes")
    assert named.labels.tolist() == [1, 0, 1]
    turned = from_arrays({"watch": table}, [True, False, True], classes=("True", "False"))
    assert turned.labels.tolist() == [0, 1, 0]


MASKED = np.ma.masked_array(np.zeros((2, 2)), mask=[[True, False], [False, False]])


@pytest.mark.parametrize("values", [MASKED, list(MASKED), [MASKED, MASKED[:1]]], ids=["array", "rows", "sequences"])
def test_masked_numbers_are_refused(values: Any) -> None:
    for present in ({}, {"wrist": [True, True]}):
        with pytest.raises(InputError, match=r"wrist.*: expected numbers everywhere, found masked ones"):
            from_arrays({"wrist": values}, [0, 1], present=present)


NAN = np.where(np.arange(4)[:, None] == 2, np.nan, np.ones((4, 3)))


@pytest.mark.parametrize(
    "values",
    [
        NAN,
        pd.DataFrame(NAN, columns=list("abc")),
        pd.DataFrame(NAN, columns=list("abc")).convert_dtypes(),
        torch.from_numpy(NAN),
        list(NAN),
        np.ma.masked_invalid(NAN),
        [np.full((3 + row, 2), np.nan if row == 2 else 1.0) for row in range(4)],
        [np.ma.masked_all((3, 2)) if row == 2 else np.ones((3 + row, 2)) for row in range(4)],
    ],
    ids=["array", "table", "NA", "tensor", "rows", "masked", "sequences", "masked sequence"],
)
def test_samples_of_nan_alone_are_told_how_to_be_missing(values: Any) -> None:
    """As the estimator takes them, without a word."""
    labels, there = [0, 1, 0, 1], np.arange(4) != 2
    with pytest.raises(
        InputError, match=r"^bot: row 2: NaN or masked throughout; .* present=\{'bot': \.\.\.\} is a trut"
    ):
        from_arrays({"bot": values}, labels)
    assert from_arrays({"bot": values}, labels, present={"bot": there}).present(["bot"]).tolist() == there.tolist()
    with pytest.raises(InputError, match=r"^bot: row 2: NaN or masked throughout"):
        from_arrays({"bot": values}, labels, present={"bot": np.arange(4) > 0})


def test_samples_of_nan_in_part_are_not_told_so() -> None:
    for hole in (np.nan, np.inf):
        partly = np.ones((4, 3))
        partly[2, 1] = hole
        with pytest.raises(InputError, match=r"^bot: row 2: NaN or infinity \(in float32\); replace or drop"):
            from_arrays({"bot": partly}, [0, 1, 0, 1])
    with pytest.raises(InputError, match=r"^bot: expected an array of shape \(samples, features"):
        from_arrays({"bot": np.array([1.0, np.nan])}, [0, 1])


def test_masked_labels_are_none() -> None:
    table = {"wrist": np.zeros((3, 2))}
    for labels in ([0, 1, 1], ["a", "b", "b"]):
        assert from_arrays(table, np.ma.masked_array(labels, [False, True, False])).labels.tolist() == [0, -1, 1]
    numbers = from_arrays(table, np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]), task="regression")
    assert np.isnan(numbers.labels[:, 0]).tolist() == [False, True, False]


def test_tables_with_pandas_own_types_are_numbers() -> None:
    table = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]})
    for frame in (table.convert_dtypes(), table.astype({"a": "Int64", "b": "boolean"}), table.astype("int64[pyarrow]")):
        data = from_arrays({"watch": frame}, [0, 1, 0])
        assert data.columns["watch"].fetch(np.arange(3)).tolist() == [[1, 1], [2, 0], [3, 1]]
    gap = table.astype({"a": "Int64"})
    gap.iloc[1, 0] = pd.NA
    with pytest.raises(InputError, match="watch: row 1: NaN"):
        from_arrays({"watch": gap}, [0, 1, 0])


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="watch: expected distinct column names, found 'a' more than once"):
        from_arrays({"watch": pd.DataFrame(np.zeros((2, 3)), columns=["a", "b", "a"])}, [0, 1])


def test_a_table_that_some_samples_lack_keeps_its_names() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    data = from_arrays({"watch": table}, [0, 1, 0], present={"watch": np.array([True, True, False])})
    assert content_of(data.columns["watch"]).features == ("a", "b")


def objects(rows: Any) -> Any:
    """The rows as an array of arrays."""
    array = np.empty(len(rows), dtype=object)
    array[:] = list(rows)
    return array


def test_sequences_in_an_array_of_objects() -> None:
    listed = [np.ones((length, 2)) for length in (3, 1, 2)]
    array = np.empty(3, dtype=object)
    array[:] = listed
    of_steps = pd.Series([objects(sequence) for sequence in listed])  # as pandas reads lists of lists from Parquet
    for values in (array, pd.Series(listed), of_steps):
        assert from_arrays({"pen": values}, [0, 1, 0]).shapes["pen"] == (-1, 2)


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_what_stands_for_no_label(gap: object) -> None:
    for labels in ([np.int64(4), gap, np.int64(9)], ["4", gap, "9"], pd.Series(["4", gap, "9"], dtype="string")):
        data = from_arrays({"watch": np.eye(3)}, labels)
        assert data.classes == ("4", "9")
        assert data.labels.tolist() == [0, -1, 1]


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, "", " "])
def test_a_sample_without_a_group_is_a_group_of_its_own(gap: object) -> None:
    """As in a manifest, so that one missing on both sides of a split is no shared group."""
    for groups in ([gap, "g", gap, "g"], pd.Series([gap, "g", gap, "g"], dtype=object)):
        assert from_arrays({"x": np.eye(4)}, list("abab"), groups=groups).groups.tolist() == ["0", "g", "2", "g"]
    masked = np.ma.array([7, 8, 7, 7], mask=[False, True, True, False])
    data = from_arrays({"x": np.eye(4)}, list("abab"), groups=masked, ids=list("wxyz"))
    assert data.groups.tolist() == ["7", "x", "y", "7"]


def test_a_sample_without_a_group_is_in_nobody_else_s() -> None:
    """Whatever its id: of ids 0 to 3, two are called as groups are."""
    made = from_arrays({"x": np.eye(4)}, [0, 1, 0, 1], groups=[1, None, 2, None])
    assert len(set(made.groups)) == 4
    assert made.groups[0] == "1"
    with pytest.raises(InputError, match="ids: expected text without zero characters"):
        from_arrays({"x": np.eye(4)}, [0, 1, 0, 1], ids=["a\0", "a", "b", "c"])


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 2**64 - 1], dtype=np.uint64),
        np.array([1, 2**63 + 5], dtype=np.uint64),
        np.array([1, 2**70], dtype=object),
        pd.Series([2**63 + 5, None], dtype="UInt64"),
    ],
)
def test_whole_numbers_that_would_become_others_are_refused(labels: Any) -> None:
    with pytest.raises(InputError, match=r"labels: expected whole numbers that int64 holds, found [0-9]+; give their"):
        from_arrays({"x": np.eye(2)}, labels)
    assert from_arrays({"x": np.eye(2)}, [2**63 - 1, -5]).classes == ("-5", str(2**63 - 1))


@pytest.mark.parametrize("kind", ["datetime64[D]", "datetime64[ns]", "timedelta64[ns]", "S"])
@pytest.mark.parametrize("form", [np.asarray, list, pd.Series])
def test_times_and_bytes_are_no_classes_until_they_are_texts(kind: str, form: Any) -> None:
    labels = np.array([1, 2], dtype="int64").astype(kind)
    if kind == "S" and form is pd.Series:
        labels = labels.astype(object)
    with pytest.raises(InputError, match="labels: expected whole numbers or strings, found dtype"):
        from_arrays({"x": np.eye(2)}, form(labels))


def test_floats_that_are_classes_are_told_to_be_whole_numbers() -> None:
    """They may be numbers to be predicted as well."""
    with pytest.raises(
        InputError, match=r"give classes as labels.astype\(int\), of which -1 is none; numbers that are"
    ):
        from_arrays({"x": np.eye(3)}, np.array([0.0, 1.0, -1.0]))
    with pytest.raises(InputError, match="float64; numbers that are to be predicted need task='regression'"):
        from_arrays({"x": np.eye(3)}, np.array([0.5, 1.0, -1.0]))


def test_spans_of_time_beside_a_gap_are_no_classes() -> None:
    with pytest.raises(InputError, match="labels: expected whole numbers or strings"):
        from_arrays({"x": np.eye(2)}, [np.timedelta64(5, "ns"), None])


@pytest.mark.parametrize("name", ["fetch", "detach", "getbands"])
@pytest.mark.parametrize("present", [{}, {"x": [True, False, True]}])
def test_a_table_is_one_whatever_its_columns_are_called(name: str, present: dict[str, list[bool]]) -> None:
    table = pd.DataFrame({name: [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    made = from_arrays({"x": table}, [0, 1, 0], present=present).columns["x"]
    assert made.shape == (2,)
    assert made.fetch(np.array([2])).tolist() == [[3, 6]]
    of_tables = from_arrays({"x": [table, table[:2], table[1:]]}, [0, 1, 0]).columns["x"]
    assert of_tables.shape == (-1, 2)


@pytest.mark.parametrize("in_list", [False, True])
def test_tensors_with_a_gradient_are_labels_weights_and_groups(in_list: bool) -> None:
    def of(values: list[float] | list[list[float]], dtype: torch.dtype = torch.float64) -> Any:
        tensor = torch.tensor(values, dtype=dtype, requires_grad=True)
        return list(tensor) if in_list else tensor

    x = {"x": np.eye(2)}
    assert from_arrays(x, of([0.5, 2.5]), task="regression").labels.tolist() == [[0.5], [2.5]]
    assert from_arrays(x, of([[0.5, 1], [2.5, 3]], torch.bfloat16), task="regression").labels[1].tolist() == [2.5, 3]
    assert from_arrays(x, of([[0, 1], [1, 1]]), task="multilabel").labels.tolist() == [[0, 1], [1, 1]]
    numbers: Any = torch.tensor([7, 3])
    made = from_arrays(x, list(numbers) if in_list else numbers, weights=of([1, 2]), groups=numbers)
    assert made.classes == ("3", "7")
    assert made.weights.tolist() == [1, 2]
    assert made.groups.tolist() == ["7", "3"]
    with pytest.raises(InputError, match="numbers that are to be predicted need task='regression'"):
        from_arrays(x, of([0.5, 2.5]))


@pytest.mark.parametrize("control", ["none", "shuffled", "noise", "zeroed", "target"])
def test_arrays_cannot_turn_out_unreadable_whatever_control_stands_before_them(control: Control) -> None:
    there = {"camera": [True, False, True, True]}
    data = from_arrays({"wrist": np.eye(4), "camera": np.eye(4)}, [0, 1, 0, 1], present=there)
    assert not with_control(data, control, ["wrist"], ["camera"], seed=0).may_fail


@pytest.mark.parametrize("control", ["none", "shuffled", "noise", "zeroed", "target"])
def test_test_samples_lack_what_stands_in_for_what_they_lack(control: Control) -> None:
    """So that a control's teacher is measured on the samples that the real one is."""
    splits = [False, False, True, True, True]
    data = from_arrays(
        {"wrist": np.arange(5.0)[:, None], "camera": np.eye(5)},
        [0, 1, 0, 1, 0],
        splits=splits,
        present={"camera": [True, False, True, False, True]},
    )
    made = with_control(data, control, ["wrist"], ["camera"], seed=0)
    assert made.present(["camera"])[2:].tolist() == [True, False, True]
    batch = made.__getitems__([4, 3, 2])
    assert batch.present["camera"].tolist() == [True, False, True]
    if control == "target":
        assert batch.modalities["camera"][[0, 2], 0].tolist() == [4.0, 2.0]


def test_what_stands_for_a_data_set_is_one_short_line_however_large_it_is() -> None:
    """Of ten thousand samples as of ten: its name, splits, shapes, and how many have a label."""
    shown = {}
    for count in (10, 10_000):
        labels = [["a", "b", None][row % 3] for row in range(count)]
        test = np.arange(count) % 6 == 1
        wide = {f"sensor{place}": np.zeros((count, 1)) for place in range(30)}
        data = from_arrays({"wrist": np.zeros((count, 4, 3)), **wide}, labels, splits=test, name="gestures")
        shown[count] = repr(data)
        assert str(data) == shown[count]
    assert "\n" not in shown[10_000]
    assert len(shown[10_000]) < len(shown[10]) + 20 < 350
    told = ("'gestures'", "8,333 train", "1,667 test", "wrist (4, 3)", "2 classes", "6,667 samples labelled", "more")
    assert all(part in shown[10_000] for part in told)
