"""A recurrent network over packed sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossdistill.encoders.recurrence import unpacked
from crossdistill.encoders.sequences import as_padded, masked_max, masked_mean, time_mask
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import Modality, Padded

Pooling = Literal["mean_max", "mean", "max"]


@dataclass(frozen=True)
class RNNSettings:
    """width: of the output; layers: recurrent layers; hidden: units in each direction; pooling: over time."""

    width: int = 256
    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0
    cell: Literal["gru", "lstm"] = "gru"
    bidirectional: bool = True
    pooling: Pooling = "mean_max"

    def check(self, place: str) -> None:
        require_above_zero({"width": self.width, "layers": self.layers, "hidden": self.hidden}, place)
        require_probability({"dropout": self.dropout}, place)


class RNN(nn.Module):
    """A GRU or LSTM of `layers` layers, pooled over time, then one linear layer: (B, T, F) or `Padded` -> (B, width).

    For sequences in which order matters over many steps. The output of a sequence does not depend on the padding that
    its batch brings.

    Args:
        in_features: F
        width: of the output
        layers: recurrent layers
        hidden: units in each direction
        dropout: between recurrent layers and before the linear one
        cell: "gru" or "lstm"
        bidirectional: whether it reads each sequence from its end, too
        pooling: the mean over time, the maximum, or both side by side

    >>> import torch
    >>> from crossdistill.encoders import RNN
    >>> from crossdistill.types import Padded
    >>> encoder = RNN(in_features=3, width=8, cell="lstm", pooling="mean")
    >>> values = torch.randn(2, 9, 3)
    >>> encoder(Padded(values, torch.tensor([9, 5]))).shape
    torch.Size([2, 8])
    """

    mixes: bool = False
    """In the sum of two courses over time the stronger drowns the other."""

    def __init__(
        self,
        in_features: int,
        width: int,
        layers: int = 2,
        hidden: int = 256,
        dropout: float = 0.0,
        cell: Literal["gru", "lstm"] = "gru",
        bidirectional: bool = True,
        pooling: Pooling = "mean_max",
    ) -> None:
        super().__init__()
        self.width, self.pooling = width, pooling
        self.recurrent = (nn.GRU if cell == "gru" else nn.LSTM)(
            in_features,
            hidden,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        features = hidden * (2 if bidirectional else 1) * (2 if pooling == "mean_max" else 1)
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, width))

    def forward(self, x: Modality) -> Tensor:
        values, lengths = as_padded(x)
        output = self._states(Padded(values, lengths))
        mask = time_mask(lengths, output.shape[1])
        pooled = [masked_mean(output, mask)] if self.pooling != "max" else []
        pooled += [masked_max(output, mask)] if self.pooling != "mean" else []
        return cast(Tensor, self.project(torch.cat(pooled, dim=1)))

    def _states(self, x: Padded) -> Tensor:
        if torch.compiler.is_exporting():
            return unpacked(self.recurrent, x)
        packed = pack_padded_sequence(x.values, x.lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=x.values.shape[1])[0]
