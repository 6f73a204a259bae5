"""A student's inputs as named arrays, one or two a modality: what an exported graph takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crossdistill.encoders.sequences import as_padded
from crossdistill.models.spec import ModelSpec
from crossdistill.types import Modality, ModalityTensors, Padded, values_of

BATCH, TIME = "batch", "time"
"""Names of sizes that are open; a time is that of its own modality."""


@dataclass(frozen=True)
class FlatInput:
    """One array that a graph takes.

    name: the modality's, or that of its lengths; shape: sizes, `BATCH` and `TIME` where they are open
    dtype: int64 for token ids and lengths, float32 for all else
    """

    name: str
    modality: str
    shape: tuple[int | str, ...]
    dtype: Literal["float32", "int64"]


def flat_inputs(spec: ModelSpec) -> tuple[FlatInput, ...]:
    """The arrays of the target modalities, in order; of sequences the values and, after them, the lengths."""
    inputs: list[FlatInput] = []
    for name in spec.target:
        given = spec.inputs[name]
        if not given.is_sequence:
            inputs.append(FlatInput(name, name, (BATCH, *given.shape), "float32"))
            continue
        is_text = given.is_tokens
        shape: tuple[int | str, ...] = (BATCH, TIME) if is_text else (BATCH, TIME, *given.shape[1:])
        inputs.append(FlatInput(name, name, shape, "int64" if is_text else "float32"))
        inputs.append(FlatInput(lengths_of(name, spec.target), name, (BATCH,), "int64"))
    return tuple(inputs)


def lengths_of(name: str, modalities: tuple[str, ...]) -> str:
    """What a modality's lengths are called: NAME_lengths, unless that is a modality."""
    called = f"{name}_lengths"
    while called in modalities:
        called += "_"
    return called


def flattened(spec: ModelSpec, modalities: ModalityTensors) -> dict[str, npt.NDArray[Any]]:
    """Name -> array, of a batch of the target modalities."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for given in flat_inputs(spec):
        x = modalities[given.modality]
        x = as_padded(x) if spec.inputs[given.modality].is_sequence else x  # of one length they come as they are
        if given.name != given.modality:
            assert isinstance(x, Padded)
            arrays[given.name] = x.lengths.numpy().astype(np.int64)
        else:
            values = values_of(x).numpy()
            arrays[given.name] = values[..., 0].astype(np.int64) if given.dtype == "int64" else values
    return arrays


def unflattened(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> dict[str, Modality]:
    """The batch that the named tensors hold, by modality; token ids become the numbers that readers give."""
    modalities: dict[str, Modality] = {}
    for name in spec.target:
        values = tensors[name]
        if spec.inputs[name].is_sequence:
            values = values[:, :, None].to(torch.float32) if spec.inputs[name].is_tokens else values
            modalities[name] = Padded(values, tensors[lengths_of(name, spec.target)])
        else:
            modalities[name] = values
    return modalities
