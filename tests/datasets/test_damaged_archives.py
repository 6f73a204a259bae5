"""Archives and annotations that are whole, but hold what their readers cannot take: one line each."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from crossdistill.datasets import avletters, watch
from crossdistill.datasets.activitynet_json import read_annotations
from crossdistill.datasets.releases import release_files
from crossdistill.types import InputError


def zipped(path: Path, method: int = 0, flags: int = 0) -> Path:
    """A zip file with one member, whose headers are given another compression method and flags."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/lips.mat", "x" * 100)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[6], content[central + 8] = flags, flags
    content[8:10] = content[central + 10 : central + 12] = method.to_bytes(2, "little")
    path.write_bytes(content)
    return path


def linked(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a/lips.mat")
        member.type, member.linkname = tarfile.LNKTYPE, "nowhere"
        archive.addfile(member)
    return path


@pytest.mark.parametrize("case", ["method 99", "encrypted", "a hard link to nothing"])
def test_an_archive_that_cannot_be_unpacked(case: str, tmp_path: Path) -> None:
    path = {
        "method 99": lambda: zipped(tmp_path / "a.zip", method=99),
        "encrypted": lambda: zipped(tmp_path / "a.zip", flags=1),
        "a hard link to nothing": lambda: linked(tmp_path / "a.tar"),
    }[case]()
    with pytest.raises(InputError, match=f"{path.name}: cannot read it as a tar or zip archive"):
        list(release_files(path, (), r"lips\.mat", "lips.mat"))


def test_lips_without_a_frame(tmp_path: Path) -> None:
    content = io.BytesIO()
    scipy.io.savemat(content, {"vid": np.zeros((4800, 0))})
    (tmp_path / "A1_Anya-lips.mat").write_bytes(content.getvalue())
    with pytest.raises(InputError, match=r"A1_Anya-lips\.mat: expected 'vid' of shape .*found \(4800, 0\)"):
        avletters.from_release(tmp_path)


def test_sound_without_a_feature() -> None:
    with pytest.raises(InputError, match="expected 5 uncompressed HTK frames of 0 bytes"):
        avletters.htk_features((5).to_bytes(4, "big") + bytes(8), "A1_Anya.mfcc")


def test_a_class_that_there_is_not(tmp_path: Path) -> None:
    zeros = np.zeros((4, 3, 3))
    np.savez(tmp_path / "watch.npz", acc=zeros, gyro=zeros, y=np.array([0, 1, 7, 2]), subject=np.arange(4))
    with pytest.raises(InputError, match=r"watch\.npz: y"):
        watch.from_release(tmp_path)


def test_a_duration_of_401_digits(tmp_path: Path) -> None:
    entry = {"subset": "training", "duration": 10**400, "annotations": [{"label": "x", "segment": [0, 10**400]}]}
    (tmp_path / "a.json").write_text(json.dumps({"database": {"v": entry}}))
    with pytest.raises(InputError, match="two times in seconds"):
        read_annotations(tmp_path / "a.json")
