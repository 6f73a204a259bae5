"""Cnn14: sound as a picture of time and frequency, from PANNs (Kong et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from crossdistill.encoders.activation import Activation, ChosenActivation, make_activation
from crossdistill.encoders.log_mel import BINS, HOP, RATE, WINDOW, LogMel, hann_window, mel_filters
from crossdistill.encoders.sequences import masked_max, masked_mean, time_mask
from crossdistill.encoders.weights import load_weights, read_weights
from crossdistill.requirements import require_above_zero, require_probability
from crossdistill.types import InputError, Modality

_FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")


@dataclass(frozen=True)
class Cnn14Settings:
    """width: of the output; channels: of the first block; activation: as of `R2Plus1DSettings`."""

    width: int = 512
    channels: int = 64
    dropout: float = 0.0
    activation: ChosenActivation = "auto"

    def check(self, place: str) -> None:
        require_above_zero({"width": self.width, "channels": self.channels}, place)
        require_probability({"dropout": self.dropout}, place)


class Cnn14(nn.Module):
    """Waveforms at 32 kHz, (B, T) or (B, T, 1) or `Padded` ones -> (B, width).

    The log-mel spectrogram, normalised for each of its 64 bins; six blocks of two 3x3 convolutions, `channels` of them
    in the first and twice as many in each further one, all but the last block halving time and frequency; the mean over
    frequency; maximum plus mean over time; one linear layer and the activation. The defaults are PANNs' Cnn14_emb512,
    with the keys and shapes of its published parameters but for its classifier `fc_audioset`.

    A waveform's output does not depend on the padding that its batch brings. (In training mode it does through batch
    normalisation, as on every other sample of the batch: padded steps, which are 0, count in the statistics.)
    A waveform of less than 0.31 s is continued as its mirror image to the 32 frames that the halvings need.
    For sound of any kind, above all with PANNs' weights (`load_weights`); from scratch, a few `channels` will do.

    Args:
        width: of the output
        channels: of the first block
        dropout: after each block and before the linear layer (published: 0.2 and 0.5)
        activation: of all layers

    >>> import torch
    >>> from crossdistill.encoders import Cnn14
    >>> half_a_second = torch.randn(2, Cnn14.sample_rate // 2)
    >>> Cnn14(width=16, channels=4).eval()(half_a_second).shape
    torch.Size([2, 16])
    """

    sample_rate = RATE
    least_steps = 64 * HOP

    def __init__(
        self, width: int = 512, channels: int = 64, dropout: float = 0.0, activation: Activation = "leaky_relu"
    ) -> None:
        super().__init__()
        self.width = width
        self.log_mel = LogMel(least_frames=32)
        self.bn0 = nn.BatchNorm2d(BINS)
        self.conv_block1 = _Block(1, channels, activation)
        self.conv_block2 = _Block(channels, 2 * channels, activation)
        self.conv_block3 = _Block(2 * channels, 4 * channels, activation)
        self.conv_block4 = _Block(4 * channels, 8 * channels, activation)
        self.conv_block5 = _Block(8 * channels, 16 * channels, activation)
        self.conv_block6 = _Block(16 * channels, 32 * channels, activation)
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(32 * channels, width)
        self.activation = make_activation(activation)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(self.fc1.bias)

    def forward(self, x: Modality) -> Tensor:
        spectrogram, lengths = self.log_mel(x)
        bins_first = spectrogram.mT[..., None].contiguous()  # else PyTorch 2.13's gradient of batch_norm is wrong here
        out = self.bn0(bins_first)[..., 0].mT[:, None]  # (B, 1, T, 64)
        for block in (self.conv_block1, self.conv_block2, self.conv_block3, self.conv_block4, self.conv_block5):
            out = self.dropout(F.avg_pool2d(block(out, lengths), kernel_size=2))
            lengths = lengths // 2  # a window of one step only is left out, as by the pooling itself
        out = self.dropout(self.conv_block6(out, lengths)).mean(dim=3).mT
        mask = time_mask(lengths, out.shape[1])
        pooled = masked_max(out, mask) + masked_mean(out, mask)
        return cast(Tensor, self.activation(self.fc1(self.dropout(pooled))))

    def load_weights(self, path: Path | str) -> None:
        """Load PANNs' checkpoint; the classifier `fc_audioset` is left out, and the checkpoint's front end, where it
        has one, must be ours.

        Args:
            path: of the file

        Raises:
            InputError: the file cannot be read, its keys and shapes are not those of this network, or it was trained on
                another spectrogram (PANNs has weights for 8 and 16 kHz too).
        """
        state = read_weights(path)
        _require_front_end(state, path)
        load_weights(self, state, path, ignored=("fc_audioset.", *_FRONT_END))


class _Block(nn.Module):
    """Two 3x3 convolutions, each normalised and activated. Steps beyond a sample's length enter each one as the zeros
    that a convolution sees beyond the end of a sample alone."""

    def __init__(self, before: int, after: int, activation: Activation) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.bn2 = nn.BatchNorm2d(after)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
        padding = ~time_mask(lengths, x.shape[2])[:, None, :, None]
        x = self.activation(self.bn1(self.conv1(x.masked_fill(padding, 0))))
        return cast(Tensor, self.activation(self.bn2(self.conv2(x.masked_fill(padding, 0)))))


def _require_front_end(state: Mapping[str, Tensor], path: Path | str) -> None:
    """Raise InputError unless the constants of a checkpoint's spectrogram, where it holds them, are ours."""
    frequency = torch.arange(WINDOW // 2 + 1, dtype=torch.float64)[:, None]
    angle = 2 * torch.pi / WINDOW * (frequency * torch.arange(WINDOW) % WINDOW)
    ours = {
        "spectrogram_extractor.stft.conv_real.weight": (hann_window() * angle.cos())[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": (hann_window() * -angle.sin())[:, None],
        "logmel_extractor.melW": mel_filters(),
    }
    for key, expected in ours.items():
        found = state.get(key, expected)
        if found.shape != expected.shape:
            raise InputError(f"{path}: {key}: expected shape {tuple(expected.shape)}, found {tuple(found.shape)}")
        worst = float((found.double() - expected).abs().max() / expected.abs().max())
        if not worst < 1e-4:
            raise InputError(
                f"{path}: {key}: expected the spectrogram of {RATE} Hz, window {WINDOW}, that this encoder computes; "
                f"found one that differs by {worst:.1e} of its largest value"
            )
