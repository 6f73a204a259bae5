"""From encoder settings to an encoder: what each kind takes and is made of."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from torch import nn

from crossdistill.encoders import MLP, RNN, Cnn14, Conv, DenseNet, Features, Pretrained, R2Plus1D
from crossdistill.encoders.activation import Activation
from crossdistill.encoders.pretrained import Pooling
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.types import InputError

RAW_MEDIA = ("r2plus1d", "cnn14", "densenet121", "pretrained")
"""Kinds whose inputs go in as the reader makes them: pixels it has normalised already, waveforms, token ids."""

NEEDS = {
    "features": "vectors",
    "conv": "sequences (time, features)",
    "rnn": "sequences (time, features)",
    "r2plus1d": "videos (3, time, height, width)",
    "cnn14": "waveforms (time,) or (time, 1)",
    "densenet121": "pictures (3, height, width) or videos (3, time, height, width)",
    "words": "token ids (time,) or (time, 1)",
    "speech": "waveforms (time,) or (time, 1)",
    "pictures": "pictures (3, height, width) or videos (3, time, height, width)",
    "video": "videos (3, time, height, width)",
}


PUBLISHED = {
    "r2plus1d": "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth (Kinetics-400)",
    "cnn14": "https://zenodo.org/records/3987831, Cnn14_emb512_mAP=0.420.pth (AudioSet)",
    "densenet121": "https://download.pytorch.org/models/densenet121-a639ec97.pth (ImageNet)",
}
"""Where the weights that each kind takes are to be had."""


def require_input(name: str, kind: str, shape: tuple[int, ...], settings: EncoderSettings) -> None:
    """Raise InputError unless the encoder takes samples of this shape and its settings go together."""
    require_shape(name, kind, shape)
    if settings.center and (len(shape) != 2 or kind in RAW_MEDIA):
        raise InputError(f"model.encoders.{name}: center needs sequences (time, features), found shape {shape}")
    if settings.frozen and not settings.weights:
        raise InputError(f"model.encoders.{name}: frozen: expected weights to start from and stay at, found none")
    if settings.weights and kind not in RAW_MEDIA:
        raise InputError(f"model.encoders.{name}: weights: {kind} has no published weights")


def require_shape(name: str, kind: str, shape: tuple[int, ...]) -> None:
    if not takes(kind, shape):
        raise InputError(f"model.encoders.{name}: {kind} needs {NEEDS[kind]}, found samples of shape {shape}")


def takes(kind: str, shape: tuple[int, ...]) -> bool:
    """Whether a kind of encoder, or of model in `pretrained`, takes samples of this shape."""
    if kind == "features":
        return len(shape) == 1
    if kind in ("conv", "rnn"):
        return len(shape) == 2
    if kind in ("cnn14", "words", "speech"):
        return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if kind in ("densenet121", "pictures"):
        return len(shape) in (3, 4) and shape[0] == 3
    return kind not in ("r2plus1d", "video") or (len(shape) == 4 and shape[0] == 3)


def make_encoder(
    name: str, kind: str, shape: tuple[int, ...], settings: EncoderSettings, read_weights: bool = True
) -> nn.Module:
    """The encoder of modality `name` for samples of this shape, with its published weights unless told to leave them.

    Raises InputError when these are missing or do not fit, or for a pooling that the kind does not have.
    """
    width, layers, hidden, dropout = settings.width, settings.layers, settings.hidden, settings.dropout
    if kind == "features":
        return Features(shape[0])
    if kind == "mlp":
        in_features = settings.steps * shape[1] if shape[0] == -1 else int(np.prod(shape))
        return MLP(in_features, width, layers, hidden, dropout, settings.steps)
    if kind == "conv":
        return Conv(shape[-1], width, layers, hidden, dropout)
    if kind == "rnn":
        pooling = settings.pooling if settings.pooling != "auto" else "mean_max"
        if pooling == "cls" or pooling == "pooler":
            raise InputError(f"model.encoders.{name}: pooling: rnn takes mean_max, mean or max, found {pooling}")
        return RNN(shape[-1], width, layers, hidden, dropout, settings.cell, settings.bidirectional, pooling)
    if kind == "pretrained":
        return _pretrained(name, shape, settings, read_weights)
    encoder = _backbone(kind, settings)
    if settings.weights and read_weights:
        require_file(name, kind, settings.weights)
        encoder.load_weights(settings.weights)
    return encoder


def require_file(name: str, kind: str, weights: str) -> None:
    """Raise InputError, saying where they are to be had, where there is no such file of weights."""
    if not Path(weights).is_file():
        raise InputError(
            f"model.encoders.{name}.weights: {weights}: no such file of weights; they are at {PUBLISHED[kind]}"
        )


def activation_of(settings: EncoderSettings) -> Activation:
    """Published weights that stay as they are keep the activation with which they were trained."""
    if settings.activation != "auto":
        return settings.activation
    return "relu" if settings.frozen else "leaky_relu"


def _backbone(kind: str, settings: EncoderSettings) -> R2Plus1D | Cnn14 | DenseNet:
    activation = activation_of(settings)
    if kind == "r2plus1d":
        return R2Plus1D(settings.blocks, settings.channels, settings.midplanes, activation)
    if kind == "cnn14":
        return Cnn14(settings.width, settings.channels, settings.dropout, activation)
    return DenseNet(activation=activation)


def _pretrained(name: str, shape: tuple[int, ...], settings: EncoderSettings, read_weights: bool) -> Pretrained:
    if not settings.weights:
        raise InputError(f"model.encoders.{name}: weights: pretrained needs a model's folder or its name on the hub")
    if settings.pooling in ("mean_max", "max"):
        raise InputError(
            f"model.encoders.{name}: pooling: pretrained takes mean, cls or pooler, found {settings.pooling}"
        )
    pooling = "mean" if settings.pooling == "auto" else settings.pooling
    encoder = Pretrained(settings.weights, cast(Pooling, pooling), read_weights)
    require_shape(name, encoder.kind, shape)
    return encoder
