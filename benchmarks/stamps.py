"""Tux Paint's stamps, the whole path: files -> manifest -> cache, spectrograms -> a comparison -> an exported student.

python benchmarks/stamps.py DIR [--out runs/stamps] [--seeds 5]

DIR: of Debian's package tuxpaint-stamps-default, e.g. /usr/share/tuxpaint/stamps. A drawing's category, trained with a
tenth of the labels and, beside the drawing, a Spanish sentence about it or the letters of an English one. The methods
are those that have something to say of unlabelled pairs, or are what they must beat; the controls are AMID-U with
shuffled and with zeroed auxiliary inputs. One process on one thread: 22 minutes of a CPU. Writes OUT/stamps and
OUT/stamps_words, of which `crossdistill report` makes pages, and OUT/student.onnx, a student of the first seed, whose
answers to the files of the test samples are compared with ONNX Runtime's.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

import crossdistill
from crossdistill.cli.main import main as command
from crossdistill.recipes.library.released import stamps, stamps_words
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.controls import controlled

METHODS = ("baseline", "teacher", "self_training", "amid_u")
CONTROLS = ("shuffled auxiliary", "zeroed auxiliary")


def main() -> None:
    """Everything, one step after the other; what is done already is not done again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/stamps"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    data = options.out / "data"
    prepare(options.source, data)
    for recipe in (stamps(), stamps_words()):
        for each in configurations(recipe, data):
            print(each.name, each.label or each.method)
        compared = crossdistill.compare(configurations(recipe, data), options.out / recipe.name, seeds=options.seeds)
        assert compared.table is not None
        assert not compared.failures, compared.failures
        print(compared.table.groupby("label")[["student_top1", "teacher_top1"]].agg(["mean", "std"]).to_string())
    ship(options.out / "stamps/amid_u-seed0", options.out / "student.onnx", data)


def prepare(source: Path, data: Path) -> None:
    """The manifest, the cache of decoded files, and the spectrograms, by the commands that a user types."""
    made = data / "spectrograms.csv"
    steps = [
        f"prepare stamps --source {shlex.quote(str(source))} --out {data}",
        f"prepare manifest {data} --allow-outside --cache raw --short-side 72",
        f"extract {data} --allow_outside true --modality speech --encoder log_mel --sequence true --windows 1 "
        f"--reader.seconds 2 --out {made}",
    ]
    for step in steps[0 if not data.exists() else 1 :]:
        if command(shlex.split(step)):
            raise SystemExit(f"crossdistill {step}")


def configurations(recipe: Recipe, data: Path) -> list[Recipe]:
    """The methods and AMID-U's controls, with a tenth of the labels."""
    few = replace(recipe.data, source=str(data / "spectrograms.csv"), labelled=0.1)
    recipe = replace(recipe, data=few)
    methods = [replace(recipe, method=method, label=method) for method in METHODS]
    return methods + [controlled(recipe, "amid_u", control) for control in CONTROLS]


def ship(run: Path, file: Path, data: Path) -> None:
    """Export a run's student, and ask it for the classes of the test samples' files."""
    if command(["export", str(run), "--out", str(file)]):
        raise SystemExit("crossdistill export")
    student = crossdistill.load(run)
    dataset = crossdistill.read_manifest(data / "manifest.csv", only=("picture",), allow_outside=True)
    rows = dataset.rows("test")
    files = [dataset.columns["picture"].clips[row].path for row in rows]  # type: ignore[attr-defined]
    arrays = student.arrays(files)
    (probabilities,) = onnxruntime.InferenceSession(str(file)).run(["probabilities"], arrays)
    difference = np.abs(probabilities - student.predict_proba(files)).max()
    right = np.array(student.classes)[probabilities.argmax(1)] == np.array(dataset.classes)[dataset.labels[rows]]
    print(
        f"{file}: {right.mean():.1%} of {len(rows)} test pictures; largest difference to the student {difference:.1e}"
    )


if __name__ == "__main__":
    main()
