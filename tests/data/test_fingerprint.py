"""A fingerprint tells every change of the data that a run would be trained on otherwise."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill.data import MultimodalDataset, from_arrays, read_manifest
from crossdistill.data import fingerprint as fingerprints
from crossdistill.data.dataset import in_memory
from crossdistill.data.fingerprint import differing, fingerprint, perhaps_differing, surely_differing


def manifest(folder: Path, cells: list[str]) -> MultimodalDataset:
    folder.mkdir(exist_ok=True)
    if not (folder / "a.npy").exists():
        np.save(folder / "a.npy", np.arange(12.0).reshape(4, 3))
        for number in range(4):
            np.save(folder / f"s{number}.npy", np.full((3,), number, float))
    rows = [f"i{n},train,{'ab'[n % 2]},{cell}" for n, cell in enumerate(cells)]
    (folder / "manifest.csv").write_text("\n".join(["id,split,label,wrist", *rows]) + "\n")
    return read_manifest(folder)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a.npy#0", "a.npy#1", "a.npy#2", "a.npy#3"], ["a.npy#1", "a.npy#0", "a.npy#2", "a.npy#3"]),
        (["s0.npy", "s1.npy", "s0.npy", "s1.npy"], ["s0.npy", "s1.npy", "s1.npy", "s0.npy"]),
        (["s0.npy", "s1.npy", "s2.npy", "s3.npy"], ["s3.npy", "s2.npy", "s1.npy", "s0.npy"]),
    ],
)
def test_cells_in_another_order(before: list[str], after: list[str], kept: bool, tmp_path: Path) -> None:
    def read(cells: list[str]) -> dict[str, str]:
        dataset = manifest(tmp_path / "data", cells)
        return fingerprint(in_memory(dataset, dataset.rows("train")) if kept else dataset)

    assert differing(read(before), read(after)) == ["modality wrist"]
    assert differing(read(before), read(before)) == []


def test_another_view_of_a_memory_mapped_file(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.arange(300.0).reshape(100, 3))
    big = np.load(tmp_path / "big.npy", mmap_mode="r")

    def of(values: np.ndarray) -> dict[str, str]:
        return fingerprint(from_arrays({"wrist": values}, np.arange(len(values)) % 2))

    assert differing(of(big[:40]), of(big[50:90])) == ["modality wrist"]
    assert differing(of(big[:40]), of(np.load(tmp_path / "big.npy", mmap_mode="r")[:40])) == []


def test_each_part_is_named() -> None:
    values = {"wrist": np.arange(12.0).reshape(4, 3), "eye": [np.zeros((2, 1)), np.ones((3, 1))] * 2}
    dataset = from_arrays(values, [0, 1, 0, 1])
    changes = {
        "ids": replace(dataset, ids=("a", "b", "c", "d")),
        "labels": replace(dataset, labels=np.array([1, 0, 0, 1])),
        "splits": replace(dataset, splits=np.array(["train", "train", "train", "test"])),
        "classes": replace(dataset, classes=("x", "y")),
        "modality wrist": from_arrays({**values, "wrist": values["wrist"] + 1e-12}, [0, 1, 0, 1]),  # type: ignore[operator]
        "modality eye": from_arrays({**values, "eye": [np.zeros((3, 1)), np.ones((2, 1))] * 2}, [0, 1, 0, 1]),
    }
    for part, changed in changes.items():
        assert differing(fingerprint(dataset), fingerprint(changed)) == [part]


def test_a_copy_is_the_same_data_and_a_file_with_other_numbers_is_not(tmp_path: Path) -> None:
    before = fingerprint(manifest(tmp_path / "data", [f"a.npy#{row}" for row in range(4)]))
    shutil.copytree(tmp_path / "data", tmp_path / "copy", copy_function=shutil.copy)
    os.utime(tmp_path / "copy" / "a.npy", (1, 1))
    copy = fingerprint(read_manifest(tmp_path / "copy"))
    assert copy != before
    assert differing(before, copy) == []
    np.save(tmp_path / "copy" / "a.npy", -np.arange(12.0).reshape(4, 3))
    changed = fingerprint(read_manifest(tmp_path / "copy"))
    assert differing(before, changed) == surely_differing(before, changed) == ["modality wrist"]
    assert perhaps_differing(before, changed) == []


def test_of_files_that_are_much_to_read_their_time_tells_and_is_not_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_MOST_READ", 50)
    before = fingerprint(manifest(tmp_path / "data", ["a.npy#0", "a.npy#1", "a.npy#2", "a.npy#3"]))
    os.utime(tmp_path / "data" / "a.npy", (1, 1))
    now = fingerprint(read_manifest(tmp_path / "data"))
    assert differing(before, now) == perhaps_differing(before, now) == ["modality wrist"]
    assert surely_differing(before, now) == []
