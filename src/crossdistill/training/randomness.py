"""PyTorch's random states: of the CPU, and of the device that a run computes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

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
