"""The sets of ready-made features: from UCI's text files, packed or not, and from .npz files, to a manifest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from crossdistill.cli.main import main
from crossdistill.data import MultimodalDataset, read_manifest
from crossdistill.datasets import PREPARERS
from crossdistill.datasets.leaves import LEFT_OUT
from crossdistill.datasets.uci import half_of_each_class
from tests.datasets.release_trees import (
    LEAVES_FOLDER,
    MFEAT_WIDTHS,
    changed,
    extracted,
    leaves,
    mfeat,
    npz_arrays,
    packed,
)

REAL = Path(__file__).parents[3] / "shared" / "data"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="needs the research data in ../shared/data")


def prepared(name: str, source: Path, folder: Path) -> MultimodalDataset:
    return read_manifest(PREPARERS[name](source, folder))


def values(dataset: MultimodalDataset, view: str) -> np.ndarray:
    return dataset.__getitems__(range(len(dataset))).modalities[view].numpy()


def test_half_of_each_class_is_tested_and_always_the_same() -> None:
    labels = np.repeat(np.arange(5), [4, 7, 10, 1, 200])
    tested = half_of_each_class(labels)
    assert np.bincount(labels[tested], minlength=5).tolist() == [2, 3, 5, 0, 100]
    assert np.array_equal(tested, half_of_each_class(labels))
    assert 20 < tested[-200:-100].sum() < 80, "drawn, not the first half"


def test_mfeat_from_text(tmp_path: Path) -> None:
    dataset = prepared("mfeat", extracted(tmp_path / "raw", mfeat()), tmp_path / "set")
    assert dataset.shapes == {view: (MFEAT_WIDTHS[view],) for view in ("fou", "fac", "kar", "pix", "zer", "mor")}
    assert dataset.classes == tuple("0123456789")
    assert dataset.labels.tolist() == [row // 200 for row in range(2000)]
    assert dataset.ids[:2] + dataset.ids[399:401] == ("0_001", "0_002", "1_200", "2_001")
    for view, width in MFEAT_WIDTHS.items():
        found = values(dataset, view)
        assert found[:, 0].tolist() == list(range(2000))
        assert (found[:, 1:] == width).all()
    for split in ("train", "test"):
        assert np.bincount(dataset.labels[dataset.rows(split)]).tolist() == [100] * 10


def test_mfeat_from_an_archive_is_that_of_its_files(tmp_path: Path) -> None:
    path = packed(tmp_path / "multiple+features.zip", mfeat())
    one = PREPARERS["mfeat"](path, tmp_path / "one")
    other = PREPARERS["mfeat"](extracted(tmp_path / "raw", mfeat()), tmp_path / "other")
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}


def test_mfeat_from_npz(tmp_path: Path) -> None:
    arrays = npz_arrays("mfeat")
    np.savez(tmp_path / "mfeat.npz", **arrays)
    dataset = prepared("mfeat", tmp_path, tmp_path / "set")
    assert dataset.labels.tolist() == arrays["y"].tolist()
    assert dataset.ids[10:12] == ("0_002", "1_002")
    for view in MFEAT_WIDTHS:
        assert np.allclose(values(dataset, view), arrays[view], atol=1e-6)
    assert np.bincount(dataset.labels[dataset.rows("test")]).tolist() == [2] * 10


def test_leaves_from_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = extracted(tmp_path / "raw", leaves())
    assert main(["prepare", "leaves", "--source", str(source), "--out", str(tmp_path / "set")]) == 0
    assert "Left out: 1 (left_out.txt): Acer_05_001, no texture" in capsys.readouterr().out
    dataset = read_manifest(tmp_path / "set")
    assert (tmp_path / "set" / LEFT_OUT).read_text() == "Acer_05_001\tno texture\n"
    assert dataset.shapes == {"margin": (64,), "shape": (64,), "texture": (64,)}
    assert dataset.classes == tuple(f"Acer {number:02d}" for number in range(100))
    numbers = [100 * species + leaf for species in range(100) for leaf in range(16) if (species, leaf) != (5, 0)]
    for view, rest in (("margin", 0.25), ("shape", 0.5), ("texture", 0.75)):
        found = values(dataset, view)
        assert found[:, 0].tolist() == numbers, "the n-th rows are one leaf's, after the missing one"
        assert (found[:, 1:] == rest).all()
    assert dataset.labels.tolist() == [number // 100 for number in numbers]
    assert dataset.ids[79:81] == ("Acer_04_016", "Acer_05_002")
    whole = half_of_each_class(np.arange(1600) // 16)
    assert [dataset.splits[row] == "test" for row in range(1599)] == np.delete(whole, 80).tolist()


def test_leaves_with_every_texture_leave_nothing_out(tmp_path: Path) -> None:
    files = leaves()
    texture = f"{LEAVES_FOLDER}/data_Tex_64.txt"
    files[texture] += files[f"{LEAVES_FOLDER}/data_Mar_64.txt"].splitlines()[94 * 16]  # a first row of Acer 05
    dataset = prepared("leaves", packed(tmp_path / "leaves.zip", files), tmp_path / "set")
    assert [len(dataset.rows(split)) for split in ("train", "test")] == [800, 800]
    assert not (tmp_path / "set" / LEFT_OUT).exists()


def test_a_texture_that_was_filled_in_is_left_out_of_leaves(tmp_path: Path) -> None:
    arrays = npz_arrays("leaves")
    np.savez(tmp_path / "leaves.npz", **arrays)
    dataset = prepared("leaves", tmp_path, tmp_path / "set")
    kept = np.delete(np.arange(40), 7)
    assert dataset.labels.tolist() == arrays["y"][kept].tolist()
    assert (dataset.splits == "test").tolist() == arrays["test"][kept].tolist()
    assert (tmp_path / "set" / LEFT_OUT).read_text() == "3_002\tno texture\n"
    for view in ("margin", "shape", "texture"):
        assert np.allclose(values(dataset, view), arrays[view][kept], atol=1e-6)


MISTAKES = {
    "a file is missing": ("mfeat", "mfeat-zer", lambda text: None, "found no mfeat-zer"),
    "a row is missing": ("mfeat", "mfeat-pix", lambda text: changed(text, 700, None), "mfeat-pix: expected 2000 rows"),
    "a number is missing": (
        "mfeat",
        "mfeat-mor",
        lambda text: changed(text, 700, "1 2 3 4 5"),
        "mfeat-mor: row 700: expected 6 numbers, found 5",
    ),
    "no number": ("mfeat", "mfeat-mor", lambda text: changed(text, 2, "1 2 x 4 5 6"), "mfeat-mor: row 2: .*found 'x'"),
    "not a number": (
        "mfeat",
        "mfeat-mor",
        lambda text: changed(text, 2, "1 2 nan 4 5 6"),
        "row 2: expected a number, found 'nan'",
    ),
    "binary": ("mfeat", "mfeat-mor", lambda text: b"\x00\xff" + text, "mfeat-mor: row 1: "),
    "no margins": ("leaves", "data_Mar_64.txt", lambda text: None, "found no margin"),
    "no shapes": ("leaves", "data_Sha_64.txt", lambda text: None, "found no shape"),
    "a margin is missing": (
        "leaves",
        "data_Mar_64.txt",
        lambda text: changed(text, 1600, None),
        "data_Mar_64.txt: expected 16 rows of 'Acer 00', found 15",
    ),
    "two textures are missing": (
        "leaves",
        "data_Tex_64.txt",
        lambda text: changed(text, 1, None),
        "data_Tex_64.txt: expected 16 rows of 'Acer 05', found 15",
    ),
    "another species": (
        "leaves",
        "data_Sha_64.txt",
        lambda text: text.replace(b"Acer 07", b"Ulmus"),
        "data_Sha_64.txt: 'Ulmus' is no species of data_Mar_64.txt",
    ),
    "a species is missing": (
        "leaves",
        "data_Sha_64.txt",
        lambda text: text.replace(b"Acer 07", b"Acer 08"),
        "data_Sha_64.txt: expected 100 species, found 99",
    ),
    "a leaf too short": (
        "leaves",
        "data_Sha_64.txt",
        lambda text: changed(text, 3, "Acer 99,1,2"),
        "data_Sha_64.txt: row 3: expected 64 numbers, found 2",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_line_and_code_2(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, file, change, message = MISTAKES[mistake]
    files = {"mfeat": mfeat, "leaves": leaves}[name]()
    path = next(key for key in files if key.endswith(file))
    if (content := change(files.pop(path))) is not None:
        files[path] = content
    source = extracted(tmp_path / "raw", files)
    assert main(["prepare", name, "--source", str(source), "--out", str(tmp_path / "set")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert not (tmp_path / "set").exists()


@real_data
@pytest.mark.parametrize(
    ("name", "train", "test", "classes", "shapes"),
    [
        ("mfeat", 1000, 1000, 10, {view: (MFEAT_WIDTHS[view],) for view in MFEAT_WIDTHS}),
        ("leaves", 800, 799, 100, {"margin": (64,), "shape": (64,), "texture": (64,)}),
    ],
)
def test_the_real_sets(tmp_path: Path, name: str, train: int, test: int, classes: int, shapes) -> None:
    dataset = prepared(name, REAL, tmp_path / "set")
    assert (len(dataset.rows("train")), len(dataset.rows("test"))) == (train, test)
    assert (len(dataset.classes), dataset.shapes) == (classes, shapes)


@real_data
def test_text_files_give_what_the_real_arrays_give(tmp_path: Path) -> None:
    """The arrays written in the form of UCI's files, the texture that is a mean left out, are the same data set."""
    with np.load(REAL / "leaves.npz") as arrays:
        views = {code: arrays[view] for code, view in (("Mar", "margin"), ("Sha", "shape"), ("Tex", "texture"))}
        labels = arrays["y"]
    for code, rows in views.items():
        with (tmp_path / f"data_{code}_64.txt").open("w") as file:
            for row, label in enumerate(labels):
                if (code, row) != ("Tex", 0):
                    file.write(",".join([f"Acer {label:02d}", *map(repr, rows[row].tolist())]) + "\n")
    ours, theirs = prepared("leaves", tmp_path, tmp_path / "set"), prepared("leaves", REAL, tmp_path / "real")
    assert ours.labels.tolist() == theirs.labels.tolist()
    assert ours.splits.tolist() == theirs.splits.tolist()
    for view in ("margin", "shape", "texture"):
        assert np.array_equal(values(ours, view), values(theirs, view))
