"""Whole runs of every method on a device: do they end, repeat bit for bit, go on after a stop, and learn as on a CPU?

    python scripts/check_device.py cuda [--methods baseline,amid] [--epochs 30] [--jobs 8]

Prints a line for each method and ends with exit code 1 where one does not. The recipe is `emoji`; its runs share the
device.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType

import torch

from crossdistill import METHODS, RECIPES, Listener, Machine, Recipe, run
from crossdistill.cli.compare import parse_methods
from crossdistill.training.engine import deterministic_kernels, own_process


class Stopped(Exception):
    """By this script, in the middle of a run."""


class StopsAfter(Listener):
    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def step(self, task: str, values: Mapping[str, float | int | str] = MappingProxyType({})) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stopped


def in_own_process(recipe: Recipe, folder: Path, stop: bool) -> tuple[float, str]:
    """Top-1 of the student, or of what is trained in its place, and a digest of all weights."""
    own_process()
    torch.set_num_threads(1)
    with deterministic_kernels():
        if stop:
            with suppress(Stopped):
                run(recipe, folder, listener=StopsAfter(recipe.epochs // 2))
        run(recipe, folder, resume=stop)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    scores = next(results[name] for name in ("student", "teacher", "auxiliary_alone") if results.get(name))
    weights = b"".join(path.read_bytes() for path in sorted(folder.glob("*.safetensors")))
    return scores["top1"], hashlib.sha256(weights).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", choices=["cpu", "cuda"])
    parser.add_argument("--methods", type=parse_methods, default=list(METHODS), help="with commas, or all")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=8)
    arguments = parser.parse_args()
    failed = 0
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool,
    ):
        waiting = {}
        for method in arguments.methods:
            recipe = replace(RECIPES["emoji"](), method=method, epochs=arguments.epochs, checkpoint_every=1)
            here, there = (replace(recipe, machine=Machine(device)) for device in ("cpu", arguments.device))
            kinds = {"first": (there, False), "again": (there, False), "resumed": (there, True), "cpu": (here, False)}
            waiting[method] = {
                kind: pool.submit(in_own_process, recipe, Path(name) / method / kind, stop)
                for kind, (recipe, stop) in kinds.items()
            }
        for method, futures in waiting.items():
            try:
                made = {kind: future.result() for kind, future in futures.items()}
            except Exception as error:  # whatever it is, the other methods are to be tried, too
                print(f"{method:26s} {type(error).__name__}: {error}", flush=True)
                failed += 1
                continue
            repeats, resumes = (made[kind][1] == made["first"][1] for kind in ("again", "resumed"))
            failed += not (repeats and resumes)
            words = f"{'repeats' if repeats else 'DOES NOT REPEAT':16s}{'goes on' if resumes else 'DOES NOT GO ON':15s}"
            print(f"{method:26s} {words} top-1 {made['first'][0]:.3f}, on a CPU {made['cpu'][0]:.3f}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
