"""Small files that unfold into large ones are refused before they are unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.types import InputError

FREE = 128 << 20
"""Bytes that anything may unfold to."""
_RATIO = 100
"""How many times its size a file may unfold to beyond that; numbers are rarely packed to a tenth."""
_BLOCK = 1 << 20


def require_unpackable(place: str, packed: int, unpacked: int) -> None:
    """Raise InputError where so few bytes would become so many; place: how the error calls them."""
    if unpacked > FREE and unpacked > _RATIO * packed:
        raise InputError(
            f"{place}: would unfold from {packed:,} to {unpacked:,} bytes, more than {_RATIO} times its size; if it is "
            "what you want, unpack it yourself"
        )


def require_inflatable(place: str, packed: bytes) -> None:
    """Raise InputError where zlib would make so many bytes of these; they are counted in little memory, and no further
    than it takes to know. Raises zlib.error for what is not of zlib."""
    require_unpackable(place, len(packed), _inflated_size(packed, max(FREE, _RATIO * len(packed))))


def _inflated_size(content: bytes, most: int) -> int:
    """How many bytes zlib makes of these, counted up to `most` and a little more."""
    inflater, size, left = zlib.decompressobj(), 0, content
    while left and size <= most and not inflater.eof:
        size += len(inflater.decompress(left, _BLOCK))
        left = inflater.unconsumed_tail
    return size


def npz_arrays(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """Those of these arrays that an .npz file has; the others in it are not read.

    Raises InputError for an array that would unfold beyond measure, and whatever NumPy does for a file that is none.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        held = [name for name in names if name in archive.files]
        members: dict[str, zipfile.ZipInfo] = {member.filename: member for member in archive.zip.infolist()}
        for name in held:
            member = members.get(name) or members[f"{name}.npy"]
            require_unpackable(f"{path}: {name}", member.compress_size, member.file_size)
        return {name: archive[name] for name in held}


def npz_names(path: Path) -> list[str]:
    """The names of an .npz file's arrays. Raises whatever NumPy does for a file that is none."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return list(archive.files)
