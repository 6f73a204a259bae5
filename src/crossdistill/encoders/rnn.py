"""A recurrent network over packed sequences."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossdistill.encoders.sequences import as_padded, masked_max, masked_mean, time_mask
from crossdistill.types import Modality


class RNN(nn.Module):
    """A bidirectional GRU of `layers` layers, pooled by mean and maximum over time:
    (B, T, F) or `Padded` -> (B, width).

    hidden: units in each direction. The output of a sequence does not depend on the padding that its batch brings.
    """

    def __init__(self, in_features: int, width: int, layers: int = 1, hidden: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.recurrent = nn.GRU(
            in_features, hidden, layers, batch_first=True, bidirectional=True, dropout=dropout if layers > 1 else 0.0
        )
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * hidden, width))

    def forward(self, x: Modality) -> Tensor:
        values, lengths = as_padded(x)
        packed = pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=values.shape[1])
        mask = time_mask(lengths, output.shape[1])
        pooled = torch.cat([masked_mean(output, mask), masked_max(output, mask)], dim=1)
        return cast(Tensor, self.project(pooled))
