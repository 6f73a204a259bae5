"""Manifests: the table itself, as CSV and as Parquet, over files that are whole."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from crossdistill.data import check_values, read_manifest
from tests.data.clips import tone, write_sound
from tests.data.pictures import saved
from tests.fuzz.case import Attempt, Subject, command
from tests.fuzz.octets import damaged
from tests.fuzz.tables import Rows, changed, write_csv, write_parquet

HEADER = "id,split,label,fold,group,wrist,pen,steps,words:text,face,voice,start,end,caption"


def begin(folder: Path) -> tuple[Path, Rows]:
    """Twelve samples of all kinds of cells: rows of an array, sequences, numbers, texts, pictures, sounds."""
    np.save(folder / "wrist.npy", np.arange(36, dtype=np.float32).reshape(12, 3))
    saved(folder / "face.png")
    write_sound(folder / "voice.wav", tone(0.2))
    rows = [HEADER.split(",")]
    for n in range(12):
        np.save(folder / f"p{n}.npy", np.ones((n + 1, 2)))
        cells = [
            f"s{n}",
            "test" if n % 4 == 3 else "train",
            "ab"[n % 2],
            str(n % 2),
            f"g{n}",
            f"wrist.npy#{n}",
            f"p{n}.npy",
        ]
        rows.append([*cells, str(n / 2), f"word {n}", "face.png", "voice.wav", "0", "0.1", f"number {n}"])
    return folder, rows


def linked(begun: Path, folder: Path) -> None:
    """Let the files that the table names lie beside it."""
    for path in begun.iterdir():
        (folder / path.name).hardlink_to(path)


def read(path: Path) -> None:
    """What `train` reads of it, and whether that is what a data set promises."""
    dataset = read_manifest(path)
    check_values(dataset)
    assert len(dataset.ids) == len(set(dataset.ids)) == len(dataset.labels) == len(dataset.splits)
    assert set(dataset.splits) <= {"train", "validation", "test"}
    assert dataset.labels.min() >= -1
    assert dataset.labels.max() < max(1, len(dataset.classes))


def csv_case(begun: tuple[Path, Rows], random: Random, folder: Path) -> Attempt:
    source, rows = begun
    linked(source, folder)
    path = folder / "manifest.csv"
    write_csv(path, rows if random.random() < 0.3 else changed(rows, random), random)
    if random.random() < 0.25:
        path.write_bytes(damaged(path.read_bytes(), random))
    if random.random() < 0.1:
        return lambda: command("prepare", "manifest", folder)
    return lambda: read(path)


def parquet_case(begun: tuple[Path, Rows], random: Random, folder: Path) -> Attempt:
    source, rows = begun
    linked(source, folder)
    path = folder / "manifest.parquet"
    write_parquet(path, changed(rows, random) if random.random() < 0.3 else rows, random)
    if random.random() < 0.5:
        path.write_bytes(damaged(path.read_bytes(), random))
    return lambda: read(path)


CSV = Subject(20, begin, csv_case)
PARQUET = Subject(10, begin, parquet_case)
