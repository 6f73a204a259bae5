"""One file from which a run continues as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from crossdistill.atomic import written_whole
from crossdistill.types import InputError


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` finished epochs of the `stage`-th stage. Random states are no part of it: each epoch
    starts from a seed of its own."""

    stage: int
    epoch: int
    model: dict[str, Any]
    method: dict[str, Any]
    optimizers: dict[str, dict[str, Any]]

    @staticmethod
    def of(
        stage: int, epoch: int, model: nn.Module, method: nn.Module, optimizers: Mapping[str, Optimizer]
    ) -> Checkpoint:
        states = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
        return Checkpoint(stage, epoch, model.state_dict(), method.state_dict(), states)

    def restore(self, model: nn.Module, method: nn.Module, optimizers: Mapping[str, Optimizer]) -> None:
        try:
            model.load_state_dict(self.model)
            method.load_state_dict(self.method)
            for name, optimizer in optimizers.items():
                optimizer.load_state_dict(self.optimizers[name])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the checkpoint is of another model ({reason}); delete it to start over") from error

    def save(self, path: Path) -> None:
        """A kill at any moment leaves the old file or the new one.

        Raises InputError where it cannot be written, on a full disk say; the old file stays.
        """
        try:
            with written_whole(path) as file:
                torch.save(vars(self), file)
        except (OSError, RuntimeError) as error:  # the second is torch.save's on a full disk
            reason = getattr(error, "strerror", None) or "the disk may be full"
            raise InputError(f"{path}: cannot write the checkpoint: {reason}; the run goes on with --resume") from error

    @staticmethod
    def load(path: Path) -> Checkpoint:
        """Raises InputError when the file is not a checkpoint."""
        try:
            return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            raise InputError(
                f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to start over"
            ) from error
