"""Trains methods in float64 on one process and on groups of gloo ranks, and prints as JSON how far apart they end from
one process; a rank that gathers more than once on a step's way forward fails.

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
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from crossdistill.methods import METHODS, Method
from crossdistill.models import CrossModalModel
from crossdistill.training import Optimization
from crossdistill.training.distributed import mean_over_ranks
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.sharding import Shards, encoder_parameters
from crossdistill.types import Batch, TrainingSamples

SIZE, WIDTH, CLASSES = 16, 6, 3
SAMPLES = 40
STATE = "optimizer "
"""How a name begins of what an optimiser keeps."""
OPTIONS: dict[str, dict[str, Any]] = {
    "cmc": {"form": "batch"},
    "crd": {"negatives": 9},
    "amid": {"discriminator_width": 8, "warmup_epochs": 4},
    "mst": {"cooperation_epochs": 6, "mask_epochs": 6},
    "amid_u": {"fading": False},
}


class Group(NamedTuple):
    """Ranks that train together.

    chunk_size: as of `step`; sharded: all parameters of their encoders, however small, are divided among them
    """

    ranks: int = 1
    chunk_size: int = 0
    sharded: bool = False
    optimizer: Literal["adamw", "adam", "sgd"] = "sgd"


@dataclass(frozen=True)
class Rank(OneProcess):
    """One of several processes, with what `step` asks of an engine."""

    global_rank: int = 0  # type: ignore[misc]
    world_size: int = 1  # type: ignore[misc]


class Encoder(nn.Linear):
    """With a layer that nothing is made by, as some published models have one."""

    width = WIDTH

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs, WIDTH)
        self.spare = nn.Linear(2, 2)


def build(name: str) -> Method:
    torch.manual_seed(0)
    encoders = {"video": Encoder(4), "audio": Encoder(5)}
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
    """One rank's rows of the global batch of this number: none, some, or half of its samples lack the auxiliary
    modality, and so all that some ranks have."""
    random = torch.Generator().manual_seed(100 + batch)
    video, audio = (torch.randn(SIZE, width, generator=random, dtype=torch.float64) for width in (4, 5))
    rows = torch.randperm(SAMPLES, generator=random)[:SIZE]
    labels = torch.randint(0, CLASSES, (SAMPLES,), generator=torch.Generator().manual_seed(1))[rows]
    has = [torch.ones(SIZE) > 0, torch.rand(SIZE, generator=random) > 0.3, torch.arange(SIZE) < SIZE // 2][batch % 3]
    chance = torch.rand(SIZE, generator=random, dtype=torch.float64)
    own = slice(rank * SIZE // ranks, (rank + 1) * SIZE // ranks)
    inputs = {"video": video[own], "audio": audio[own]}
    return Batch(inputs, labels[own], rows[own], {"audio": has[own]}, chance=chance[own])


def trained(name: str, steps: int, rank: int, group: Group) -> dict[str, Tensor]:
    """Parameters, buffers and optimisers' states in the end and the losses of each step, over every stage of the
    method."""
    engine, method = Rank(global_rank=rank, world_size=group.ranks), build(name)
    settings = Optimization(group.optimizer, learning_rate=0.01)
    optimizers = build_optimizers(method, 20, settings)
    shards = Shards(engine, encoder_parameters(method.model, optimizers, least=1) if group.sharded else ())
    shards.divide()
    made: dict[str, Tensor] = {}
    for number in range(steps):
        epoch = number * 20 // steps
        method.model.hold(method.held(epoch))
        own = share_of(number, rank, group.ranks)
        done = step(engine, method, method.turns(epoch), optimizers, own, 1.0, group.chunk_size, shards)
        values = mean_over_ranks(engine, done.terms | done.measures)
        made |= {f"step {number} {key}": value for key, value in values.items()}
        method.end_epoch(epoch)
    states = shards.states(optimizers)
    made |= {
        f"{STATE}{turn} {number} {key}": value
        for turn, state in (states if rank == 0 else {}).items()
        for number, values in state["state"].items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }
    shards.close()
    return made | {**method.model.state_dict(), **method.state_dict()}


class OneMessage:
    """`torch.distributed.all_gather`, called once in a step at most."""

    def __init__(self) -> None:
        self._send, self.sent = torch.distributed.all_gather, 0

    def __call__(self, *given: Any) -> object:
        self.sent += 1
        return self._send(*given)


def rank_of(folder: Path, asked: dict[str, int], rank: int, number: int, group: Group) -> None:
    store = torch.distributed.FileStore(str(folder / f"store{number}"), group.ranks)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=group.ranks)
    messages = OneMessage()
    torch.distributed.all_gather = messages  # type: ignore[assignment]
    torch.save({name: trained(name, steps, rank, group) for name, steps in asked.items()}, folder / f"{number}-{rank}")
    assert group.sharded or messages.sent == sum(asked.values()), "one for each step"
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def distance(alone: dict[str, Tensor], rank: dict[str, Tensor]) -> float:
    """The largest difference, relative to a tensor's largest entry where that is above 1. The first rank alone has the
    optimisers' states."""
    assert {key for key in alone if key not in rank} == {
        key for key in alone if key.startswith(STATE) and key not in rank
    }
    apart = [0.0]
    for key, found in rank.items():
        value, other = alone[key], found.double()
        finite = value.double().isfinite()
        assert torch.equal(other.isfinite(), finite), key
        one, other = value.double()[finite], other[finite]
        if one.numel():
            apart.append(float((one - other).abs().max() / one.abs().max().clamp_min(1)))
    return max(apart)


def main(asked: dict[str, int], groups: list[Group]) -> None:
    """asked: method -> number of steps"""
    torch.set_num_threads(1)
    trained("amid_u", 1, 0, Group())  # what a first step imports, once for all
    with tempfile.TemporaryDirectory() as created:
        folder = Path(created)
        children = []
        for number, group in enumerate(groups):
            for rank in range(group.ranks):
                if (child := os.fork()) == 0:
                    code = 1
                    try:
                        rank_of(folder, asked, rank, number, group)
                        code = 0
                    except Exception:
                        traceback.print_exc()
                    finally:
                        os._exit(code)
                children.append(child)
        kinds = {group.optimizer for group in groups}
        alone = {
            (kind, name): trained(name, steps, 0, Group(optimizer=kind))
            for kind in kinds
            for name, steps in asked.items()
        }
        failed = [child for child in children if os.waitpid(child, 0)[1]]
        if failed:
            sys.exit(f"{len(failed)} ranks failed")
        found: dict[str, dict[str, float]] = {name: {} for name in asked}
        for number, group in enumerate(groups):
            for rank in range(group.ranks):
                states = torch.load(folder / f"{number}-{rank}")
                for name in asked:
                    apart = distance(alone[group.optimizer, name], states[name])
                    found[name][f"{rank} of {group.ranks}, group {number}"] = apart
        print(json.dumps(found))
