"""A model whose every part is a small linear map, so that what reaches what can be told exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crossdistill.models import CrossModalModel

IN = {"video": 3, "depth": 4, "audio": 5, "text": 6}
WIDTHS = {"video": 7, "depth": 8, "audio": 9, "text": 8}
WIDTH, CLASSES, BATCH = 8, 4, 6


class Encoder(nn.Linear):
    def __init__(self, name: str) -> None:
        super().__init__(IN[name], WIDTHS[name])
        self.width = WIDTHS[name]


def inputs(seed: int = 0, batch: int = BATCH) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(batch, size, generator=generator) for name, size in IN.items()}


def model(
    target: Sequence[str] = ("video", "depth"),
    auxiliary: Sequence[str] = ("audio", "text"),
    dropout: float = 0.0,
    separate_teacher: bool = False,
) -> CrossModalModel:
    torch.manual_seed(0)
    encoders = {name: Encoder(name) for name in IN}
    return CrossModalModel(encoders, target, auxiliary, WIDTH, CLASSES, dropout, separate_teacher)
