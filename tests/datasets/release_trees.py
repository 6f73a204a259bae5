"""Small trees and archives in the releases' own formats."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import scipy.io


def htk(features: np.ndarray) -> bytes:
    """An HTK parameter file of 20 ms frames, kind MFCC_E_D."""
    return struct.pack(">iihh", len(features), 200_000, 4 * features.shape[1], 0o506) + features.astype(">f4").tobytes()


def matlab(**variables: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def lips(frames: np.ndarray) -> bytes:
    """(T, 60, 80) grey levels as the release has them: each frame column by column, `vid` (4800, T)."""
    columns = np.stack([[frame[y, x] for x in range(80) for y in range(60)] for frame in frames], axis=1)
    return matlab(vid=columns.astype(np.uint8), siz=np.array([[60.0, 80.0, len(frames)]]))


def avletters() -> dict[str, bytes]:
    """Two letters, two speakers, three repetitions; clips of 2 to 4 frames whose pixel (y, x) is y + 2 x + t."""
    files = {}
    y, x = np.mgrid[:60, :80]
    for count, clip in enumerate(f"{letter}{i}_{who}" for letter in "BA" for who in ("Zoe", "Al") for i in (1, 2, 3)):
        frames = np.stack([y + 2 * x // 2 + t for t in range(2 + count % 3)])
        files[f"avletters/Lips/{clip}-lips.mat"] = lips(frames)
        files[f"avletters/Audio/mfcc/Clean/{clip}.mfcc"] = htk(np.full((3 + count % 2, 26), count + 0.5))
    files["avletters/.DS_Store"] = b"noise"
    return files


def utd() -> dict[str, bytes]:
    files = {}
    for number, (action, subject) in enumerate((a, s) for a in (1, 10, 27) for s in (1, 2)):
        inertial = np.arange((4 + number) * 6, dtype=np.float64).reshape(-1, 6)
        skeleton = np.arange(20 * 3 * (2 + number), dtype=np.float64).reshape(20, 3, -1)
        files[f"Inertial/a{action}_s{subject}_t1_inertial.mat"] = matlab(d_iner=inertial)
        files[f"Skeleton/a{action}_s{subject}_t1_skeleton.mat"] = matlab(d_skel=skeleton)
    files["Skeleton/Skeleton_joint_order.txt"] = b"1. head"
    return files


def utd_depth() -> dict[str, bytes]:
    """Depth videos for the clips of `utd`: all is 1,000 deep, but that clip number n's pixel (17, 42) has n + 1, 3 and
    3, and one beside it 5, 0 and 9."""
    files = {}
    for number, (action, subject) in enumerate((a, s) for a in (1, 10, 27) for s in (1, 2)):
        depth = np.full((240, 320, 3), 1000, dtype=np.uint16)
        depth[17, 42] = number + 1, 3, 3
        depth[17, 43] = 5, 0, 9
        files[f"Depth/a{action}_s{subject}_t1_depth.mat"] = matlab(d_depth=depth)
    return files


MFEAT_WIDTHS = {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}


def mfeat() -> dict[str, bytes]:
    """UCI's six files: row r of 2,000 begins with r and goes on with its view's width, between spaces of any number."""
    files = {"mfeat/mfeat.info": b"about the set"}
    for view, width in MFEAT_WIDTHS.items():
        rest = f"  {width}.0" * (width - 1)
        files[f"mfeat/mfeat-{view}"] = "".join(f" {row}{rest} \n" for row in range(2000)).encode()
    return files


LEAVES_FOLDER = "100 leaves plant species"


def leaves() -> dict[str, bytes]:
    """UCI's three files, of species "Acer 00" to "Acer 99" in falling order: leaf n of species s begins with 100 s + n,
    and "Acer 05" has no first texture."""
    files = {f"{LEAVES_FOLDER}/Readme.txt": b"about the set"}
    for code, rest in (("Mar", "0.25"), ("Sha", "0.5"), ("Tex", "0.75")):
        lines = [
            f"Acer {species:02d},{100 * species + leaf}{f',{rest}' * 63}\r\n"
            for species in reversed(range(100))
            for leaf in range(16)
            if (code, species, leaf) != ("Tex", 5, 0)
        ]
        files[f"{LEAVES_FOLDER}/data_{code}_64.txt"] = "".join(lines).encode()
    return files


def changed(content: bytes, row: int, line: str | None) -> bytes:
    """The text with one line, numbered from 1, in another form, or without it."""
    lines = content.decode().splitlines()
    lines[row - 1 : row] = [] if line is None else [line]
    return "\n".join(lines).encode()


def extracted(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def npz_arrays(name: str) -> dict[str, np.ndarray]:
    count = 40
    generator = np.random.default_rng(0)
    if name == "watch":
        series = generator.normal(size=(2, count, 200, 3)).astype(np.float32)
        return {"acc": series[0], "gyro": series[1], "y": np.arange(count) % 7, "subject": np.arange(count) // 7 + 3}
    if name == "mosi":
        return {
            "text_minilm": generator.normal(size=(count, 384)),
            "audio": generator.normal(size=(count, 73)),
            "video": generator.normal(size=(count, 100)),
            "y": np.arange(count) % 2,
            "train": np.arange(count) < 30,
            "video_id": np.array([f"v{row // 5}" for row in range(count)]),
            "transcript": np.array([f"I SAID {row}" for row in range(count)]),
        }
    if name == "mfeat":
        return {"y": np.arange(count) % 10} | {
            view: generator.normal(size=(count, width)) for view, width in MFEAT_WIDTHS.items()
        }
    if name == "leaves":
        views = {view: generator.random((count, 64)) for view in ("margin", "shape", "texture")}
        views["texture"][7] = views["texture"][[3, 11, 15, 19, 23, 27, 31, 35, 39]].mean(0)
        return {"y": np.arange(count) % 4, "test": np.arange(count) // 4 % 3 == 0, **views}
    return {
        "efficientnet_lite0": generator.normal(size=(count, 1280)),
        "minilm_name": generator.normal(size=(count, 384)),
        "y": np.arange(count) % 4,
        "hex": np.array([f"1F{row:03X}" for row in range(count)]),
        "text": np.array([f"face {row} : word face" for row in range(count)]),
        "twitter": generator.integers(0, 255, (count, 64, 64, 3), dtype=np.uint8),
    }
