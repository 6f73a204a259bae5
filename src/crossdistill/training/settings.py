"""How parameters are stepped and on what machine: the typed settings of a recipe that the loop reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from crossdistill.requirements import require_above_zero, require_at_least_zero

Accelerator = Literal["auto", "cpu", "cuda"]
"""What something may be computed on; auto takes a GPU where there is one."""


@dataclass(frozen=True)
class Optimization:
    """The optimiser of student and teacher, its schedule, and the discriminators' learning rate.

    The part of a recipe that `tune` searches first; the defaults suit small encoders.

    Args:
        name: optimiser; the paper trains video with sgd
        learning_rate: at the schedule's top
        weight_decay: decoupled for adamw, L2 for adam and sgd
        momentum: of sgd
        schedule: constant, cosine to 0, or steps (x 0.1 after 50 % and after 75 % of the epochs, the paper's)
        ramp_epochs: epochs in which the learning rate rises linearly to its top
        clip_norm: largest norm of a turn's gradient; .inf for no clipping
        discriminator_learning_rate: of Adam(0.5, 0.999), constant
        chunk_size: samples whose activations a process's device holds at a time, for batches that it has no room for:
            encoders run on one chunk after the other, and once more for the gradient, which is the whole batch's; 0
            takes the batch at once

    Example:
        >>> from crossdistill import Optimization
        >>> Optimization("sgd", learning_rate=1e-3, weight_decay=5e-4, schedule="steps").check()
        >>> Optimization(learning_rate=0).check()
        Traceback (most recent call last):
            ...
        crossdistill.types.InputError: optimization.learning_rate: expected above 0, found 0
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["constant", "cosine", "steps"] = "cosine"
    ramp_epochs: int = 0
    clip_norm: float = math.inf
    discriminator_learning_rate: float = 1e-4
    chunk_size: int = 0

    def check(self, place: str = "optimization.") -> None:
        """Refuse a number that no training can have.

        Args:
            place: what an error begins with, before the field

        Raises:
            InputError: naming place and field.
        """
        rates = {
            "learning_rate": self.learning_rate,
            "discriminator_learning_rate": self.discriminator_learning_rate,
        }
        if self.clip_norm != math.inf:
            rates["clip_norm"] = self.clip_norm
        require_above_zero(rates, place)
        others = {"weight_decay": self.weight_decay, "momentum": self.momentum, "ramp_epochs": self.ramp_epochs}
        others["chunk_size"] = self.chunk_size
        require_at_least_zero(others, place)


@dataclass(frozen=True)
class Machine:
    """Where a run computes.

    The part of a recipe that changes from machine to machine.

    Args:
        accelerator: auto takes a GPU when there is one
        devices: processes, each with one GPU or, with accelerator cpu, a share of the cores; they share each batch.
            Those that torchrun starts are counted by themselves
        nodes: machines, when launched by SLURM
        precision: of encoders, fusion and classifiers, whose logits it rounds; losses are always computed in float32
        workers: loader processes for each rank; 0 loads in the training process
        threads: of the CPU, for each rank; 0 leaves it to PyTorch. Sums over other numbers of threads round otherwise.
        sharded: divide the encoders' parameters, gradients and optimiser states among several devices, each of which
            then has parameters whole for a step alone (FSDP's SHARD_GRAD_OP); for encoders too large to replicate

    Example:
        >>> from dataclasses import replace
        >>> from crossdistill import RECIPES, Machine
        >>> replace(RECIPES["ucf51"](), machine=Machine("cuda", precision="bf16-mixed", workers=8)).machine.devices
        1
    """

    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    workers: int = 0
    threads: int = 0
    sharded: bool = False

    def check(self, place: str = "machine.") -> None:
        """Refuse a machine that there cannot be.

        Args:
            place: what an error begins with, before the field

        Raises:
            InputError: naming place and field.
        """
        require_above_zero({"devices": self.devices, "nodes": self.nodes}, place)
        require_at_least_zero({"workers": self.workers, "threads": self.threads}, place)


def learning_rate_factor(settings: Optimization, epoch: int, epochs: int) -> float:
    """What multiplies the learning rate in this epoch: a pure function, so that resuming needs no scheduler's state."""
    if epoch < settings.ramp_epochs:
        return (epoch + 1) / (settings.ramp_epochs + 1)
    if settings.schedule == "cosine":
        progress = (epoch - settings.ramp_epochs) / max(epochs - settings.ramp_epochs, 1)
        return 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "steps":
        return float(0.1 ** ((epoch >= epochs * 0.5) + (epoch >= epochs * 0.75)))
    return 1.0
