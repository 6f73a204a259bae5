"""Students as they are initialised: what ships is the same, trained or not."""

from __future__ import annotations

from typing import Any

import torch

from crossdistill.data.inputs import InputSpec
from crossdistill.encoders.make import default_settings, resolved
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.models.spec import ModelSpec, model_to_load
from crossdistill.student import Student

ABOUT: dict[str, Any] = {
    "name": "gestures",
    "method": "amid_u",
    "student": True,
    "auxiliary": ["camera"],
    "data": {"name": "three rooms", "licence": "CC-BY-4.0", "samples": {"train": 90, "test": 40, "labelled": 9}},
    "versions": {"crossdistill": "0.2.0"},
    "measured": {"split": "test", "seed": 3, "student": {"top1": 0.75, "samples": 40}},
}


def student(
    inputs: dict[str, InputSpec],
    about: dict[str, Any] = ABOUT,
    encoders: dict[str, EncoderSettings] | None = None,
    classes: tuple[str, ...] = ("push", "turn", "wave"),
    seed: int = 0,
) -> Student:
    """A student of these inputs, whose encoders are those that a recipe without a choice gets."""
    chosen = {name: default_settings(given, 8) for name, given in inputs.items()} | (encoders or {})
    settings = {name: resolved(name, given, chosen[name]) for name, given in inputs.items()}
    spec = ModelSpec(tuple(inputs), (), classes, inputs, settings, width=8)
    torch.manual_seed(seed)
    network = model_to_load(spec)
    return Student(spec, network, about)
