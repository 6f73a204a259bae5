"""PyTorch's random states: of the CPU, and of the device that a run computes on. Other GPUs are left alone: even to
ask for their state would take memory of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from crossdistill.types import CPU

RandomState = Mapping[str, Tensor]
"""Kind of device -> its generator's state; the CPU's is always there."""


def random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: RandomState, device: torch.device) -> None:
    """What the state has of other kinds of device is left alone."""
    setters: dict[str, Callable[[Tensor], None]] = {
        "cpu": torch.set_rng_state,
        "cuda": lambda state: torch.cuda.set_rng_state(state, device),
    }
    for kind, state in states.items():
        if kind in ("cpu", device.type):
            setters[kind](state)


@contextmanager
def forked(device: torch.device) -> Iterator[None]:
    """The caller's random state comes back afterwards: the CPU's, and the device's where that is a GPU."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def seeded(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Random numbers from this seed inside, on the CPU and, where the device is a GPU, on that one; the caller's random
    state comes back afterwards."""
    with forked(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
