"""Cost of one training step of each method beside the baseline's, and of our steps beside steps typed by hand.

    python benchmarks/step.py [--recipe watch] [--accelerator cuda] [--precision bf16-mixed] [--methods rkd] [--tiny]

Targets: RKD 9 and MST 2 times a baseline's step; 1.1 times what is typed by hand. On a CPU it is this process's own
time that counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from by_hand import BY_HAND
from timing import compare

from crossdistill.methods import METHODS, Method
from crossdistill.recipes.library.bundled import emoji, watch
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.build import build
from crossdistill.runs.data import build_dataset
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import Batch

TARGETS = {"rkd": 9.0, "mst": 2.0}
BESIDE_BY_HAND = 1.1


RECIPES = {"emoji": emoji, "watch": watch}


def built_method(engine: OneProcess, name: str, recipe: Recipe | None = None) -> Method:
    """A method as the last epoch of its run finds it: with a fixed teacher frozen, and what has learnt held.

    recipe: the emoji recipe unless given
    """
    recipe = replace(recipe or emoji(), method=name)
    built = build(recipe)
    for change in built.stages[-1].before:
        change()
    method = built.method
    method.model.hold(method.held(recipe.epochs - 1))
    method.model.train()
    engine.to_device(method.model)
    engine.to_device(method)
    return method


def method_step(engine: OneProcess, name: str, batch: Batch, recipe: Recipe) -> Callable[[], object]:
    """One step of our loop, after warm-up and first stages."""
    method = built_method(engine, name, recipe)
    optimizers = build_optimizers(method, recipe.epochs, recipe.optimization)
    turns = method.turns(recipe.epochs - 1)

    def run() -> None:
        terms = step(engine, method, turns, optimizers, batch, float("inf")).terms
        next(iter(terms.values())).item()  # waits for the device

    return run


def hand_step(engine: OneProcess, name: str, batch: Batch, recipe: Recipe) -> Callable[[], object]:
    run = BY_HAND[name](built_method(engine, name, recipe), batch.to(engine.device))

    def under_autocast() -> None:
        with engine.autocast():
            run()

    return under_autocast


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="emoji", choices=list(RECIPES))
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    engine = OneProcess(torch.device(arguments.accelerator), arguments.precision)
    if engine.device.type == "cpu":
        torch.set_num_threads(1)
    clock = time.process_time if engine.device.type == "cpu" else time.perf_counter
    size, rounds = (16, 1) if arguments.tiny else (128, 30)
    recipe = RECIPES[arguments.recipe]()
    dataset = build_dataset(recipe.data)
    batch = dataset.__getitems__(dataset.rows("train")[:size].tolist())
    where = f"{engine.device}, {arguments.precision}, {recipe.name} recipe, B = {size}"
    alternatives = {"baseline": method_step(engine, "baseline", batch, recipe)}
    alternatives |= {name: method_step(engine, name, batch, recipe) for name in names if name != "baseline"}
    compare(f"One step on {where}", alternatives, rounds, clock, TARGETS)
    for name in [name for name in names if name in BY_HAND]:
        pair = {"by hand": hand_step(engine, name, batch, recipe), "ours": method_step(engine, name, batch, recipe)}
        compare(f"{name} on {where}", pair, rounds, clock, {"ours": BESIDE_BY_HAND})
