"""Files that are small, or look so, and would become large or take long: refused in one line, or read in bounded time
and memory."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.given import given
from crossdistill.recipes.recipe import DataSettings, ModelSettings
from crossdistill.runs.build import build
from crossdistill.runs.run import run
from crossdistill.runs.train import train
from crossdistill.student import load
from tests.datasets.release_trees import avletters, extracted, npz_arrays, utd
from tests.fuzz.case import Attempt, Subject, command
from tests.runs.small import gestures, recipe

MEBIBYTE = 1 << 20
HUGE = 1100
"""MiB."""
LEVEL = 3  # of compression, a third of the usual one's time


def manifest(folder: Path, cells: list[str], header: str = "x") -> None:
    rows = [f"s{n},{'test' if n % 4 == 3 else 'train'},{'ab'[n % 2]},{cell}" for n, cell in enumerate(cells)]
    (folder / "manifest.csv").write_text("\n".join([f"id,split,label,{header}", *rows]))


def prepared(folder: Path) -> Attempt:
    return partial(command, "prepare", "manifest", folder)


def release(name: str, folder: Path) -> Attempt:
    return partial(command, "prepare", name, "--source", folder, "--out", folder / "out")


def header_of(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def add_zeros(archive: zipfile.ZipFile, name: str, head: bytes = b"") -> None:
    with archive.open(name, "w", force_zip64=True) as file:
        file.write(head)
        for _ in range(HUGE):
            file.write(bytes(MEBIBYTE))


def zip_member(folder: Path) -> Attempt:
    """5 MB that unpack to 1.1 GB."""
    name, *_ = (name for name in avletters() if name.endswith(".mfcc"))
    with zipfile.ZipFile(folder / "avletters.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        add_zeros(archive, name)
    return release("avletters", folder)


class Zeros(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def tar_member(folder: Path) -> Attempt:
    name, *_ = (name for name in avletters() if name.endswith(".mfcc"))
    with tarfile.open(folder / "avletters.tar.xz", "w:xz", preset=0) as archive:
        member = tarfile.TarInfo(name)
        member.size = 300 * MEBIBYTE
        archive.addfile(member, io.BufferedReader(Zeros()))
    return release("avletters", folder)


def matlab_variable(folder: Path) -> Attempt:
    """A MATLAB file whose compressed variable is of 1.1 GB."""
    columns = HUGE * MEBIBYTE // 48
    parts = [(6, struct.pack("<II", 6, 0)), (5, struct.pack("<ii", columns, 6)), (1, b"d_iner")]
    body = b"".join(struct.pack("<II", kind, len(part)) + part + bytes(-len(part) % 8) for kind, part in parts)
    body += struct.pack("<II", 9, columns * 48)
    packer = zlib.compressobj(LEVEL)
    packed = [packer.compress(struct.pack("<II", 14, len(body) + columns * 48) + body)]
    packed += [packer.compress(bytes(MEBIBYTE)) for _ in range(HUGE)]
    content = b"".join([*packed, packer.flush()])
    files = utd()
    name, *_ = (name for name in files if name.endswith("inertial.mat"))
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    extracted(folder, {name: start + struct.pack("<II", 15, len(content)) + content})
    return release("utd_mhad", folder)


def npz_of_release(folder: Path) -> Attempt:
    with zipfile.ZipFile(folder / "mosi.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, array in npz_arrays("mosi").items():
            if name != "audio":
                file = io.BytesIO()
                np.save(file, array)
                archive.writestr(f"{name}.npy", file.getvalue())
        add_zeros(archive, "audio.npy", header_of((40, HUGE * MEBIBYTE // 320), "<f8"))
    return release("mosi", folder)


def npz_to_predict(folder: Path) -> Attempt:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        add_zeros(archive, "wrist.npy", header_of((4, HUGE * MEBIBYTE // 48, 3)))
    return lambda: predicted(folder / "x.npz")


def npz_with_another_array(folder: Path) -> Attempt:
    """What is not asked for is not unpacked."""
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        file = io.BytesIO()
        np.save(file, np.ones((4, 5, 3)))
        archive.writestr("wrist.npy", file.getvalue())
        add_zeros(archive, "other.npy", header_of((HUGE * MEBIBYTE // 4,)))
    return lambda: predicted(folder / "x.npz")


def predicted(path: Path) -> None:
    run(recipe(method="baseline", epochs=1), path.parent / "run", dataset=gestures())
    student = load(path.parent / "run")
    for chunk in given(path, student.inputs).chunks():
        assert not any(student.predictions(chunk.samples).problems)


def sparse(path: Path, shape: tuple[int, ...]) -> None:
    """A file of zeros that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(header_of(shape))
        file.truncate(file.tell() + 4 * int(np.prod(shape)))


def sparse_rows(folder: Path) -> Attempt:
    """2 GB whose rows are of 32 MB."""
    sparse(folder / "x.npy", (64, 8 * MEBIBYTE))
    manifest(folder, [f"x.npy#{row}" for row in range(64)])
    return prepared(folder)


def sparse_large_rows(folder: Path) -> Attempt:
    sparse(folder / "x.npy", (4, 128 * MEBIBYTE))
    manifest(folder, [f"x.npy#{row}" for row in range(4)])
    return prepared(folder)


def sparse_sequence(folder: Path) -> Attempt:
    """One sequence of 2 GB among short ones."""
    for row in range(4):
        sparse(folder / f"x{row}.npy", (256 * MEBIBYTE if row == 1 else 8, 2))
    manifest(folder, [f"x{row}.npy" for row in range(4)])
    return prepared(folder)


def columns(folder: Path) -> Attempt:
    """20,000 modalities of a number each."""
    manifest(folder, [",".join(["1.5"] * 20_000)] * 8, ",".join(f"c{number}" for number in range(20_000)))
    return prepared(folder)


def long_labels(folder: Path) -> Attempt:
    """5,000 rows, one of which has a label of 130,000 letters: an array of texts would be of 2.6 GB."""
    manifest(folder, ["1"] * 5000)
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("s4,train,a", f"s4,train,{'a' * 130_000}"))
    return prepared(folder)


def parquet_texts(folder: Path) -> Attempt:
    """200 rows of one text of 8 MB, which the file holds once."""
    about = {"id": [f"s{n}" for n in range(200)], "split": ["train", "test"] * 100, "label": ["a"] * 200}
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int8()), ["a" * 8_000_000])
    table = pa.table({**about, "x": ["1"] * 200, "y:text": text})
    pa.parquet.write_table(table, folder / "manifest.parquet", compression="zstd", store_schema=False)
    return prepared(folder)


def parquet_rows(folder: Path) -> Attempt:
    """30 million rows that are all alike."""
    alike = pa.DictionaryArray.from_arrays(pa.array(np.zeros(30_000_000, np.int8)), ["train"])
    names = ("id", "split", "label", "x")
    table = pa.Table.from_arrays([alike] * 4, names=names)
    pa.parquet.write_table(table, folder / "manifest.parquet", compression="zstd", store_schema=False)
    return prepared(folder)


def large_text(folder: Path) -> Attempt:
    with (folder / "x.txt").open("wb") as file:
        file.truncate(2 << 30)
    manifest(folder, ["x.txt"] * 4, "x:text")
    return prepared(folder)


def large_json(folder: Path) -> Attempt:
    (folder / "videos").mkdir()
    path = folder / "a.json"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    return partial(command, "prepare", "activitynet", "--videos", folder, "--annotations", path, "--out", folder / "o")


def large_recipe(folder: Path) -> Attempt:
    (folder / "r.yaml").write_text("a: [" + "1," * 5_000_000 + "1]")
    return partial(command, "train", folder / "r.yaml", "--out", folder / "run")


def picture(folder: Path) -> Attempt:
    """A PNG of 50 kB whose 400 million pixels are black."""
    row = zlib.compressobj(9)
    packed = b"".join([row.compress(bytes(2501)) for _ in range(20_000)]) + row.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    (folder / "x.png").write_bytes(content)
    manifest(folder, ["x.png"] * 4)
    return prepared(folder)


def sequences(lengths: list[int], test_from: int) -> MultimodalDataset:
    random = np.random.default_rng(0)
    values = [random.normal(size=(length, 3)).astype(np.float32) for length in lengths]
    count = len(lengths)
    return from_arrays({"wrist": values}, (np.arange(count) % 3).tolist(), splits=np.arange(count) >= test_from)


def trained(dataset: MultimodalDataset, batch_size: int) -> None:
    made = recipe(method="baseline", epochs=1, batch_size=batch_size, data=DataSettings("x", ("wrist",), ()))
    train(build(replace(made, model=ModelSettings(width=128)), dataset))


def long_samples_to_measure(folder: Path) -> Attempt:
    """264 sequences of 2,000 steps, measured after training at a batch size of 4."""
    return lambda: trained(sequences([2000] * 272, 8), 4)


def one_long_sample(folder: Path) -> Attempt:
    """One sequence of 20,000 steps among 60 of 8."""
    return lambda: trained(sequences([20_000] + [8] * 90, 61), 60)


BOMBS: dict[Callable[[Path], Attempt], str] = {
    zip_member: "would unfold",
    tar_member: "would unfold",
    matlab_variable: "would unfold",
    npz_of_release: "would unfold",
    npz_to_predict: "would unfold",
    npz_with_another_array: "",
    sparse_rows: "",
    sparse_large_rows: "",
    sparse_sequence: "",
    columns: "",
    long_labels: "at most 1,000 characters",
    parquet_texts: "",
    parquet_rows: "would unfold",
    large_text: "at most 1,048,576 bytes",
    large_json: "at most",
    large_recipe: "at most 1,000,000 characters",
    picture: "cannot read it as a picture",
    long_samples_to_measure: "",
    one_long_sample: "",
}
"""A bomb -> what its line says, "" where all is read."""


def case(bomb: Callable[[Path], Attempt], begun: Path, random: Random, folder: Path) -> Attempt:
    return bomb(folder)


NAMED = {f"bomb-{bomb.__name__}": Subject(0, Path, partial(case, bomb)) for bomb in BOMBS}
"""Subjects of one case each, which are tried by their names alone."""
