"""Memory and time of a step whose encoders run in chunks (`optimization.chunk_size`), beside those of the plain step.

    python benchmarks/chunks.py [--accelerator cuda] [--recipe watch] [--method mi] [--batch 1024]
        [--chunk-sizes 256,64,16] [--tiny]

Memory is a step's peak above what there was before it, each in a process of its own; on a GPU, that of tensors. Time
is the process's own on a CPU, by the clock on a GPU, the steps taken in turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from problems import with_all_terms

from crossdistill import RECIPES
from crossdistill.runs.build import build
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.memory import peak_memory_mb, reset_peak_memory


def step_of(arguments: argparse.Namespace, chunk_size: int) -> Callable[[], None]:
    """One step of the method's last epoch, on training samples drawn again to fill the batch."""
    engine = OneProcess(torch.device(arguments.accelerator), arguments.precision)
    recipe = with_all_terms(RECIPES[arguments.recipe](), arguments.method)
    built = build(recipe)
    method, turns = built.method, built.method.turns(recipe.epochs - 1)
    engine.to_device(method.model).train()
    engine.to_device(method)
    optimizers = build_optimizers(method, recipe.epochs, recipe.optimization)
    batch = built.dataset.__getitems__(np.resize(built.dataset.rows("train"), arguments.batch).tolist())

    def run() -> None:
        terms = step(engine, method, turns, optimizers, batch, float("inf"), chunk_size).terms
        next(iter(terms.values())).item()  # waits for the device

    return run


def memory_of(arguments: argparse.Namespace, chunk_size: int) -> float:
    """MiB; on a CPU of the process's first step, since later ones find room that the first has left."""
    device = torch.device(arguments.accelerator)
    torch.set_num_threads(1)
    run = step_of(arguments, chunk_size)
    if device.type == "cuda":
        run()
    reset_peak_memory(device)
    before = peak_memory_mb(device)
    run()
    return peak_memory_mb(device) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--recipe", default="watch")
    parser.add_argument("--method", default="mi")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--chunk-sizes", default="256,64,16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments = argparse.Namespace(**{**vars(arguments), "batch": 32, "chunk_sizes": "16,5", "rounds": 1})
    sizes = [0, *map(int, arguments.chunk_sizes.split(","))]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        memory = [processes.apply(memory_of, (arguments, size)) for size in sizes]
    on_cpu = arguments.accelerator == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    clock = time.process_time if on_cpu else time.perf_counter
    steps = [step_of(arguments, size) for size in sizes]
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(arguments.rounds + 1):
        for taken, run in zip(times, steps, strict=True):
            started = clock()
            run()
            if turn > 0:
                taken.append(clock() - started)
    print(
        f"One step of {arguments.method}, recipe {arguments.recipe}, B = {arguments.batch:,}, {arguments.accelerator}\n"
    )
    print("| chunk size | MiB | × plain | ms | × plain |")
    print("|---|---|---|---|---|")
    for size, taken, room in zip(sizes, times, memory, strict=True):
        ratio = statistics.median(own / plain for own, plain in zip(taken, times[0], strict=True))
        name = size or "none"
        milliseconds = 1000 * statistics.median(taken)
        print(f"| {name} | {room:.0f} | {room / memory[0]:.2f} | {milliseconds:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
