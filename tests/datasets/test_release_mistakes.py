"""Releases that are missing, damaged or incomplete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdistill.datasets import PREPARERS, mosi
from crossdistill.types import InputError
from tests.datasets.release_trees import avletters, extracted, htk, matlab, npz_arrays, packed, utd, utd_depth


@pytest.mark.parametrize("name", sorted(PREPARERS))
def test_a_missing_source_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"nowhere.*not found"):
        PREPARERS[name](tmp_path / "nowhere", tmp_path / "set")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=rf"empty.*(expected {name}|{name}\.npz)"):
        PREPARERS[name](tmp_path / "empty", tmp_path / "set")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("name", sorted(PREPARERS))
def test_a_damaged_source_is_named(tmp_path: Path, name: str) -> None:
    for content in (b"", b"not an archive" * 100, b"PK\x03\x04" + bytes(100), b"\xfd7zXZ\x00" + bytes(100)):
        source = tmp_path / "source"
        source.write_bytes(content)
        with pytest.raises(InputError, match="source: cannot read it as") as error:
            PREPARERS[name](source, tmp_path / "set")
        assert "\n" not in str(error.value)


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "avletters.tar.xz", avletters())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot read it as a tar or zip archive"):
        PREPARERS["avletters"](tmp_path, tmp_path / "set")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("name", "files", "file", "content", "message"),
    [
        ("avletters", avletters, "Lips/A1_Al-lips.mat", b"", "A1_Al-lips.mat: cannot read it as a MATLAB file"),
        ("avletters", avletters, "Lips/A1_Al-lips.mat", b"x" * 500, "A1_Al-lips.mat: cannot read it as a MATLAB file"),
        ("avletters", avletters, "Lips/A1_Al-lips.mat", matlab(video=np.ones((4800, 2))), "expected 'vid'.*nothing"),
        ("avletters", avletters, "Lips/A1_Al-lips.mat", matlab(vid=np.ones((480, 2))), r"\(4800, frames\).*\(480, 2\)"),
        ("avletters", avletters, "Audio/mfcc/Clean/A1_Al.mfcc", b"\0" * 11, "A1_Al.mfcc: .*12 bytes, found 11"),
        ("avletters", avletters, "Audio/mfcc/Clean/A1_Al.mfcc", htk(np.ones((3, 26)))[:-4], "3 uncompressed .*104"),
        ("avletters", avletters, "Audio/mfcc/Clean/A1_Al.mfcc", htk(np.ones((3, 13))), "audio: row"),
        ("utd_mhad", utd, "Inertial/a1_s1_t1_inertial.mat", matlab(d_iner=np.ones((9, 5))), r"\(time, 6\).*\(9, 5\)"),
        ("utd_mhad", utd, "Skeleton/a1_s1_t1_skeleton.mat", matlab(d_skel=np.ones((20, 3))), "3 dimensions"),
        ("utd_mhad", utd, "Skeleton/a1_s1_t1_skeleton.mat", matlab(d_skel=np.ones((9, 3, 9))), r"\(20, 3, time\)"),
        ("utd_mhad", utd, "Skeleton/a1_s1_t1_skeleton.mat", matlab(d_skel=np.full((20, 3, 9), np.nan)), "NaN"),
        ("utd_mhad", utd, "Depth/a1_s1_t1_depth.mat", matlab(d_depth=np.ones((24, 32, 9))), r"\(240, 320, time\)"),
        ("utd_mhad", utd, "Depth/a1_s1_t1_depth.mat", matlab(d_skel=np.ones((20, 3, 9))), "expected 'd_depth'"),
        ("utd_mhad", utd, "Skeleton/a28_s1_t1_skeleton.mat", matlab(d_skel=np.ones((20, 3, 9))), "a1 to a27"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,  # MATLAB's hold the time of day
)
def test_damaged_files_in_a_release_are_named(
    tmp_path: Path, name: str, files, file: str, content: bytes, message: str
) -> None:
    top = "avletters/" if name == "avletters" else ""
    source = extracted(tmp_path / "raw", files() | {top + file: content})
    with pytest.raises(InputError, match=message):
        PREPARERS[name](source, tmp_path / "set")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("name", "files", "file", "message"),
    [
        ("avletters", avletters, "avletters/Lips/A2_Al-lips.mat", "A2_Al has audio but no lips"),
        ("avletters", avletters, "avletters/Audio/mfcc/Clean/A2_Al.mfcc", "A2_Al has lips but no audio"),
        ("utd_mhad", utd, "Inertial/a10_s1_t1_inertial.mat", "a10_s1_t1 has no inertial"),
        ("utd_mhad", utd, "Skeleton/a10_s1_t1_skeleton.mat", "a10_s1_t1 has no skeleton"),
        ("utd_mhad", lambda: utd() | utd_depth(), "Depth/a10_s1_t1_depth.mat", "a10_s1_t1 has no depth_motion"),
    ],
)
def test_files_without_their_counterpart_are_named(tmp_path: Path, name: str, files, file: str, message: str) -> None:
    tree = files()
    del tree[file]
    with pytest.raises(InputError, match=message):
        PREPARERS[name](extracted(tmp_path / "raw", tree), tmp_path / "set")


def test_npz_files_that_lack_arrays_or_pickle_them_are_refused(tmp_path: Path) -> None:
    arrays = npz_arrays("mosi")
    path = tmp_path / "mosi.npz"
    np.savez(path, **{key: array for key, array in arrays.items() if key != "train"})
    with pytest.raises(InputError, match=r"expected the arrays .*train"):
        mosi.from_release(path)
    np.savez(path, **(arrays | {"transcript": arrays["transcript"].astype(object)}))
    with pytest.raises(InputError, match="npz file of plain arrays"):
        mosi.from_release(path)
    np.savez(path, **(arrays | {"y": arrays["y"][:-1]}))
    with pytest.raises(InputError, match="one length"):
        mosi.from_release(path)


@pytest.mark.parametrize(("name", "classes"), [("mosi", 2), ("watch", 7), ("emoji", 9), ("mfeat", 10), ("leaves", 100)])
@pytest.mark.parametrize("wrong", [-1, 100])
def test_a_label_that_no_class_has_is_refused(tmp_path: Path, name: str, classes: int, wrong: int) -> None:
    """-1 would be Python's last class, without a word."""
    arrays = npz_arrays(name)
    arrays["y"] = arrays["y"].astype(np.int64)
    arrays["y"][3] = wrong
    np.savez(tmp_path / f"{name}.npz", **arrays)
    with pytest.raises(InputError, match=rf"{name}\.npz: y, row 3: expected 0 to {classes - 1}, found {wrong}"):
        PREPARERS[name](tmp_path, tmp_path / "set")


def test_labels_that_are_no_integers_are_refused(tmp_path: Path) -> None:
    arrays = npz_arrays("mosi")
    np.savez(tmp_path / "mosi.npz", **{**arrays, "y": arrays["y"] + 0.5})
    with pytest.raises(InputError, match=r"mosi\.npz: y: expected a vector of integers, found float64"):
        PREPARERS["mosi"](tmp_path, tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("leaves", "test", np.full(40, np.nan), "leaves.npz: test: expected a vector of true and false"),
        ("mosi", "train", np.full(40, 2), "mosi.npz: train: expected a vector of true and false"),
        ("watch", "subject", np.full(40, np.nan), "watch.npz: subject: expected integers"),
        ("emoji", "text", np.full((40, 2), "a : b"), "emoji.npz: text: expected a vector of texts"),
        ("mosi", "video_id", np.arange(40), "mosi.npz: video_id: expected a vector of texts"),
        ("mfeat", "fou", np.array(1.0), "fou: expected a row for each sample, found a single value"),
    ],
)
def test_arrays_that_say_something_else_are_refused(
    tmp_path: Path, name: str, key: str, value: np.ndarray, message: str
) -> None:
    np.savez(tmp_path / f"{name}.npz", **{**npz_arrays(name), key: value})
    with pytest.raises(InputError, match=message):
        PREPARERS[name](tmp_path, tmp_path / "set")


def test_whatever_a_reader_of_damaged_files_raises_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy's reader stumbles over its own variables where a file's types are damaged."""

    def stumbles(*arguments: object, **named: object) -> None:
        raise UnboundLocalError("local variable 'arr' referenced before assignment")

    monkeypatch.setattr("scipy.io.loadmat", stumbles)
    with pytest.raises(InputError, match="cannot read it as a MATLAB file"):
        PREPARERS["avletters"](extracted(tmp_path / "raw", avletters()), tmp_path / "set")
