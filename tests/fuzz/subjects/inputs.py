"""What `predict` is given: arrays, archives of them, tables, texts of numbers, folders."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from crossdistill.data import from_arrays
from crossdistill.data.given import given
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import DataSettings, ModelSettings
from crossdistill.runs.run import run
from crossdistill.student import Student, load
from tests.fuzz.case import Attempt, Subject, command
from tests.fuzz.octets import damaged
from tests.fuzz.subjects.arrays import header, npy, odd_array
from tests.fuzz.tables import Rows, changed, write_csv, write_parquet
from tests.runs.small import gestures, recipe


@dataclass(frozen=True)
class Begun:
    """sequences: a student of `wrist` (any length, 3); table: one of columns a, b, c"""

    folder: Path
    sequences: Student
    table: Student


def begin(folder: Path) -> Begun:
    run(recipe(method="baseline", epochs=1), folder / "run", dataset=gestures())
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.integers(0, 9, size=(40, 3)), columns=["a", "b", "c"])
    model = ModelSettings(width=8, encoders={"watch": EncoderSettings("mlp", {"width": 8, "hidden": 8})})
    made = replace(recipe(method="baseline", epochs=1), data=DataSettings("x", ("watch",), ()), model=model)
    dataset = from_arrays({"watch": frame}, np.arange(40) % 2, splits=np.arange(40) >= 30)
    run(made, folder / "table", dataset=dataset)
    return Begun(folder, load(folder / "run"), load(folder / "table"))


def npz(random: Random) -> bytes:
    file = io.BytesIO()
    arrays = {"wrist": np.zeros((4, 5, 3)), "wrist_lengths": np.array([1, 5, 2, 3])}
    if random.random() < 0.4:
        arrays[random.choice(("wrist", "wrist_lengths", "other"))] = np.load(
            io.BytesIO(odd_array(random)), allow_pickle=True
        )
    if random.random() < 0.3:
        arrays["wrist_lengths"] = np.array([0, 6, -1, 2**62])
    random.choice((np.savez, np.savez_compressed))(file, **arrays)
    return damaged(file.getvalue(), random) if random.random() < 0.6 else file.getvalue()


def write_table(path: Path, random: Random) -> None:
    rows: Rows = [["id", "a", "b", "c", "label"], *([f"r{n}", str(n), "0.5", "1e3", "0"] for n in range(8))]
    rows = changed(rows, random) if random.random() < 0.7 else rows
    if path.suffix == ".csv":
        write_csv(path, rows, random)
    else:
        write_parquet(path, rows, random)
    if random.random() < 0.4:
        path.write_bytes(damaged(path.read_bytes(), random))


def tried(student: Student, path: Path) -> None:
    """Each sample has finite shares that add up to one, or a problem in words."""
    for chunk in given(path, student.inputs).chunks():
        predictions = student.predictions(chunk.samples)
        for problem, shares in zip(predictions.problems, predictions.probabilities, strict=True):
            assert "\n" not in problem
            assert problem or abs(float(shares.sum()) - 1) < 1e-3


def case(begun: Begun, random: Random, folder: Path) -> Attempt:
    ending = random.choice((".npy", ".npy", ".npz", ".npz", ".csv", ".csv", ".parquet"))
    path = folder / f"x{ending}"
    is_table = ending in (".csv", ".parquet")
    if is_table:
        write_table(path, random)
    elif ending == ".npz":
        path.write_bytes(npz(random))
    else:
        makes = (lambda: damaged(npy(np.ones((4, 3))), random), lambda: header(random), lambda: odd_array(random))
        path.write_bytes(random.choice(makes)())
    if random.random() < 0.1:
        name = "table" if is_table else "run"
        return lambda: command("predict", begun.folder / name, path, "--out", folder / "out.csv")
    given_path = folder if random.random() < 0.1 else path
    return lambda: tried(begun.table if is_table else begun.sequences, given_path)


INPUTS = Subject(15, begin, case)
