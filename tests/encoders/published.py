"""What published networks are called and shaped inside, and state dicts of those keys and shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

DATA = Path(__file__).parent / "data"


def keys_and_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The lines "key 64x3x3" of a stored list; "scalar" for no dimension."""
    lines = [line.split() for line in (DATA / name).read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return {key: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for key, shape in lines}


def parameters_in(shapes: dict[str, tuple[int, ...]]) -> int:
    """How many numbers are learnt: all but statistics, counters and the constants of a spectrogram."""
    constants = ("running_mean", "running_var", "num_batches_tracked", "conv_real.weight", "conv_imag.weight", "melW")
    return sum(torch.Size(shape).numel() for key, shape in shapes.items() if not key.endswith(constants))


def random_state(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Values of the size that a trained network has, so that its output neither vanishes nor explodes."""
    generator = torch.Generator().manual_seed(seed)
    return {key: _values(key, shape, generator) for key, shape in shapes.items()}


def _values(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(17)
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        return 0.5 + torch.rand(shape, generator=generator)
    values = torch.randn(shape, generator=generator)
    return values * (2 / max(1, values[0].numel())) ** 0.5 if len(shape) > 1 else 0.1 * values


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with such values in it, in evaluation mode: no output is then a mere constant."""
    network.load_state_dict(random_state({key: tuple(v.shape) for key, v in network.state_dict().items()}, seed))
    return network.eval()
