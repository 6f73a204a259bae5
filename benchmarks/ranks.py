"""Steps of ranks that share a batch beside the steps of one process: how much faster several of them are.

    python benchmarks/ranks.py [--ranks 2] [--batch 1024] [--methods mi,amid,ccl,rkd] [--tiny]

Model and samples are the `emoji` recipe's, drawn again to fill the batch. Each rank has one thread, and steps are timed
in turns, one process and the ranks, so that what else the machine does is in both. Target: 1.5 times as fast on two
ranks at B = 1,024. On a machine that is busy with other work ranks wait for one another; a column counts a rank's own
CPU time, which does not see that. The last one has the bytes that a rank hands over in each message of a step: what it
has for a gather, the whole sum for a reduction. RKD's triplets of 1,024 samples take minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from step import built_method

from crossdistill.recipes.library.bundled import emoji
from crossdistill.runs.data import build_dataset
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import Batch

TARGET = 1.5


@dataclass(frozen=True)
class Rank(OneProcess):
    """One of several processes, with what `step` asks of an engine."""

    global_rank: int = 0  # type: ignore[misc]
    world_size: int = 1  # type: ignore[misc]


def step_of(engine: OneProcess, name: str, batch: Batch) -> Callable[[], object]:
    recipe, method = emoji(), built_method(engine, name)
    optimizers, turns = build_optimizers(method, recipe.epochs, recipe.optimization), method.turns(recipe.epochs - 1)
    return lambda: step(engine, method, turns, optimizers, batch, float("inf"))


def seconds(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Of one call: by the clock, and of this process's own."""
    started, own = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - started) / repeats, (time.process_time() - own) / repeats


def messages(run: Callable[[], object]) -> list[str]:
    """What a step hands over, message by message: the kind and its bytes."""
    handed: list[str] = []
    real = torch.distributed.all_gather, torch.distributed.all_reduce

    def gather(made: list[torch.Tensor], own: torch.Tensor) -> object:
        handed.append(f"gather {own.nbytes:,}")
        return real[0](made, own)

    def reduce(own: torch.Tensor) -> object:
        handed.append(f"reduce {own.nbytes:,}")
        return real[1](own)

    torch.distributed.all_gather, torch.distributed.all_reduce = gather, reduce
    try:
        run()
    finally:
        torch.distributed.all_gather, torch.distributed.all_reduce = real
    return handed


def measure(folder: Path, rank: int, arguments: argparse.Namespace) -> None:
    """Print, on the first rank, each method's row."""
    ranks, size = arguments.ranks, arguments.batch
    store = torch.distributed.FileStore(str(folder / "store"), ranks)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    dataset = build_dataset(emoji().data)
    rows = np.resize(dataset.rows("train"), size).tolist()
    everything = dataset.__getitems__(rows)
    own = dataset.__getitems__(rows[rank * size // ranks : (rank + 1) * size // ranks])
    for name in arguments.methods.split(","):
        alone = step_of(Rank(), name, everything) if rank == 0 else None
        together = step_of(Rank(global_rank=rank, world_size=ranks), name, own)
        ratios, own_ratios, one = [], [], []
        for turn in range(arguments.rounds + 1):
            taken, own_taken = seconds(alone, arguments.repeats) if alone else (0.0, 0.0)
            torch.distributed.barrier()
            shared, own_shared = seconds(together, arguments.repeats)
            torch.distributed.barrier()
            if turn > 0:
                ratios.append(taken / shared)
                own_ratios.append(own_taken / own_shared)
                one.append(1000 * taken)
        handed = "; ".join(messages(together))
        if rank == 0:
            ratio, own_ratio, alone_ms = (statistics.median(values) for values in (ratios, own_ratios, one))
            target = TARGET if ranks == 2 else "–"
            print(f"| {name} | {alone_ms:.0f} ms | {ratio:.2f} | {target} | {own_ratio:.2f} | {handed} |", flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--methods", default="baseline,mi,amid,ccl,gmc,crd")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments = argparse.Namespace(**{**vars(arguments), "batch": 32, "rounds": 1, "repeats": 1})
    torch.set_num_threads(1)
    print(f"One step, emoji recipe, B = {arguments.batch:,}\n")
    print(
        f"| method | one process | {arguments.ranks} ranks: times as fast | target | by a rank's own CPU time | bytes |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as created:
        children = []
        for rank in range(1, arguments.ranks):
            if (child := os.fork()) == 0:
                try:
                    measure(Path(created), rank, arguments)
                finally:
                    os._exit(0)
            children.append(child)
        measure(Path(created), 0, arguments)
        for child in children:
            os.waitpid(child, 0)
