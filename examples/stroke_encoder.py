"""An encoder of one's own: a module with `.width` that turns a batch of a modality into (B, width)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossdistill.types import Padded


class StrokeEncoder(nn.Module):
    """Strokes of a pen, (T_i, 3) each -> (B, width): every step by itself, then the mean over a stroke's own steps."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.step = nn.Sequential(nn.Linear(3, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor | Padded) -> Tensor:
        if not isinstance(x, Padded):  # strokes that are all of one length come as a plain (B, T, 3)
            return self.step(x).mean(dim=1)
        steps = torch.arange(x.values.shape[1], device=x.values.device)
        mask = (steps < x.lengths[:, None])[..., None]  # padding must not be seen
        return torch.where(mask, self.step(x.values), 0.0).sum(dim=1) / x.lengths[:, None]
