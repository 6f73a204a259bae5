"""Every kind of encoder in one table: its settings, what it takes, how it is built. One's own classes beside it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, Protocol

from torch import nn

from crossdistill.encoders.activation import Activation, ChosenActivation
from crossdistill.encoders.cnn14 import Cnn14, Cnn14Settings
from crossdistill.encoders.conv import Conv, ConvSettings
from crossdistill.encoders.densenet import DenseNet, DenseNet121Settings
from crossdistill.encoders.features import Features, FeaturesSettings
from crossdistill.encoders.log_mel import LogMelMean, LogMelSettings
from crossdistill.encoders.mlp import MLP, MLPSettings
from crossdistill.encoders.pretrained import Pretrained, PretrainedSettings, tried
from crossdistill.encoders.r2plus1d import R2Plus1D, R2Plus1DSettings
from crossdistill.encoders.resnet import ResNet, ResNetSettings, colours_of, stride_of
from crossdistill.encoders.rnn import RNN, RNNSettings
from crossdistill.encoders.signal import Signal, SignalSettings
from crossdistill.plugins import ENCODERS_GROUP, entry_points_of, import_class, load_entry_points
from crossdistill.types import InputError

Shape = tuple[int, ...]
"""Of one sample; -1 first for sequences of different length."""


class Weights(NamedTuple):
    """source: a file or model of published weights, "" for none; read: whether to take them from it now; frozen:
    whether they stay as they are."""

    source: str = ""
    read: bool = True
    frozen: bool = False


class KindSettings(Protocol):
    """What an encoder's settings class offers: a dataclass whose `check` raises InputError for an impossible number."""

    def check(self, place: str) -> None: ...


@dataclass(frozen=True)
class EncoderKind:
    """What a recipe's `kind` stands for.

    Make one for an encoder that is to have a name of its own in recipes; a class alone needs none.

    Args:
        settings: the dataclass of its settings
        takes: whether it takes samples of this shape
        needs: the same in words
        build: a sample's shape, the settings and the weights -> the encoder, a module with `.width`
        raw: inputs go in as the reader makes them (pixels that are normalised already, waveforms, token ids); others
            are brought to standard units first
        published: where its weights are to be had, "" for a kind without any

    >>> from crossdistill.encoders import ENCODERS
    >>> ENCODERS["conv"].needs, ENCODERS["conv"].takes((-1, 3)), ENCODERS["conv"].takes((3,))
    ('sequences (time, features)', True, False)
    """

    settings: type[Any]
    takes: Callable[[Shape], bool]
    needs: str
    build: Callable[[Shape, Any, Weights], nn.Module]
    raw: bool = False
    published: str = ""


def _is_vector(shape: Shape) -> bool:
    return len(shape) == 1


def is_sequence(shape: Shape) -> bool:
    return len(shape) == 2


def _is_waveform_or_tokens(shape: Shape) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def is_video(shape: Shape) -> bool:
    return len(shape) == 4 and shape[0] == 3


def _is_picture_or_video(shape: Shape) -> bool:
    return len(shape) in (3, 4) and shape[0] == 3


def _is_picture_or_sequence(shape: Shape) -> bool:
    return len(shape) in (2, 3)


def _anything(shape: Shape) -> bool:
    return True


def _features(shape: Shape, settings: FeaturesSettings, weights: Weights) -> nn.Module:
    return Features(shape[0])


def _mlp(shape: Shape, settings: MLPSettings, weights: Weights) -> nn.Module:
    s, in_features = settings, settings.steps * shape[1] if shape[0] == -1 else prod(shape)
    return MLP(in_features, s.width, s.layers, s.hidden, s.dropout, s.steps)


def _conv(shape: Shape, settings: ConvSettings, weights: Weights) -> nn.Module:
    return Conv(shape[-1], settings.width, settings.layers, settings.hidden, settings.dropout)


def _rnn(shape: Shape, settings: RNNSettings, weights: Weights) -> nn.Module:
    s = settings
    return RNN(shape[-1], s.width, s.layers, s.hidden, s.dropout, s.cell, s.bidirectional, s.pooling)


def _signal(shape: Shape, settings: SignalSettings, weights: Weights) -> nn.Module:
    s = settings
    return Signal(shape[-1], s.width, s.layers, s.hidden, s.dropout, s.bins, s.highest, s.steps)


def _resnet(shape: Shape, settings: ResNetSettings, weights: Weights) -> nn.Module:
    s, colours = settings, colours_of(shape, settings.colours)
    channels = {"first": shape[0], "last": shape[-1], "none": 1}[colours]
    stride = s.stride or stride_of(shape, colours)
    return ResNet(channels, s.width, s.channels, s.blocks, stride, s.dropout, colours)


def _r2plus1d(shape: Shape, settings: R2Plus1DSettings, weights: Weights) -> nn.Module:
    activation = activation_of(settings.activation, weights.frozen)
    return _with_weights(R2Plus1D(settings.blocks, settings.channels, settings.midplanes, activation), weights)


def _cnn14(shape: Shape, settings: Cnn14Settings, weights: Weights) -> nn.Module:
    activation = activation_of(settings.activation, weights.frozen)
    return _with_weights(Cnn14(settings.width, settings.channels, settings.dropout, activation), weights)


def _log_mel(shape: Shape, settings: LogMelSettings, weights: Weights) -> nn.Module:
    return LogMelMean()


def _densenet121(shape: Shape, settings: DenseNet121Settings, weights: Weights) -> nn.Module:
    return _with_weights(DenseNet(activation=activation_of(settings.activation, weights.frozen)), weights)


def _pretrained(shape: Shape, settings: PretrainedSettings, weights: Weights) -> nn.Module:
    if not weights.source:
        raise InputError("weights: pretrained needs a model's folder or its name on the hub")
    s = settings
    encoder = Pretrained(weights.source, s.pooling, weights.read, s.config, s.speech)
    takes, needs = _PRETRAINED_TAKES[encoder.kind]
    if not takes(shape):
        raise InputError(f"{encoder.kind} needs {needs}, found samples of shape {shape}")
    if encoder.kind == "pictures":
        tried(encoder.model, weights.source, (shape[-2], shape[-1]))
    return encoder


def activation_of(chosen: ChosenActivation, frozen: bool) -> Activation:
    """Published weights that stay as they are keep the activation with which they were trained."""
    if chosen == "auto":
        return "relu" if frozen else "leaky_relu"
    return chosen


def _with_weights(encoder: R2Plus1D | Cnn14 | DenseNet, weights: Weights) -> nn.Module:
    if weights.source and weights.read:
        encoder.load_weights(weights.source)
    return encoder


_SEQUENCES = "sequences (time, features)"
_VIDEOS = "videos (3, time, height, width)"
_PICTURES = "pictures (3, height, width) or videos (3, time, height, width)"
_WAVEFORMS = "waveforms (time,) or (time, 1)"

_PRETRAINED_TAKES: Mapping[str, tuple[Callable[[Shape], bool], str]] = {
    "words": (_is_waveform_or_tokens, "token ids (time,) or (time, 1)"),
    "speech": (_is_waveform_or_tokens, _WAVEFORMS),
    "pictures": (_is_picture_or_video, _PICTURES),
    "video": (is_video, _VIDEOS),
}
"""Kind of a transformers model -> what it takes."""

ENCODERS: dict[str, EncoderKind] = {
    "features": EncoderKind(FeaturesSettings, _is_vector, "vectors", _features),
    "mlp": EncoderKind(MLPSettings, _anything, "samples of any shape", _mlp),
    "conv": EncoderKind(ConvSettings, is_sequence, _SEQUENCES, _conv),
    "signal": EncoderKind(SignalSettings, is_sequence, _SEQUENCES, _signal),
    "rnn": EncoderKind(RNNSettings, is_sequence, _SEQUENCES, _rnn),
    "resnet": EncoderKind(
        ResNetSettings,
        _is_picture_or_sequence,
        "pictures (channels, height, width) or (height, width, channels), or spectrograms (time, bins)",
        _resnet,
    ),
    "r2plus1d": EncoderKind(
        R2Plus1DSettings,
        is_video,
        _VIDEOS,
        _r2plus1d,
        raw=True,
        published="https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth (Kinetics-400)",
    ),
    "cnn14": EncoderKind(
        Cnn14Settings,
        _is_waveform_or_tokens,
        _WAVEFORMS,
        _cnn14,
        raw=True,
        published="https://zenodo.org/records/3987831, Cnn14_emb512_mAP=0.420.pth (AudioSet)",
    ),
    "log_mel": EncoderKind(LogMelSettings, _is_waveform_or_tokens, _WAVEFORMS, _log_mel, raw=True),
    "densenet121": EncoderKind(
        DenseNet121Settings,
        _is_picture_or_video,
        _PICTURES,
        _densenet121,
        raw=True,
        published="https://download.pytorch.org/models/densenet121-a639ec97.pth (ImageNet)",
    ),
    "pretrained": EncoderKind(
        PretrainedSettings, _anything, "samples of any shape", _pretrained, raw=True, published="the hub"
    ),
}
"""Kind -> how it is built. `ENCODERS["mine"] = EncoderKind(...)` adds one."""


def kind_named(name: str, place: str) -> EncoderKind | type[nn.Module]:
    """The kind of the table, a plug-in's, or the class that `package.module:Class` names. Raises InputError."""
    if name not in ENCODERS and name in entry_points_of(ENCODERS_GROUP):
        plugged = load_entry_points(ENCODERS_GROUP).get(name)
        if isinstance(plugged, EncoderKind):
            ENCODERS[name] = plugged
        elif isinstance(plugged, type) and issubclass(plugged, nn.Module):
            return plugged
    if name in ENCODERS:
        return ENCODERS[name]
    if ":" in name:
        return import_class(name, nn.Module, place)
    known = ", ".join(["auto", *ENCODERS, *entry_points_of(ENCODERS_GROUP)])
    raise InputError(f"{place}: expected one of {known}, or package.module:Class, found {name!r}")


def parameters_of(kind: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """The named parameters of a class's constructor."""
    return {
        name: parameter
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def arguments_of(kind: type[nn.Module], settings: Mapping[str, Any], shape: Shape, place: str) -> dict[str, Any]:
    """The arguments of the constructor of somebody's own encoder: the settings, and the sample's shape where it has a
    parameter `shape`. Raises InputError for a setting that it does not have or needs and did not get."""
    parameters = parameters_of(kind)
    if unknown := [key for key in settings if key not in parameters]:
        names = ", ".join(name for name in parameters if name != "shape") or "none"
        raise InputError(f"{place}.settings.{unknown[0]}: {kind.__name__} has no such setting; there are {names}")
    arguments = {**({"shape": shape} if "shape" in parameters else {}), **settings}
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise InputError(f"{place}.settings.{name}: {kind.__name__} needs a value, found none")
    return arguments
