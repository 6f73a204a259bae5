"""Representations as leaves, so that gradients can be read off, and a model that stands behind a method."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crossdistill.models import CrossModalModel
from crossdistill.types import Batch, Representations, View

WIDTH, CLASSES = 8, 4
VIEWS: tuple[View, ...] = ("target", "auxiliary", "full")
LABELS = (0, 1, 0, 2, 1, 0, 3)  # three of a class, two of a class, two alone: w = 5


class Encoder(nn.Linear):
    width = WIDTH


def model() -> CrossModalModel:
    torch.manual_seed(0)
    encoders = {"video": Encoder(3, WIDTH), "audio": Encoder(5, WIDTH)}
    return CrossModalModel(encoders, ["video"], ["audio"], WIDTH, CLASSES)


def batch(labels: Sequence[int] = LABELS, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    size = len(labels)
    inputs = {
        "video": torch.randn(size, 3, generator=generator),
        "audio": torch.randn(size, 5, generator=generator),
    }
    return Batch(inputs, torch.tensor(labels), torch.arange(size), {})


def leaves(labels: Sequence[int] = LABELS, seed: int = 0) -> Representations:
    """Of every view, a representation and logits that do not depend on one another."""
    generator = torch.Generator().manual_seed(seed)

    def leaf(width: int) -> Tensor:
        return torch.randn(len(labels), width, generator=generator).requires_grad_()

    return Representations({view: leaf(WIDTH) for view in VIEWS}, {view: leaf(CLASSES) for view in VIEWS})


def rows(tensor: Tensor) -> list[list[float]]:
    found: list[list[float]] = tensor.detach().double().tolist()
    return found
