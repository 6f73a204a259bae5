"""One-hundred plant species leaves (Mallah, Cope and Orwell, 2013; UCI data set 241): 16 leaves of each. Not bundled.

Modalities, 64 numbers each: `margin`, a histogram of the outline's fine teeth; `shape`, the contour's distance from its
centre all around; `texture`, a histogram of filter responses on the surface. Classes: the species, by name in UCI's
text files, by number in leaves.npz.
Test: half of each species' leaves, drawn with a fixed seed, as the set has no split of its own; leaves.npz brings the
same half.

One leaf has no texture: UCI's file has 15 rows for one species. Which of its leaves that is, the file does not say; as
in leaves.npz, which has the mean of the other fifteen in its place, it is taken to be the first. It is left out, and
left_out.txt names it. Else rows pair by their order within a species, which is all that the release offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.releases import flags, named, release_arrays, release_files
from crossdistill.datasets.uci import half_of_each_class, has_npz, numbered, numbers, rows_of_text
from crossdistill.types import InputError

_FILES = {"Mar": "margin", "Sha": "shape", "Tex": "texture"}
_WIDTH, _SPECIES, _LEAVES = 64, 100, 16
_NPZ = "leaves.npz"

LEFT_OUT = "left_out.txt"
"""The file beside the manifest that names the leaves which are not in it."""

Features = npt.NDArray[np.floating[Any]]
Rows = dict[str, list[list[float]]]  # species -> rows in the order of their file


class Leaves(NamedTuple):
    """All leaves of a release, those without a texture included.

    species: N names; views: view -> (N, 64); tested, has_texture: (N,)
    """

    species: list[str]
    views: dict[str, Features]
    tested: npt.NDArray[np.bool_]
    has_texture: npt.NDArray[np.bool_]


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from UCI's three text files, packed or not, or from leaves.npz; returns `output`.

    Raises InputError where a file is missing, or a row is missing or damaged.
    """
    leaves = _read(source)
    write_manifest(output, _dataset(leaves))
    ids = numbered(leaves.species)
    if lacking := [ids[row] for row in np.flatnonzero(~leaves.has_texture)]:
        lines = "".join(f"{leaf}\tno texture\n" for leaf in lacking)
        (output / LEFT_OUT).write_text(lines, encoding="utf-8")
    return output


def from_release(source: Path) -> MultimodalDataset:
    """The data set from data_Mar_64.txt, data_Sha_64.txt and data_Tex_64.txt, or from leaves.npz. Raises InputError."""
    return _dataset(_read(source))


def _dataset(leaves: Leaves) -> MultimodalDataset:
    """The leaves that have all three views."""
    kept = np.flatnonzero(leaves.has_texture)
    ids = numbered(leaves.species)
    return from_arrays(
        {view: values[kept] for view, values in leaves.views.items()},
        [leaves.species[row] for row in kept],
        splits=leaves.tested[kept],
        ids=[ids[row] for row in kept],
        name="leaves",
    )


def _read(source: Path) -> Leaves:
    if not has_npz(source, _NPZ):
        return _paired(_rows_by_view(source))
    arrays = release_arrays(source, _NPZ, (*_FILES.values(), "y", "test"))
    species = named(arrays["y"], [str(number) for number in range(_SPECIES)], f"{_NPZ}: y")
    views = {view: arrays[view] for view in _FILES.values()}
    has_texture = ~_filled_in(views["texture"], arrays["y"])
    return Leaves(species, views, flags(arrays["test"], f"{_NPZ}: test"), has_texture)


def _filled_in(texture: Features, classes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(N,) True where a leaf's texture is the mean of its species' other leaves: it was put there, not measured."""
    made = np.zeros(len(texture), dtype=np.bool_)
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        values = texture[rows].astype(np.float64)
        if len(rows) > 2:  # of two leaves, equal ones would be each other's mean
            others = (values.sum(0) - values) / (len(rows) - 1)
            made[rows] = (np.abs(values - others) < 1e-6).all(1)
    return made


def _rows_by_view(source: Path) -> dict[str, Rows]:
    archives = ("one+hundred+plant+species+leaves+data+set.zip", "100 leaves plant species.zip", _NPZ)
    views: dict[str, Rows] = {}
    for match, content in release_files(source, archives, r"data_(Mar|Sha|Tex)_64\.txt", "data_Mar_64.txt"):
        views[_FILES[match[1]]] = _rows(content, match[0])
    for code, view in _FILES.items():
        if view not in views:
            raise InputError(f"{source}: expected data_Mar_64.txt, data_Sha_64.txt, data_Tex_64.txt; found no {view}")
        _require_leaves(views[view], views["margin"], f"data_{code}_64.txt", may_lack=int(view == "texture"))
    return views


def _rows(content: bytes, file: str) -> Rows:
    rows: Rows = {}
    for line, (species, *cells) in rows_of_text(content, ","):
        rows.setdefault(species.strip(), []).append(numbers(cells, _WIDTH, f"{file}: row {line}"))
    return rows


def _require_leaves(rows: Rows, margins: Rows, file: str, may_lack: int) -> None:
    """Raise InputError where a species lacks leaves or is one that the margins do not have; `may_lack`: how many leaves
    may be missing in all."""
    if len(rows) != _SPECIES:
        raise InputError(f"{file}: expected {_SPECIES} species, found {len(rows)}")
    for species, leaves in rows.items():
        if species not in margins:
            raise InputError(f"{file}: '{species}' is no species of data_Mar_64.txt")
        if not _LEAVES - may_lack <= len(leaves) <= _LEAVES:
            raise InputError(f"{file}: expected {_LEAVES} rows of '{species}', found {len(leaves)}")
        may_lack -= _LEAVES - len(leaves)


def _paired(views: Mapping[str, Rows]) -> Leaves:
    """The n-th rows of a species are one leaf's; where there is one row less, the first leaf's is missing, and 0."""
    order = sorted(views["margin"])
    species = [name for name in order for _ in range(_LEAVES)]
    features = {view: np.zeros((len(species), _WIDTH), dtype=np.float32) for view in views}
    has_texture = np.zeros(len(species), dtype=np.bool_)
    for number, name in enumerate(order, 1):
        end = number * _LEAVES
        for view, rows in views.items():
            features[view][end - len(rows[name]) : end] = rows[name]
        has_texture[end - len(views["texture"][name]) : end] = True
    tested = half_of_each_class(np.array(species))
    return Leaves(species, features, tested, has_texture)
