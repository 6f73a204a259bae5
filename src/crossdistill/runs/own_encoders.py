"""Encoders that somebody made in Python: how a run says what they are, so that it loads anywhere."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.encoders import Encoder
from crossdistill.encoders.kinds import parameters_of
from crossdistill.encoders.make import make_encoder
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.encoders.standardize import unstandardized
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.grouped import select
from crossdistill.models.spec import ModelSpec
from crossdistill.plain import as_python, to_plain
from crossdistill.plugins import class_path
from crossdistill.training.randomness import forked
from crossdistill.types import InputError, Modality, one_line, shape_in_words, to_device, values_of


def own_settings(name: str, module: nn.Module) -> EncoderSettings:
    """The module's class and its constructor's arguments: its attribute `settings` where it has one, else for each
    argument the attribute of that name. Raises InputError where one cannot be known: the run could not be loaded."""
    place = f"encoders[{name!r}]"
    if not isinstance(module, nn.Module):
        raise InputError(f"{place}: expected a torch.nn.Module, found {type(module).__name__}")
    if not all(isinstance(value, Tensor) for value in module.state_dict().values()):
        raise InputError(f"{place}: {type(module).__name__}: expected a state of tensors alone, which files can hold")
    try:
        path = class_path(type(module))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    declared = getattr(module, "settings", None)
    if isinstance(declared, Mapping):
        plain = {key: as_python(value) for key, value in declared.items()}
        if odd := [key for key, value in plain.items() if not _is_plain(value)]:
            raise InputError(f"{place}: settings[{odd[0]!r}]: expected plain values, which a recipe can hold")
        return EncoderSettings(path, to_plain(plain))
    settings: dict[str, Any] = {}
    for argument in parameters_of(type(module)):
        if argument != "shape":
            value = as_python(getattr(module, argument, None))
            if not _is_plain(value):
                raise InputError(
                    f"{place}: cannot tell with which {argument} {type(module).__name__} was made, so a finished run "
                    f"could not build it again; give it an attribute `settings`, a dict of its constructor's arguments"
                )
            settings[argument] = list(value) if isinstance(value, tuple) else value
    return EncoderSettings(path, settings)


def copied(given: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Copies to train in the modules' place, so that these stay as they are for the caller's next run. Raises
    InputError for one that `copy.deepcopy` does not copy."""
    memo: dict[int, Any] = {}  # one module given twice stays one
    return {name: _copied(name, module, memo) for name, module in given.items()}


def _copied(name: str, module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever somebody's attributes raise
        raise InputError(
            f"encoders[{name!r}]: expected a module that copy.deepcopy copies, since a run trains a copy, found "
            f"{type(module).__name__} ({type(error).__name__}: {one_line(error)[:160]}); give it a __deepcopy__, or "
            "keep such attributes out of it"
        ) from error


def require_rebuilt(spec: ModelSpec, model: CrossModalModel, given: Iterable[str], dataset: MultimodalDataset) -> None:
    """Raise InputError unless the model's encoder of each given modality, built anew by its class and settings and with
    its weights, makes the same of a few training samples: what is saved would otherwise be another model without a
    word."""
    for name in given:
        module, settings, inputs = unstandardized(model.encoders[name]), spec.encoders[name], spec.inputs[name]
        with torch.random.fork_rng(devices=[]):
            rebuilt = make_encoder(name, inputs, settings)
        inner = unstandardized(rebuilt)
        place = f"encoders[{name!r}]: {settings.kind} with {dict(settings.settings)}"
        try:
            inner.load_state_dict(module.state_dict())
        except RuntimeError as error:
            raise InputError(f"{place} is not this module: {one_line(error)[:200]}") from error
        if (samples := _a_few(dataset, name)) is not None:
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            first, second = (_tried(place, encoder, samples, device) for encoder in (module, inner))
            if not torch.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True):
                raise InputError(f"{place} makes something else of the same samples; give it an attribute `settings`")


def require_working(
    spec: ModelSpec, model: CrossModalModel, named: Iterable[str], dataset: MultimodalDataset, device: torch.device
) -> None:
    """Raise InputError unless the model's encoder of each modality for which a recipe names one, where it is no class
    of ours, makes (B, width) of a few training samples; on the device that it will be trained on, since some classes
    need a GPU."""
    for name in named:
        encoder, settings = model.encoders[name], spec.encoders[name]
        is_ours = type(unstandardized(encoder)).__module__.partition(".")[0] == __name__.partition(".")[0]
        if not is_ours and (samples := _a_few(dataset, name)) is not None:
            _tried(f"model.encoders.{name}: {settings.kind} with {dict(settings.settings)}", encoder, samples, device)


def _a_few(dataset: MultimodalDataset, name: str) -> Modality | None:
    """Two training samples of the modality, as its encoder takes them; None where they cannot be read."""
    rows = dataset.rows("train")
    rows = rows[dataset.present([name])[rows]][:2]
    reading = read(dataset.columns[name], rows, middle(len(rows)))
    there = reading.present.nonzero().squeeze(1)
    return select(reading.numbers, there) if len(there) else None


@torch.no_grad()
def _tried(place: str, encoder: nn.Module, samples: Modality, device: torch.device) -> Tensor:
    """What a copy of the encoder makes of the samples, so that the modes of its parts and the random state stay as they
    are. Raises InputError where that is not float32 (B, width), and where the samples are others afterwards."""
    values, given = values_of(samples), to_device(copy.deepcopy(samples), device)
    try:
        with forked(device):
            output: Any = copy.deepcopy(encoder).to(device).eval()(given)
    except Exception as error:  # whatever somebody's module raises
        what = f"{type(error).__name__}: {one_line(error)[:200]}"
        raise InputError(f"{place}: given {shape_in_words(samples)}: {what}") from error
    if not torch.equal(values_of(given).to(values.device), values):
        raise InputError(
            f"{place}: changes its input in place, which is read again after it; make a new tensor of it (x = x * 2, "
            "not x.mul_(2))"
        )
    shape = (len(values), int(cast(Encoder, encoder).width))
    if isinstance(output, Tensor) and tuple(output.shape) == shape and output.dtype == torch.float32:
        return output
    found = f"{output.dtype} {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    raise InputError(f"{place}: expected an output of float32 {shape}, its width, found {found}")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return isinstance(value, bool | int | float | str)
