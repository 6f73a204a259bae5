"""The settings of one modality's encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EncoderSettings:
    """One modality's encoder.

    Args:
        kind: features takes ready-made vectors as they are; conv and rnn work over time; r2plus1d takes video, cnn14
            waveforms at 32 kHz or vectors of its width that it made before, densenet121 pictures or video, pretrained
            what its model of transformers takes; auto is r2plus1d for video, cnn14 for sound files, pretrained for
            texts, mlp for vectors and conv for sequences
        width: of its output; features, r2plus1d (8 x channels), densenet121 (1024) and pretrained have their own
        layers: linear layers, convolutional blocks or recurrent layers
        hidden: units or channels of the layers inside
        dropout: probability
        steps: that an mlp's sequences of different length are resampled to
        center: subtract each sequence's own mean over time from it first
        weights: what r2plus1d, cnn14 and densenet121 start from, a file of published weights; for pretrained the
            model's folder, or its name on the hub
        frozen: leave the encoder as its weights are, from the first epoch on
        activation: of r2plus1d, cnn14 and densenet121; auto is relu, with which published weights were trained, where
            these stay frozen, and leaky_relu, the paper's, else
        blocks: residual blocks in each layer of r2plus1d
        channels: of the first layer of r2plus1d and cnn14
        midplanes: channels between space and time in r2plus1d, as torchvision has them (shared) or as its paper counts
            them (formula)
        cell: of rnn
        bidirectional: whether rnn also reads backwards
        pooling: over time; rnn takes mean_max (its auto), mean or max, pretrained mean (its auto), cls or pooler
    """

    kind: Literal["auto", "features", "mlp", "conv", "rnn", "r2plus1d", "cnn14", "densenet121", "pretrained"] = "auto"
    width: int = 256
    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0
    steps: int = 16
    center: bool = False
    weights: str = ""
    frozen: bool = False
    activation: Literal["auto", "leaky_relu", "relu"] = "auto"
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    channels: int = 64
    midplanes: Literal["shared", "formula"] = "shared"
    cell: Literal["gru", "lstm"] = "gru"
    bidirectional: bool = True
    pooling: Literal["auto", "mean_max", "mean", "max", "cls", "pooler"] = "auto"
