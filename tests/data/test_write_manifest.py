from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.data import from_arrays, read_manifest, write_manifest
from crossdistill.data.columns import FileColumn, RowColumn
from crossdistill.data.dataset import in_memory
from crossdistill.data.readers import ReaderSettings, TextColumn
from crossdistill.types import InputError, TaskKind


def five_samples(**changes: object):
    generator = np.random.default_rng(1)
    base = {
        "modalities": {
            "picture": generator.normal(size=(5, 4)).astype(np.float16),
            "lips": [generator.normal(size=(1 + row, 3)) for row in range(5)],
        },
        "labels": ["c10", "c2", "c2", "c10", "c2"],
        "splits": ["train", "train", "validation", "test", "test"],
        "ids": list("vwxyz"),
        "groups": [1, 1, 2, 3, 3],
        "folds": [0, 1, 2, 0, 1],
        "pictures": generator.integers(0, 255, (5, 2, 2, 3), dtype=np.uint8),
        "weights": [1, 2.5, 1 / 3, 1e-7, 4e9],
        "captions": ["plain", 'a "quoted", one', "", "two\nlines", "é☃"],
    }
    return from_arrays(**(base | changes))


def test_writing_and_reading_give_the_same_data_set(tmp_path: Path) -> None:
    dataset = five_samples()
    folder = write_manifest(tmp_path / "deep" / "set", dataset)
    found = read_manifest(folder)
    assert folder == tmp_path / "deep" / "set"
    for name in ("ids", "classes", "captions", "shapes"):
        assert getattr(found, name) == getattr(dataset, name)
    for name in ("labels", "splits", "groups", "folds", "pictures", "weights"):
        assert np.array_equal(getattr(found, name), getattr(dataset, name))
    assert isinstance(found.columns["picture"], RowColumn)
    assert isinstance(found.columns["lips"], FileColumn)
    one, other = dataset.__getitems__([4, 0, 2]), found.__getitems__([4, 0, 2])
    assert torch.equal(one.modalities["picture"], other.modalities["picture"])
    assert all(torch.equal(a, b) for a, b in zip(one.modalities["lips"], other.modalities["lips"], strict=True))
    assert np.load(folder / "picture.npy").dtype == np.float16
    assert sorted(path.name for path in (folder / "lips").iterdir()) == [f"{key}.npy" for key in "vwxyz"]


def test_rows_kept_in_memory_are_the_rows_on_disk_and_no_others_are_kept(tmp_path: Path) -> None:
    on_disk = read_manifest(write_manifest(tmp_path / "set", five_samples()))
    loaded = in_memory(on_disk, np.array([1, 3, 4]))
    assert loaded.shapes == on_disk.shapes
    expected = on_disk.__getitems__([3, 1])
    shutil.rmtree(tmp_path / "set")
    found = loaded.__getitems__([3, 1])
    assert torch.equal(found.modalities["picture"], expected.modalities["picture"])
    assert all(torch.equal(a, b) for a, b in zip(found.modalities["lips"], expected.modalities["lips"], strict=True))
    with pytest.raises(KeyError, match="row 0 was not kept"):
        loaded.__getitems__([1, 0])


def test_ids_that_cannot_be_file_names_still_round_trip(tmp_path: Path) -> None:
    ids = ["../up", "a/b", "", "#1", "x" * 300]
    dataset = five_samples(ids=[key or "empty" for key in ids])
    found = read_manifest(write_manifest(tmp_path / "set", dataset))
    assert found.ids == dataset.ids
    assert len(list((tmp_path / "set" / "lips").iterdir())) == 5


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(InputError, match="set: cannot write: No space left on device"):
        write_manifest(tmp_path / "set", five_samples())
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_manifest(tmp_path / "set", five_samples())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="already there"):
        write_manifest(tmp_path / "set", five_samples())
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(InputError, match="expected a new or empty folder, found a file"):
        write_manifest(tmp_path / "set" / "manifest.csv", five_samples())


def test_names_that_a_manifest_needs_itself_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modality 'caption'"):
        write_manifest(tmp_path / "set", five_samples(modalities={"caption": np.zeros((5, 2))}))
    assert not list(tmp_path.iterdir())
    write_manifest(tmp_path / "set", five_samples())
    with pytest.raises(TypeError, match="columns in memory"):
        write_manifest(tmp_path / "copy", read_manifest(tmp_path / "set"))


def test_texts_become_cells(tmp_path: Path) -> None:
    texts = ['say "hello"', "one, two", "3", "two\nlines"]
    data = from_arrays(
        {"said": texts[:3] + texts[3:], "x": np.eye(4)}, list("abab"), present={"said": [True, False, True, True]}
    )
    folder = write_manifest(tmp_path / "new", data)
    again = read_manifest(folder)
    assert again.present(["said"]).tolist() == [True, False, True, True]
    first, second = (each.__getitems__([0, 1, 2, 3]).modalities["said"] for each in (data, again))
    assert torch.equal(first, second)  # type: ignore[arg-type]
    column = TextColumn(["see a.txt"], ["0"], ReaderSettings(), "said")
    with pytest.raises(InputError, match=r"modality 'said': 'see a.txt' would be read as the name of a file"):
        write_manifest(tmp_path / "other", from_arrays({"said": column}, ["a"]))


NAMES = st.text(st.sampled_from(' \t\r\n\xa0\u2003ab,";|'), max_size=4)


@given(
    names=st.lists(NAMES, min_size=2, max_size=3, unique=True), task=st.sampled_from(["classification", "multilabel"])
)
@settings(max_examples=60, deadline=None)
def test_names_of_classes_are_read_back_as_they_are_or_refused(names: list[str], task: TaskKind) -> None:
    labels = np.arange(len(names)) if task == "classification" else np.eye(len(names))
    made = from_arrays({"x": np.eye(len(names))}, labels, classes=names, task=task)
    with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not keep the order of classes")
        if any(name != name.strip() or not name for name in names):
            with pytest.raises(InputError, match=r"^classes: expected names without space"):
                write_manifest(Path(root) / "set", made)
            return
        found = read_manifest(write_manifest(Path(root) / "set", made), task=task)
    if task == "multilabel":
        assert found.classes == made.classes
        assert np.array_equal(found.labels, made.labels)
    else:
        assert [found.classes[label] for label in found.labels] == [made.classes[label] for label in made.labels]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"labels": ["a", " a", "a", "a", "a"]}, "classes: .*found ' a'"),
        ({"labels": ["a", "b\t", "a", "a", "a"]}, r"classes: .*found 'b\\t'"),
        ({"labels": [0, 1, 0, 0, 0], "classes": ["", "x"]}, "classes: .*found ''"),
        ({"ids": ["v", " w", "x", "y", "z"]}, "ids: .*found ' w'"),
    ],
)
def test_names_that_would_be_read_back_as_others_are_refused(
    changes: dict[str, object], what: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=what):
        write_manifest(tmp_path / "set", five_samples(**changes))
    assert not list(tmp_path.iterdir())


def test_what_a_manifest_has_no_place_for_is_told(tmp_path: Path) -> None:
    table = pd.DataFrame(np.eye(5), columns=list("abcde"))
    changes = {"labels": [2, 0, 2, 0, 2], "classes": ["low", "middle", "high"], "licence": "CC-BY-4.0"}
    made = five_samples(**changes, modalities={"wrist": table, "said": ["so ", "b", "c", "d", "e"]})
    lost = r"set: a manifest does not keep the names of wrist's columns, the space at the ends of said, the licence, "
    with pytest.warns(
        UserWarning, match=lost + r"classes that no sample has \('middle'\), the order of classes$"
    ) as told:
        found = read_manifest(write_manifest(tmp_path / "set", made))
    assert len(told) == 1
    assert told[0].filename == __file__
    assert found.classes == ("high", "low")


def test_a_weight_may_have_another_minus_and_lack_where_nothing_is_trained(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    rows = ["a,train,x,1,2.5e\N{MINUS SIGN}1", "b,train,y,2,3", "c,test,x,3,"]
    path.write_text("\n".join(["id,split,label,age,sample_weight", *rows]), encoding="utf-8")
    assert read_manifest(path).weights.tolist() == [0.25, 3, 1]


@pytest.mark.parametrize("cell", ["", "0", "-1", "\N{MINUS SIGN}1", "nan", "much", "1e999"])
def test_a_weight_that_is_none_is_named(cell: str, tmp_path: Path) -> None:
    write_manifest(tmp_path / "set", five_samples())
    manifest = tmp_path / "set" / "manifest.csv"
    table = pd.read_csv(manifest, dtype=str)
    table.loc[1, "sample_weight"] = cell
    table.to_csv(manifest, index=False)
    with pytest.raises(InputError, match=f"row 3, column 'sample_weight': expected a number above 0, found '{cell}'"):
        read_manifest(tmp_path / "set")
