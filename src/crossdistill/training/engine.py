"""Starting the engine, and what a run needs of the process: seeds, deterministic kernels, quiet libraries."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from crossdistill.training import Machine

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launched(machine: Machine) -> Fabric:
    """The engine on this machine, its processes started; under torchrun those that it has started."""
    from lightning_fabric import Fabric  # seconds, which commands that train nothing need not wait for

    devices = int(os.environ.get("LOCAL_WORLD_SIZE", machine.devices))
    nodes = int(os.environ["GROUP_WORLD_SIZE"]) if "GROUP_WORLD_SIZE" in os.environ else machine.nodes
    fabric = Fabric(
        accelerator=machine.accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy="auto" if devices * nodes == 1 else "ddp",
        precision=machine.precision,
    )
    fabric.launch()
    return fabric


@contextmanager
def deterministic(seed: int, threads: int) -> Iterator[None]:
    """Seeded, with deterministic kernels wherever there are any, on this many CPU threads (0: as many as before); the
    caller's settings and random state come back afterwards."""
    before, warn_only, threads_before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
    )
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.manual_seed(seed)
        torch.set_num_threads(threads or threads_before)
        try:
            yield
        finally:
            torch.set_num_threads(threads_before)
            torch.use_deterministic_algorithms(before, warn_only=warn_only)


def own_process() -> None:
    """Settings of the whole process, where it is ours: the command line, its workers, the ranks that torchrun starts.

    Launch notices of the engine are not this program's output. To be called after its import, which sets its level.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    warnings.filterwarnings("ignore", message=".*all_gather is deprecated.*")
    warnings.filterwarnings("ignore", message="This DataLoader will create .* worker processes")  # the recipe's choice
