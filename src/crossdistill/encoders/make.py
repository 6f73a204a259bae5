"""From a modality's settings to its encoder: what `auto` stands for, what goes together, the module itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crossdistill.data.inputs import InputSpec
from crossdistill.encoders.cnn14 import Cnn14Settings
from crossdistill.encoders.kinds import (
    ENCODERS,
    EncoderKind,
    KindSettings,
    Shape,
    Weights,
    activation_of,
    arguments_of,
    is_sequence,
    is_video,
    kind_named,
)
from crossdistill.encoders.pretrained import Pretrained
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.encoders.standardize import Standardized
from crossdistill.plain import from_plain, to_plain
from crossdistill.types import InputError, one_line


def _automatic(spec: InputSpec) -> str:
    """The kind that `auto` stands for: by what the modality's samples are."""
    if spec.is_tokens:
        return "pretrained"
    if spec.kind == "audio":
        return "cnn14"
    if is_video(spec.shape):
        return "r2plus1d"
    return {1: "mlp", 3: "resnet"}.get(len(spec.shape), "conv")


def default_settings(spec: InputSpec, width: int) -> EncoderSettings:
    """Of a modality for which a recipe says nothing: kind auto, of the model's width where the kind has one."""
    settings = ENCODERS[_automatic(spec)].settings
    has_width = any(field.name == "width" for field in fields(settings))
    return EncoderSettings("auto", {"width": width} if has_width else {})


def with_dropout(chosen: EncoderSettings, dropout: float) -> EncoderSettings:
    """The settings with this dropout, where the kind has one."""
    kind = ENCODERS.get(chosen.kind)
    if kind is None or not any(field.name == "dropout" for field in fields(kind.settings)):
        return chosen
    return replace(chosen, settings={**chosen.settings, "dropout": dropout})


def check_encoder_settings(name: str, chosen: EncoderSettings) -> None:
    """Raise InputError for an unknown kind, and for a setting that the kind does not have or no encoder can have."""
    if chosen.kind != "auto":  # what it stands for is known with the data
        kind = kind_named(chosen.kind, f"{_place(name)}.kind")
        if isinstance(kind, EncoderKind):
            _typed_settings(name, kind, chosen.settings)


def resolved(name: str, spec: InputSpec, chosen: EncoderSettings) -> EncoderSettings:
    """The settings with nothing left implied: kind, and all settings of the kind, as this modality gets them.

    Raises InputError where the encoder does not take such samples or the settings do not go together.
    """
    kind_name = _automatic(spec) if chosen.kind == "auto" else chosen.kind
    if kind_name == "cnn14" and spec.shape == (chosen.settings.get("width", Cnn14Settings.width),):
        kind_name, chosen = "features", EncoderSettings("features")  # its own output, computed before
    kind = kind_named(kind_name, f"{_place(name)}.kind")
    if spec.is_counts and isinstance(kind, EncoderKind) and kind.raw:
        if kind_name == "pretrained":
            raise InputError(f"data.readers.{name}.tokenizer: choose the tokenizer of the model that reads these texts")
        raise InputError(f"{_place(name)}: {kind_name} reads no texts; counts of their letters go to an mlp")
    _require_fitting(name, kind_name, kind, spec.shape, chosen)
    if not isinstance(kind, EncoderKind):
        arguments_of(kind, chosen.settings, spec.shape, _place(name))
        return replace(chosen, kind=kind_name)
    settings = to_plain(_typed_settings(name, kind, chosen.settings))
    if settings.get("activation") == "auto":
        settings["activation"] = activation_of("auto", chosen.frozen)
    return replace(chosen, kind=kind_name, settings=settings)


def make_encoder(
    name: str,
    spec: InputSpec,
    chosen: EncoderSettings,
    read_weights: bool = True,
    given: nn.Module | None = None,
    bound: float = 0.0,
) -> nn.Module:
    """The encoder of modality `name`, by `resolved` settings; inputs that are not raw media are standardised in it, by
    statistics that are still to be set.

    read_weights: start from the settings' published weights; given: somebody's own module in place of a new one;
    bound: of the standardised inputs, see `Standardized`.
    Raises InputError when weights are missing or do not fit.
    """
    kind = kind_named(chosen.kind, f"{_place(name)}.kind")
    encoder = given if given is not None else _built(name, kind, spec.shape, chosen, read_weights)
    if not isinstance(getattr(encoder, "width", None), int):
        raise InputError(f"{_place(name)}: {type(encoder).__name__} needs an attribute `width`, of its output")
    expected = getattr(encoder, "sample_rate", None)
    if spec.kind == "audio" and expected is not None and spec.reading.rate != expected:
        raise InputError(
            f"data.readers.{name}.rate: the encoder takes sound at {expected} Hz, found {spec.reading.rate}"
        )
    if spec.is_tokens or not hasattr(encoder, "mixes"):
        setattr(encoder, "mixes", _can_mix(spec))  # noqa: B010
    if _is_raw(kind, spec):
        return encoder
    axis = int(getattr(encoder, "features_axis", -1))
    features = spec.shape[axis]
    return Standardized(encoder, torch.zeros(features), torch.ones(features), chosen.center, bound, axis)


def loadable_settings(chosen: EncoderSettings, encoder: nn.Module) -> EncoderSettings:
    """The settings by which the encoder is built again where the files that it was built from are not at hand."""
    if not isinstance(encoder, Pretrained):
        return chosen
    return replace(chosen, settings={**chosen.settings, "config": encoder.config, "speech": encoder.speech})


def _built(
    name: str, kind: EncoderKind | type[nn.Module], shape: Shape, chosen: EncoderSettings, read_weights: bool
) -> nn.Module:
    place = _place(name)
    if not isinstance(kind, EncoderKind):
        try:
            return kind(**arguments_of(kind, chosen.settings, shape, place))
        except Exception as error:  # whatever somebody's constructor raises
            raise InputError(f"{place}: {kind.__name__}: {type(error).__name__}: {error}") from error
    if chosen.weights and read_weights and chosen.kind != "pretrained" and not Path(chosen.weights).is_file():
        raise InputError(f"{place}.weights: {chosen.weights}: no such file of weights; they are at {kind.published}")
    settings = _typed_settings(name, kind, chosen.settings)
    try:
        return kind.build(shape, settings, Weights(chosen.weights, read_weights, chosen.frozen))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    except RuntimeError as error:  # more memory than there is
        raise InputError(f"{place}: cannot be built: {one_line(error)[:200]}") from error


def _typed_settings(name: str, kind: EncoderKind, settings: Mapping[str, Any]) -> KindSettings:
    typed: KindSettings = from_plain(kind.settings, settings, f"{_place(name)}.settings")
    typed.check(f"{_place(name)}.settings.")
    return typed


def _require_fitting(
    name: str, kind_name: str, kind: EncoderKind | type[nn.Module], shape: Shape, chosen: EncoderSettings
) -> None:
    """Raise InputError unless the encoder takes samples of this shape and its settings go together."""
    place = _place(name)
    if isinstance(kind, EncoderKind):
        if not kind.takes(shape):
            raise InputError(f"{place}: {kind_name} needs {kind.needs}, found samples of shape {shape}")
        if chosen.weights and not kind.published:
            raise InputError(f"{place}: weights: {kind_name} has no published weights")
        if chosen.frozen and not chosen.weights:
            raise InputError(f"{place}: frozen: expected weights to start from and stay at, found none")
    elif chosen.weights:
        raise InputError(f"{place}: weights: {kind_name} loads its own; give it a setting for that")
    if chosen.center and (not is_sequence(shape) or (isinstance(kind, EncoderKind) and kind.raw)):
        raise InputError(f"{place}: center needs sequences (time, features), found shape {shape}")


def _is_raw(kind: EncoderKind | type[nn.Module], spec: InputSpec) -> bool:
    """Whether inputs go in as they are. A class of one's own gets vectors and sequences of numbers in standard units,
    and all else as it is; its attribute `raw` = True says that it wants these as they are, too."""
    if isinstance(kind, EncoderKind):
        return kind.raw or spec.kind == "picture"  # which its reader normalises, like videos
    is_numbers = spec.kind == "array" or spec.is_counts
    return bool(getattr(kind, "raw", False)) or not is_numbers or len(spec.shape) > 2


def _can_mix(spec: InputSpec) -> bool:
    """Whether a mean of two samples looks like something of both. Token ids are no numbers to take means of; and a
    tenth of a strong movement added to rest is a movement, whatever the target says."""
    return not spec.is_tokens and not (spec.kind == "array" and is_sequence(spec.shape))


def _place(name: str) -> str:
    return f"model.encoders.{name}"
