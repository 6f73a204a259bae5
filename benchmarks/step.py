"""Cost of one training step of each method beside the baseline's, and of our steps beside steps typed by hand.

    python benchmarks/step.py [--recipe emoji,watch,gru,r2plus1d] [--methods rkd] [--rounds 30]
        [--accelerator cuda] [--precision bf16-mixed] [--tiny]

Targets: RKD 9 and MST 2 times a baseline's step on emoji; 1.1 times what is typed by hand. On a CPU it is this
process's own time that counts. RKD and MST by hand are their published code, all differences of pairs and all masks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from by_hand import BY_HAND
from problems import PROBLEMS, Problem, with_all_terms
from timing import compare

from crossdistill.methods import METHODS, Method
from crossdistill.runs.build import build
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import Batch

TARGETS = {"rkd": 9.0, "mst": 2.0}
BESIDE_BY_HAND = 1.1


def built_method(engine: OneProcess, name: str, problem: Problem | None = None) -> Method:
    """A method as the last epoch of its run finds it: with a fixed teacher frozen, and what has learnt held.

    problem: `emoji` unless given
    """
    problem = problem or PROBLEMS["emoji"]()
    recipe = with_all_terms(problem.recipe, name)
    built = build(recipe, problem.dataset)
    for change in built.stages[-1].before:
        change()
    method = built.method
    method.model.hold(method.held(recipe.epochs - 1))
    method.model.train()
    engine.to_device(method.model)
    engine.to_device(method)
    return method


def method_step(engine: OneProcess, name: str, batch: Batch, problem: Problem) -> Callable[[], object]:
    """One step of our loop, after warm-up and first stages."""
    method, recipe = built_method(engine, name, problem), problem.recipe
    optimizers = build_optimizers(method, recipe.epochs, recipe.optimization)
    turns = method.turns(recipe.epochs - 1)

    def run() -> None:
        terms = step(engine, method, turns, optimizers, batch, float("inf")).terms
        next(iter(terms.values())).item()  # waits for the device

    return run


def hand_step(engine: OneProcess, name: str, batch: Batch, problem: Problem) -> Callable[[], object]:
    run = BY_HAND[name](built_method(engine, name, problem), batch.to(engine.device))

    def under_autocast() -> None:
        with engine.autocast():
            run()

    return under_autocast


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="emoji", help=f"one or more of {', '.join(PROBLEMS)}")
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    engine = OneProcess(torch.device(arguments.accelerator), arguments.precision)
    if engine.device.type == "cpu":
        torch.set_num_threads(1)
    clock = time.process_time if engine.device.type == "cpu" else time.perf_counter
    rounds = 1 if arguments.tiny else arguments.rounds
    for recipe in arguments.recipe.split(","):
        problem = PROBLEMS[recipe]()
        size = 16 if arguments.tiny else problem.batch
        batch = problem.dataset.__getitems__(problem.dataset.rows("train")[:size].tolist())
        where = f"{engine.device}, {arguments.precision}, {recipe}, B = {size}"
        alternatives = {"baseline": method_step(engine, "baseline", batch, problem)}
        alternatives |= {name: method_step(engine, name, batch, problem) for name in names if name != "baseline"}
        compare(f"One step on {where}", alternatives, rounds, clock, TARGETS if recipe == "emoji" else {})
        for name in names:
            sides = {"by hand": hand_step, "ours": method_step}
            pair = {side: make(engine, name, batch, problem) for side, make in sides.items()}
            compare(f"{name} on {where}", pair, rounds, clock, {"ours": BESIDE_BY_HAND})
