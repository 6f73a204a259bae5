"""Encoders that somebody made in Python: how a run says what they are, so that it loads anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.encoders import Standardized
from crossdistill.encoders.kinds import parameters_of
from crossdistill.encoders.make import make_encoder
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.models.present import select
from crossdistill.models.spec import ModelSpec
from crossdistill.plugins import class_path
from crossdistill.types import InputError


def own_settings(name: str, module: nn.Module) -> EncoderSettings:
    """The module's class and its constructor's arguments: its attribute `settings` where it has one, else for each
    argument the attribute of that name. Raises InputError where one cannot be known: the run could not be loaded."""
    place = f"encoders[{name!r}]"
    try:
        path = class_path(type(module))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    declared = getattr(module, "settings", None)
    if isinstance(declared, Mapping):
        return EncoderSettings(path, dict(declared))
    settings: dict[str, Any] = {}
    for argument in parameters_of(type(module)):
        if argument != "shape":
            value = getattr(module, argument, None)
            if not isinstance(value, bool | int | float | str | list | tuple):
                raise InputError(
                    f"{place}: cannot tell with which {argument} {type(module).__name__} was made, so a finished run "
                    f"could not build it again; give it an attribute `settings`, a dict of its constructor's arguments"
                )
            settings[argument] = list(value) if isinstance(value, tuple) else value
    return EncoderSettings(path, settings)


def require_rebuilt(spec: ModelSpec, given: Mapping[str, nn.Module], dataset: MultimodalDataset) -> None:
    """Raise InputError unless each given module, built anew by its class and settings and with its weights, makes the
    same of a few training samples: what is saved would otherwise be another model without a word."""
    for name, module in given.items():
        settings, inputs = spec.encoders[name], spec.inputs[name]
        with torch.random.fork_rng(devices=[]):
            rebuilt = make_encoder(name, inputs, settings)
        inner = rebuilt.encoder if isinstance(rebuilt, Standardized) else rebuilt
        place = f"encoders[{name!r}]: {settings.kind} with {dict(settings.settings)}"
        try:
            inner.load_state_dict(module.state_dict())
        except RuntimeError as error:
            raise InputError(f"{place} is not this module: {' '.join(str(error).split())[:200]}") from error
        rows = dataset.rows("train")
        rows = rows[dataset.present([name])[rows]][:2]
        values, present, _ = read(dataset.columns[name], rows, middle(len(rows)))
        samples = select(values, present.nonzero().squeeze(1))
        if bool(present.any()) and not _same_outputs(module, inner, samples):
            raise InputError(f"{place} makes something else of the same samples; give it an attribute `settings`")


@torch.no_grad()
def _same_outputs(first: nn.Module, second: nn.Module, samples: Any) -> bool:
    training = first.training
    output, rebuilt = (module.eval()(samples) for module in (first, second))
    first.train(training)
    return torch.allclose(output, rebuilt, rtol=1e-4, atol=1e-5, equal_nan=True)
