"""A group is on one side of a split, unless somebody says that it may be on both."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, from_arrays, read_manifest, write_manifest
from crossdistill.data.doubts import doubts_of
from crossdistill.data.splits import require_groups_apart
from crossdistill.recipes.recipe import DataSettings
from crossdistill.runs.data import split_dataset
from crossdistill.types import InputError

SETTINGS = DataSettings("unused", ("wrist",), ())


def subjects(groups: str, splits: str) -> MultimodalDataset:
    """One sample for each letter; splits: r for train, v for validation, t for test; every second is a fold."""
    names = {"r": "train", "v": "validation", "t": "test"}
    count = len(groups)
    return from_arrays(
        {"wrist": np.eye(count)},
        np.arange(count) // 2 % 2,
        groups=list(groups),
        splits=np.array([names[letter] for letter in splits]),
        folds=np.arange(count) % 2,
    )


def test_groups_apart_are_all_right() -> None:
    require_groups_apart(subjects("aabbccdd", "rrrrvvtt"))
    require_groups_apart(from_arrays({"wrist": np.eye(4)}, [0, 1] * 2, splits=np.arange(4) > 1))  # no groups at all


@pytest.mark.parametrize(
    ("groups", "splits", "message"),
    [
        ("aabbccaa", "rrrrvvtt", r"group 'a' is in train and in test \(2 of 2 test samples"),
        ("aabbbbdd", "rrrrvvtt", r"group 'b' is in train and in validation \(2 of 2 validation"),
    ],
)
def test_a_group_on_both_sides_is_one_line(groups: str, splits: str, message: str) -> None:
    dataset = subjects(groups, splits)
    with pytest.raises(InputError, match=message):
        split_dataset(dataset, SETTINGS, 0)
    with pytest.raises(InputError, match=message):  # what is tuned on is as strict
        split_dataset(dataset, DataSettings("unused", ("wrist",), (), evaluate_on="validation"), 0)
    split_dataset(dataset, DataSettings("unused", ("wrist",), (), allow_shared_groups=True), 0)
    shipped = DataSettings("unused", ("wrist",), (), evaluate_on="none")
    split_dataset(dataset, shipped, 0)
    choosing = replace(shipped, choose_epoch_on="validation")
    if "validation" in message:  # which chooses the model that ships
        with pytest.raises(InputError, match=message):
            split_dataset(dataset, choosing, 0)
        split_dataset(dataset, replace(choosing, allow_shared_groups=True), 0)
    else:
        split_dataset(dataset, choosing, 0)


def test_folds_must_hold_whole_groups_as_well() -> None:
    with pytest.raises(InputError, match="group 'a' is in train and in test"):
        split_dataset(subjects("aabbccdd", "rrrrrrtt"), DataSettings("unused", ("wrist",), (), fold=0), 0)


def test_prepare_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_manifest(tmp_path / "set", subjects("aabbccaa", "rrrrvvtt"))
    assert main(["prepare", "manifest", str(folder)]) == 2
    assert "group 'a' is in train and in test" in capsys.readouterr().err
    assert main(["prepare", "manifest", str(folder), "--allow-shared-groups"]) == 0
    assert "array" in capsys.readouterr().out


def test_samples_without_a_group_beside_others_are_said() -> None:
    """Nothing keeps them on one side of a split with the person that they are of."""
    labels, values = [0, 1] * 3, {"wrist": np.arange(6.0)[:, None]}
    for groups, said in (
        (["a", "", "b", "b", None, "c"], "2 of 6 samples have no group, as '1', and each counts as one of its own"),
        (["1", "", "1", "2", "2", "2"], "1 of 6 samples has no group, as '1', and it counts as one"),
        (["0", "1", "2", "3", "5", "5"], ""),  # groups that are called as samples are
        (["a"] * 6, ""),
        (["1", "1", "1", "2", "2", "2"], ""),
        ([""] * 6, ""),
        ((), ""),
    ):
        lines = [line for line in doubts_of(from_arrays(values, labels, groups=groups)) if "no group" in line]
        assert len(lines) == (1 if said else 0)
        assert all(line.startswith(said) for line in lines)


def test_errors_name_the_manifest_that_is_to_be_mended_and_else_the_data_set(tmp_path: Path) -> None:
    """A folder may have several; only what was made in Python has no file."""
    made = subjects("aabbccaa", "rrrrvvtt")
    path = (write_manifest(tmp_path / "set", made) / "manifest.csv").rename(tmp_path / "set" / "other.csv")
    read = read_manifest(path)
    assert (read.name, made.name) == ("set", "arrays")
    for dataset, called in ((read, str(path)), (made, "arrays")):
        for settings, said in ((SETTINGS, ": group 'a' is in"), (replace(SETTINGS, fold=7), " has no fold 7")):
            with pytest.raises(InputError, match=f"^{re.escape(called)}{said}"):
                split_dataset(dataset, settings, 0)
        with pytest.raises(InputError, match=f"^{re.escape(called)}: expected samples of split 'test'"):
            split_dataset(replace(dataset, splits=np.full(8, "train")), SETTINGS, 0)
