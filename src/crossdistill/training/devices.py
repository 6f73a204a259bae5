"""The device that something is computed on, by the name that a user gives it."""

from __future__ import annotations

import torch

from crossdistill.training.settings import Accelerator
from crossdistill.types import InputError


def device_of(accelerator: Accelerator, setting: str) -> torch.device:
    """The device of this name; of several GPUs the process's own.

    Raises InputError, naming the setting, for a GPU where there is none.
    """
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{setting}: cuda: no GPU can be used here; take auto or cpu")
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
