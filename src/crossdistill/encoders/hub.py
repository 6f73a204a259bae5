"""Models of Hugging Face's transformers, from a local folder or the hub. The only place that imports transformers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError

from crossdistill.extras import needed_for
from crossdistill.types import InputError, one_line

_UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, ImportError),
    *(SafetensorError, pickle.UnpicklingError),
)


def read_model(source: str, unused: Sequence[str] = ()) -> Any:
    """The bare encoder with its weights, in float32, without those random parts of its training that Lightning Fabric's
    seeds and ranks know nothing of: masking of its input, and layers left out.

    unused: beginnings of parameters that may be missing.
    Raises InputError when transformers is not installed, or the model or a part of it is missing or damaged.
    """
    transformers = _transformers(source)
    try:
        with _quiet():
            config = _without_chance(transformers.AutoConfig.from_pretrained(source, trust_remote_code=False))
            model, loading = transformers.AutoModel.from_pretrained(
                source, config=config, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
            )
    except _UNREADABLE as error:
        raise InputError(
            f"{source}: neither a folder with a transformers model nor one of the hub ({_reason(error)})"
        ) from error
    if missing := sorted(key for key in loading["missing_keys"] if not key.startswith(tuple(unused))):
        raise InputError(f"{source}: expected weights for {missing[0]} ({len(missing)} missing), found none")
    return model


def model_from_config(source: str, config: Mapping[str, Any]) -> Any:
    """The bare encoder as initialised, of a configuration that `config_of` gave, or where it is empty of the source's.

    Raises InputError when transformers is not installed or does not know such a model.
    """
    transformers = _transformers(source)
    try:
        with _quiet():
            if config:
                fields = {key: value for key, value in config.items() if key != "model_type"}
                read = transformers.AutoConfig.for_model(config["model_type"], **fields)
            else:
                read = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
            return transformers.AutoModel.from_config(
                _without_chance(read), dtype=torch.float32, trust_remote_code=False
            )
    except _UNREADABLE as error:
        raise InputError(f"{source}: not a model that transformers can build ({_reason(error)})") from error


def config_of(model: Any) -> dict[str, Any]:
    """The configuration of a model as plain values, from which `model_from_config` builds it again without files."""
    return dict(json.loads(model.config.to_json_string(use_diff=False)))


def _transformers(source: str) -> Any:
    with needed_for(f"{source}: reading it"):
        import transformers
    return transformers


def _without_chance(config: Any) -> Any:
    if hasattr(config, "mask_time_prob"):
        config.apply_spec_augment = False
    if hasattr(config, "layerdrop"):
        config.layerdrop = 0.0
    return config


def _reason(error: Exception) -> str:
    return one_line(error)[:160]


def read_speech_settings(source: str) -> dict[str, Any]:
    """What the model's feature extractor does to waveforms (`sampling_rate`, `do_normalize`); empty where the model
    comes without one."""
    from transformers import Wav2Vec2FeatureExtractor

    try:
        return dict(Wav2Vec2FeatureExtractor.get_feature_extractor_dict(source)[0])
    except (OSError, json.JSONDecodeError):
        return {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and its table of keys: `read_model` reports what matters in one line."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
