"""One AMID problem of a few numbers."""

from __future__ import annotations

import torch

from crossdistill.methods import AMID
from crossdistill.training.engine import OneProcess
from tests.methods.small import batch, model

__all__ = ["amid", "batch", "cpu"]


def amid(**options: object) -> AMID:
    torch.manual_seed(1)
    return AMID(model(), **{"warmup_epochs": 0, "discriminator_width": 16, **options})  # type: ignore[arg-type]


def cpu(precision: str = "32-true") -> OneProcess:
    return OneProcess(precision=precision)
