"""What a rank keeps and how long a step takes where large encoders are divided among ranks (`machine.sharded`), beside
ranks that each have all of them.

    python benchmarks/sharding.py [--ranks 2,4] [--hidden 2048] [--batch 64] [--tiny]

A step of `kd` on two perceptrons, with AdamW, in float32; ranks of one thread each on gloo. Parameters, gradients and
AdamW's states are 16 bytes a parameter: what a rank keeps of them between steps, and its peak of two steps over what
the process had before there was a model, are in units of that. Time is by the clock, medians of steps in turns.
On Linux freed memory is given back at once here: what the allocator keeps of it is not what a step needs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from ranks import Rank
from torch import Tensor

from crossdistill.encoders import MLP
from crossdistill.methods import KD
from crossdistill.models import CrossModalModel
from crossdistill.training import Optimization
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.memory import peak_memory_mb, reset_peak_memory
from crossdistill.training.sharding import WHOLE, Shards, encoder_parameters
from crossdistill.types import Batch

_MMAP_THRESHOLD = -3
_FEATURES, _LAYERS, _WIDTH, _CLASSES = 64, 4, 256, 10


class Training:
    """Steps of one rank, and what it keeps of parameters between them."""

    def __init__(self, engine: Rank, sharded: bool, arguments: argparse.Namespace) -> None:
        torch.manual_seed(0)
        encoders = {
            name: MLP(_FEATURES, _WIDTH, hidden=arguments.hidden, layers=_LAYERS) for name in ("video", "audio")
        }
        model = CrossModalModel(encoders, ["video"], ["audio"], _WIDTH, _CLASSES)
        self._engine, self._method, settings = engine, KD(model), Optimization()
        self._optimizers = build_optimizers(self._method, 1, settings)
        divided = encoder_parameters(model, self._optimizers) if sharded else ()
        self._shards = Shards(engine, divided) if sharded else WHOLE
        self._shards.divide()
        size = arguments.batch // engine.world_size
        inputs = {name: torch.randn(size, _FEATURES) for name in encoders}
        self._batch = Batch(inputs, torch.arange(size) % _CLASSES, torch.arange(size), {})

    def step(self) -> None:
        turns = self._method.turns(0)
        step(self._engine, self._method, turns, self._optimizers, self._batch, float("inf"), shards=self._shards)

    def kept(self) -> float:
        """MiB of parameters, gradients and optimisers' states between steps."""
        tensors: list[Tensor] = list(self._method.model.parameters())
        tensors += [p.grad for p in self._method.model.parameters() if p.grad is not None]
        for optimizer in self._optimizers.values():
            tensors += [value for values in optimizer.state.values() for value in values.values()]
        return sum(tensor.nbytes for tensor in tensors) / 2**20


def in_ranks(ranks: int, act: Callable[[Rank], dict[str, float]]) -> dict[str, float]:
    """What the first of so many ranks says, each in a process that has done nothing else."""
    with tempfile.TemporaryDirectory() as created:
        folder, children = Path(created), []
        for rank in range(ranks):
            if (child := os.fork()) == 0:
                try:
                    store = torch.distributed.FileStore(str(folder / "store"), ranks)
                    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
                    said = act(Rank(global_rank=rank, world_size=ranks))
                    (folder / str(rank)).write_text(json.dumps(said))
                    torch.distributed.barrier()
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        found: dict[str, float] = json.loads((folder / "0").read_text())
        return found


def room(engine: Rank, sharded: bool, arguments: argparse.Namespace) -> dict[str, float]:
    reset_peak_memory(engine.device)
    before = peak_memory_mb(engine.device)
    training = Training(engine, sharded, arguments)
    reset_peak_memory(engine.device)
    for _ in range(2):
        training.step()
    return {"kept": training.kept(), "peak": peak_memory_mb(engine.device) - before}


def times(engine: Rank, arguments: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of a step, whole and divided, in turns, and their ratio."""
    whole, divided = (Training(engine, sharded, arguments) for sharded in (False, True))
    taken: list[tuple[float, float]] = []
    for turn in range(arguments.rounds + 1):
        clock = [time.perf_counter()]
        for training in (whole, divided):
            torch.distributed.barrier()
            training.step()
            clock.append(time.perf_counter())
        if turn > 0:
            taken.append((clock[1] - clock[0], clock[2] - clock[1]))
    milliseconds = [1000 * statistics.median(values) for values in zip(*taken, strict=True)]
    return {"whole": milliseconds[0], "ratio": statistics.median(b / a for a, b in taken)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments = argparse.Namespace(**{**vars(arguments), "ranks": "2", "hidden": 128, "rounds": 1})
    torch.set_num_threads(1)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 16)
    unit = 4 * Training(Rank(), False, arguments).kept()  # before the first step parameters alone are kept
    print(f"One step of kd, {unit / 16:.1f} million parameters ({unit:.0f} MiB), B = {arguments.batch}\n")
    print("| ranks | | kept | peak | step |")
    print("|---|---|---|---|---|")
    for ranks in map(int, arguments.ranks.split(",")):
        taken = in_ranks(ranks, lambda engine: times(engine, arguments))
        for sharded, step_time in ((False, f"{taken['whole']:.0f} ms"), (True, f"x {taken['ratio']:.2f}")):
            found = in_ranks(ranks, lambda engine, sharded=sharded: room(engine, sharded, arguments))  # type: ignore[misc]
            name = "divided" if sharded else "all on each"
            kept, peak = found["kept"] / unit, found["peak"] / unit
            print(f"| {ranks} | {name} | {kept:.2f} | {peak:.2f} | {step_time} |", flush=True)


if __name__ == "__main__":
    main()
