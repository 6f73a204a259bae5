"""Models of Hugging Face's transformers, from a local folder or the hub. The only place that imports transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError

from crossdistill.types import InputError

_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, SafetensorError)


def read_model(source: str, unused: Sequence[str] = (), read_weights: bool = True) -> Any:
    """The bare encoder, in float32, without those random parts of its training that Lightning Fabric's seeds and ranks
    know nothing of: masking of its input, and layers left out.

    unused: beginnings of parameters that may be missing; read_weights: false leaves all as initialised.
    Raises InputError when transformers is not installed, or the model or a part of it is missing or damaged.
    """
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise InputError(f"{source}: reading it needs transformers: pip install 'crossdistill[pretrained]'") from error
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(source)
            if hasattr(config, "mask_time_prob"):
                config.apply_spec_augment = False
            if hasattr(config, "layerdrop"):
                config.layerdrop = 0.0
            if not read_weights:
                return AutoModel.from_config(config, dtype=torch.float32)
            model, found = AutoModel.from_pretrained(
                source, config=config, dtype=torch.float32, output_loading_info=True
            )
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{source}: neither a folder with a transformers model nor one of the hub ({reason})"
        ) from error
    if missing := sorted(key for key in found["missing_keys"] if not key.startswith(tuple(unused))):
        raise InputError(f"{source}: expected weights for {missing[0]} ({len(missing)} missing), found none")
    return model


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
