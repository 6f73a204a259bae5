"""Multiple Features (van Breukelen et al., 1998; UCI data set 72): 2,000 handwritten digits in six views. Not bundled.

Modalities, all vectors, under the names of UCI's files: `fou` (76,), Fourier coefficients of the digit's shape; `fac`
(216,), profile correlations; `kar` (64,), Karhunen-Loève coefficients; `pix` (240,), pixel averages in windows of 2×3;
`zer` (47,), Zernike moments; `mor` (6,), morphological features. Classes: the digits 0 to 9.
Test: half of each digit's 200 rows, drawn with a fixed seed, as the set has no split of its own. There are no groups:
who wrote what was not published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.releases import named, release_arrays, release_files
from crossdistill.datasets.uci import half_of_each_class, has_npz, numbered, numbers, rows_of_text
from crossdistill.types import InputError

WIDTHS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}
"""View -> how many numbers each digit has in it."""

_ROWS, _ROWS_OF_A_DIGIT = 2000, 200
_NPZ = "mfeat.npz"
_DIGITS = "0123456789"


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from UCI's six files, packed or not, or from mfeat.npz; returns `output`.

    Raises InputError where a file is missing, or a row is missing or damaged.
    """
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from the files `mfeat-fou` to `mfeat-mor`, or from mfeat.npz. Raises InputError."""
    if has_npz(source, _NPZ):
        arrays = release_arrays(source, _NPZ, (*WIDTHS, "y"))
        digits = arrays["y"]
        names = named(digits, _DIGITS, f"{_NPZ}: y")
    else:
        arrays = _views(source)
        digits = np.arange(_ROWS) // _ROWS_OF_A_DIGIT
        names = [_DIGITS[digit] for digit in digits]
    return from_arrays(
        {view: arrays[view] for view in WIDTHS},
        names,
        splits=half_of_each_class(digits),
        ids=numbered(names),
        name="mfeat",
    )


def _views(source: Path) -> dict[str, npt.NDArray[np.float32]]:
    archives = ("multiple+features.zip", "mfeat.tar", _NPZ)  # the last is read elsewhere; an error names all of them
    files = release_files(source, archives, rf"mfeat-({'|'.join(WIDTHS)})", "mfeat-fou")
    views = {match[1]: _view(content, match[0], WIDTHS[match[1]]) for match, content in files}
    if lacking := [view for view in WIDTHS if view not in views]:
        raise InputError(f"{source}: expected mfeat-{', mfeat-'.join(WIDTHS)}; found no mfeat-{lacking[0]}")
    return views


def _view(content: bytes, file: str, width: int) -> npt.NDArray[np.float32]:
    rows = rows_of_text(content)
    if len(rows) != _ROWS:  # which digit a row is, its place alone says
        raise InputError(f"{file}: expected {_ROWS} rows, 200 of each digit in order, found {len(rows)}")
    return np.array([numbers(cells, width, f"{file}: row {line}") for line, cells in rows], dtype=np.float32)
