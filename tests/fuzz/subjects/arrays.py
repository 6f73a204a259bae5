"""Arrays that a manifest names: .npy files with damaged headers, other types and shapes, values that are no numbers."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.case import Attempt, Subject, command
from tests.fuzz.octets import damaged
from tests.fuzz.subjects.manifests import read

DTYPES = ("f2", "f4", ">f8", "i1", "<u8", "?", "c8", "S3", "U2", "M8[s]", "f16", "i4,f4", "V5")
SHAPES = (
    "()",
    "(0,)",
    "(12, 0)",
    "(12,)",
    "(-1, 3)",
    "(1000000000, 3)",
    "(12, 10**9)",
    "(3, 12)",
    "((12, 3))",
    "(12, 3,)",
    "None",
)
VALUES = (np.nan, np.inf, -np.inf, 1e39, -1e308, 1e-320)


def begin(folder: Path) -> bytes:
    return npy(np.arange(36, dtype=np.float64).reshape(12, 3))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(random: Random) -> bytes:
    """A file whose header says what its content is not."""
    shape = random.choice(SHAPES)
    descr, order = random.choice(("<f8", *DTYPES)), random.choice(("False", "True", "1", "None"))
    text = (
        f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, {'' if random.random() < 0.8 else '1: 2'}}}"
    )
    text = "(" * random.choice((0, 0, 0, 100, 5000)) + text
    head = random.choice((b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    size = (len(text) if random.random() < 0.8 else random.randrange(1 << 16)).to_bytes(
        2 if head == b"\x01\x00" else 4, "little"
    )
    return b"\x93NUMPY" + head + size + text.encode() + bytes(random.choice((0, 8, 288, 4096)))


def odd_array(random: Random) -> bytes:
    """A whole file of another type or shape, or with a value that is no finite number."""
    if random.random() < 0.3:
        array = np.arange(36, dtype=np.float64).reshape(12, 3)
        array[random.randrange(12), random.randrange(3)] = random.choice(VALUES)
        return npy(array)
    shape = random.choice(((), (0,), (12,), (12, 1), (12, 0), (12, 3, 2), (5, 3), (1,) * 30))
    return npy(np.zeros(shape, dtype=random.choice((*DTYPES, "O"))))


def case(whole: bytes, random: Random, folder: Path) -> Attempt:
    own = random.random() < 0.5  # a file a sample instead of a row each
    content = random.choice((lambda: damaged(whole, random), lambda: header(random), lambda: odd_array(random)))()
    (folder / "x.npy").write_bytes(content)
    (folder / "y.npy").write_bytes(whole)
    cells = [("x.npy" if n % 3 else "y.npy") + ("" if own else f"#{n}") for n in range(12)]
    rows = [f"s{n},{'test' if n > 8 else 'train'},{'ab'[n % 2]},{cell}" for n, cell in enumerate(cells)]
    (folder / "manifest.csv").write_text("\n".join(["id,split,label,x", *rows]))
    if random.random() < 0.1:
        return lambda: command("prepare", "manifest", folder)
    return lambda: read(folder)


NPY = Subject(15, begin, case)
