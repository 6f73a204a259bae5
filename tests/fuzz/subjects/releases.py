"""Data sets' releases: archives, trees of small files and .npz files, each damaged or with changed values."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from crossdistill.datasets import PREPARERS, activitynet, iemocap, stamps, ucf51
from tests.datasets import media_trees, stamp_trees
from tests.datasets.release_trees import avletters, extracted, leaves, mfeat, npz_arrays, packed, utd
from tests.fuzz.case import Attempt, Subject
from tests.fuzz.octets import damaged
from tests.fuzz.subjects.arrays import odd_array
from tests.fuzz.values import changed

NPZ = ("mosi", "watch", "emoji", "mfeat", "leaves")
TREES: dict[str, Callable[[], dict[str, bytes]]] = {
    "avletters": avletters,
    "utd_mhad": utd,
    "mfeat": mfeat,
    "leaves": leaves,
}
ARCHIVES = {"avletters": ("avletters.tar.xz", "avletters.zip"), "utd_mhad": ("utd_mhad_inertial_skeleton.tar.xz",)}
MEDIA: dict[str, Callable[[Path, Path], object]] = {
    "ucf": lambda folder, out: ucf51.prepare(folder / "videos", folder / "splits", out),
    "activitynet": lambda folder, out: activitynet.prepare(
        folder / "videos", folder / "activity_net.v1-3.min.json", out
    ),
    "iemocap": lambda folder, out: iemocap.prepare(folder, out),
    "stamps": lambda folder, out: stamps.prepare(folder / "usr/share/tuxpaint/stamps", out),
}
TEXTS = {"ucf": ("*.txt",), "activitynet": ("*.json",), "iemocap": ("*.txt",), "stamps": ("*.txt", "*.png")}


@dataclass(frozen=True)
class Begun:
    trees: dict[str, dict[str, bytes]]
    arrays: dict[str, dict[str, np.ndarray]]
    media: Path


def begin(folder: Path) -> Begun:
    media_trees.ucf(folder / "ucf")
    media_trees.activitynet(folder / "activitynet")
    media_trees.iemocap(folder / "iemocap")
    stamp_trees.stamps(folder / "stamps")
    return Begun({name: make() for name, make in TREES.items()}, {name: npz_arrays(name) for name in NPZ}, folder)


def npz_case(begun: Begun, name: str, random: Random, folder: Path) -> None:
    arrays = dict(begun.arrays[name])
    for _ in range(random.choice((0, 1, 1, 2))):
        key = random.choice(sorted(arrays))
        arrays[key] = changed_array(arrays[key], random)
    file = io.BytesIO()
    np.savez(file, **{key: array for key, array in arrays.items() if random.random() > 0.02})
    content = file.getvalue()
    (folder / f"{name}.npz").write_bytes(damaged(content, random) if random.random() < 0.4 else content)


def changed_array(array: np.ndarray, random: Random) -> np.ndarray:
    """Another type, shape or value."""
    how = random.randrange(6)
    if how == 0:
        return np.load(io.BytesIO(odd_array(random)), allow_pickle=True)
    if how == 1:
        return array[: random.randrange(len(array))]
    if how == 2:
        return (
            array.astype(random.choice(("f8", "i8", "S4", "U4", "O", "?", "c8")), casting="unsafe")
            if array.dtype.kind in "biuf"
            else array[:, None]
        )
    array = array.copy()
    if array.dtype.kind in "biuf":
        values = (-1, 99, 255) if array.dtype.kind in "iub" else (np.nan, np.inf, 1e300)
        with np.errstate(all="ignore"):
            array.flat[random.randrange(array.size)] = np.array(random.choice(values)).astype(
                array.dtype, casting="unsafe"
            )
    elif array.dtype.kind == "U":
        array.flat[random.randrange(array.size)] = random.choice(("", "x", "\x1b[2J", "é"))
    return array


def tree_case(begun: Begun, name: str, random: Random, folder: Path) -> None:
    files = dict(begun.trees[name])
    for _ in range(random.choice((1, 1, 3))):
        key = random.choice(sorted(files))
        if random.random() < 0.15:
            del files[key]
        else:
            files[key] = damaged(files[key], random)
    if name in ARCHIVES and random.random() < 0.3:
        path = packed(folder / random.choice(ARCHIVES[name]), files)
        path.write_bytes(damaged(path.read_bytes(), random) if random.random() < 0.7 else path.read_bytes())
    else:
        extracted(folder, files)


def media_case(begun: Begun, name: str, random: Random, folder: Path) -> None:
    shutil.copytree(begun.media / name, folder, dirs_exist_ok=True, copy_function=linked)
    paths = sorted(path for pattern in TEXTS[name] for path in folder.rglob(pattern) if path.stat().st_size)
    path = random.choice(paths)
    content = path.read_bytes()
    path.unlink()
    if path.suffix == ".json" and random.random() < 0.7:
        path.write_text(json.dumps(changed(json.loads(content), random)), errors="replace")
    else:
        path.write_bytes(damaged(content, random))


def linked(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def case(begun: Begun, random: Random, folder: Path) -> Attempt:
    given, out = folder / "given", folder / "out"
    given.mkdir()
    how = random.random()
    if how < 0.4:
        name = random.choice(NPZ)
        npz_case(begun, name, random, given)
        return partial(PREPARERS[name], given, out)
    if how < 0.8:
        name = random.choice(sorted(TREES))
        tree_case(begun, name, random, given)
        return partial(PREPARERS[name], given, out)
    name = random.choice(sorted(MEDIA))
    media_case(begun, name, random, given)
    return partial(MEDIA[name], given, out)


RELEASES = Subject(12, begin, case)
