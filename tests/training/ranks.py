"""Trains methods in float64 on one, two and four gloo ranks, and prints as JSON how far apart they end from
one process; a rank that sends more than one message on a step's way forward fails. Two ranks take chunks.

Ranks are forked, so that PyTorch is imported once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossdistill.methods import METHODS, Method
from crossdistill.models import CrossModalModel
from crossdistill.training import Optimization
from crossdistill.training.distributed import mean_over_ranks
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import Batch, TrainingSamples

SIZE, WIDTH, CLASSES = 16, 6, 3
SAMPLES = 40
OPTIONS: dict[str, dict[str, Any]] = {
    "cmc": {"form": "batch"},
    "crd": {"negatives": 9},
    "amid": {"discriminator_width": 8, "warmup_epochs": 4},
    "mst": {"cooperation_epochs": 6, "mask_epochs": 6},
}


@dataclass(frozen=True)
class Rank(OneProcess):
    """One of several processes, with what `step` asks of an engine."""

    global_rank: int = 0  # type: ignore[misc]
    world_size: int = 1  # type: ignore[misc]


class Encoder(nn.Linear):
    width = WIDTH


def build(name: str) -> Method:
    torch.manual_seed(0)
    encoders = {"video": Encoder(4, WIDTH), "audio": Encoder(5, WIDTH)}
    kind = METHODS[name]
    model = CrossModalModel(
        encoders, ["video"], ["audio"], WIDTH, CLASSES, separate_teacher=kind.separate_teacher, student=kind.student
    )
    method = kind(model, **OPTIONS.get(name, {}))
    labels = torch.randint(0, CLASSES, (SAMPLES,), generator=torch.Generator().manual_seed(1))
    method.prepare(TrainingSamples(torch.arange(SAMPLES), labels, epochs=20))
    method.double()
    model.double()
    return method


def share_of(batch: int, rank: int, ranks: int) -> Batch:
    """One rank's rows of the global batch of this number: some samples lack the auxiliary modality."""
    random = torch.Generator().manual_seed(100 + batch)
    video, audio = (torch.randn(SIZE, width, generator=random, dtype=torch.float64) for width in (4, 5))
    rows = torch.randperm(SAMPLES, generator=random)[:SIZE]
    labels = torch.randint(0, CLASSES, (SAMPLES,), generator=torch.Generator().manual_seed(1))[rows]
    has = torch.rand(SIZE, generator=random) > (0.3 if batch % 3 == 2 else -1)
    chance = torch.rand(SIZE, generator=random, dtype=torch.float64)
    own = slice(rank * SIZE // ranks, (rank + 1) * SIZE // ranks)
    inputs = {"video": video[own], "audio": audio[own]}
    return Batch(inputs, labels[own], rows[own], {"audio": has[own]}, chance=chance[own])


def trained(name: str, steps: int, rank: int, ranks: int) -> dict[str, Tensor]:
    """Parameters and buffers in the end and the losses of each step, over every stage of the method."""
    engine, method = Rank(global_rank=rank, world_size=ranks), build(name)
    settings = Optimization("sgd", learning_rate=0.01)
    optimizers = build_optimizers(method, 20, settings)
    made: dict[str, Tensor] = {}
    for number in range(steps):
        epoch = number * 20 // steps
        method.model.hold(method.held(epoch))
        own, chunk_size = share_of(number, rank, ranks), 3 if ranks == 2 else 0
        done = step(engine, method, method.turns(epoch), optimizers, own, 1.0, chunk_size)
        values = mean_over_ranks(engine, done.terms | done.measures)
        made |= {f"step {number} {key}": value for key, value in values.items()}
        method.end_epoch(epoch)
    return made | {**method.model.state_dict(), **method.state_dict()}


class OneMessage:
    """`torch.distributed.all_gather`, called once in a step at most."""

    def __init__(self) -> None:
        self._send, self.sent = torch.distributed.all_gather, 0

    def __call__(self, *given: Any) -> object:
        self.sent += 1
        return self._send(*given)


def rank_of(folder: Path, asked: dict[str, int], rank: int, ranks: int) -> None:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.FileStore(str(folder / f"store{ranks}"), ranks), rank=rank, world_size=ranks
    )
    messages = OneMessage()
    torch.distributed.all_gather = messages  # type: ignore[assignment]
    torch.save({name: trained(name, steps, rank, ranks) for name, steps in asked.items()}, folder / f"{ranks}-{rank}")
    assert messages.sent == sum(asked.values()), "one for each step"
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """The largest difference, relative to a tensor's largest entry where that is above 1."""
    assert first.keys() == second.keys()
    apart = [0.0]
    for key, value in first.items():
        other, finite = second[key].double(), value.double().isfinite()
        assert torch.equal(other.isfinite(), finite), key
        one, other = value.double()[finite], other[finite]
        if one.numel():
            apart.append(float((one - other).abs().max() / one.abs().max().clamp_min(1)))
    return max(apart)


def main(asked: dict[str, int]) -> None:
    """asked: method -> number of steps"""
    torch.set_num_threads(1)
    trained("amid_u", 1, 0, 1)  # what a first step imports, once for all
    with tempfile.TemporaryDirectory() as created:
        folder = Path(created)
        children = []
        for ranks in (2, 4):
            for rank in range(ranks):
                if (child := os.fork()) == 0:
                    code = 1
                    try:
                        rank_of(folder, asked, rank, ranks)
                        code = 0
                    except Exception:
                        traceback.print_exc()
                    finally:
                        os._exit(code)
                children.append(child)
        alone = {name: trained(name, steps, 0, 1) for name, steps in asked.items()}
        failed = [child for child in children if os.waitpid(child, 0)[1]]
        if failed:
            sys.exit(f"{len(failed)} ranks failed")
        found: dict[str, dict[str, float]] = {name: {} for name in asked}
        for ranks in (2, 4):
            for rank in range(ranks):
                states = torch.load(folder / f"{ranks}-{rank}")
                for name in asked:
                    found[name][f"{rank} of {ranks}"] = distance(alone[name], states[name])
        print(json.dumps(found))
