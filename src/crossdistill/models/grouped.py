"""Encoding sequences in groups of about one length, so that a batch costs what its samples do and not its padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crossdistill.types import Modality, Padded, values_of

_STEPS = 1 << 15
"""Padded steps that an encoder is given at once where no gradient is asked for: at width 256, 32 MiB a layer."""
_FEW_STEPS = 1 << 14
"""Padded steps up to which padding is no matter."""
_WASTE = 4
"""How many times the samples' own steps the padded ones may be before a batch is divided."""
_WASTE_OF_GROUP = 1.5
_LEAST, _LEAST_STEPS = 4, 1 << 16
"""Samples of a group at least, and the padded steps that it may have for that: products of fewer rows are computed by
other kernels and round otherwise."""


def encode(encoder: nn.Module, x: Modality) -> Tensor:
    """(B, width) features of a batch, as of `encoder(x)` but for rounding and the order in which dropout draws.

    Sequences of very different length are encoded in groups, one long one apart from many short ones; without
    gradients no group is large. An encoder whose training looks across samples (batch statistics) gets all at once,
    and takes those that it has where a sample alone has a single number of each channel.
    """
    if torch.compiler.is_exporting():
        return cast(Tensor, encoder(x))
    if encoder.training and len(values_of(x)) == 1 and (norms := _own_norms(encoder)):
        return _of_one(encoder, norms, x)
    if not isinstance(x, Padded):
        return _in_parts(encoder, x)
    if not _is_costly(x):
        return cast(Tensor, encoder(x))
    if encoder.training and any(isinstance(module, _BatchNorm) for module in encoder.modules()):
        return cast(Tensor, encoder(x))
    order = x.lengths.argsort(descending=True, stable=True)
    groups = list(_groups(x.lengths[order].tolist(), 1 << 62 if torch.is_grad_enabled() else _most_steps(x)))
    if len(groups) == 1:
        return cast(Tensor, encoder(x))
    encoded = torch.cat([cast(Tensor, encoder(select(x, order[start:end]))) for start, end in groups])
    return torch.empty_like(encoded).index_copy(0, order, encoded)


def _own_norms(encoder: nn.Module) -> list[nn.Module]:
    """The encoder's batch normalisations in training that see this process's samples alone."""
    modules = [module for module in encoder.modules() if isinstance(module, _BatchNorm) and module.training]
    return [module for module in modules if not isinstance(module, nn.SyncBatchNorm) and module.track_running_stats]


def _of_one(encoder: nn.Module, norms: Sequence[nn.Module], x: Modality) -> Tensor:
    """A sample alone, of which PyTorch makes no statistics where a channel has one number."""

    def keep_statistics(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        if inputs[0].numel() == inputs[0].shape[1]:
            norm.eval()

    hooks = [norm.register_forward_pre_hook(keep_statistics) for norm in norms]
    try:
        return cast(Tensor, encoder(x))
    finally:
        for hook, norm in zip(hooks, norms, strict=True):
            hook.remove()
            norm.train()


def _in_parts(encoder: nn.Module, x: Tensor) -> Tensor:
    """`encode` of samples of one shape: sequences (B, T, F), without gradients, some at a time."""
    if x.ndim != 3 or torch.is_grad_enabled() or encoder.training or x.shape[0] * x.shape[1] <= _STEPS:
        return cast(Tensor, encoder(x))
    count = max(_LEAST, _STEPS // x.shape[1])
    starts = range(0, max(1, len(x) - _LEAST + 1), count)  # the last part has no fewer than `_LEAST`
    ends = [*starts[1:], len(x)]
    return torch.cat([cast(Tensor, encoder(x[start:end])) for start, end in zip(starts, ends, strict=True)])


def _most_steps(x: Padded) -> int:
    """Of waveforms and token ids, a step is little."""
    return _STEPS if x.values.ndim > 2 and x.values.shape[2] > 1 else _STEPS << 9


def _is_costly(x: Padded) -> bool:
    """Whether the batch is much larger than its samples, or than what is encoded at once."""
    padded = x.values.shape[0] * x.values.shape[1]
    return padded > _FEW_STEPS and (padded > _WASTE * int(x.lengths.sum()) or padded > _most_steps(x))


def _groups(lengths: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Places [start, end) of groups of sequences in order of falling length (B,)."""
    start = own = 0
    for place, length in enumerate(lengths):
        padded = (place - start + 1) * lengths[start]
        few = place - start < _LEAST and padded <= _LEAST_STEPS
        wastes = padded > _FEW_STEPS and padded > _WASTE_OF_GROUP * (own + length)
        if place > start and (wastes or (padded > most and not few)):
            yield start, place
            start, own = place, 0
        own += length
    yield start, len(lengths)


def select(x: Modality, rows: Tensor | slice) -> Modality:
    """These rows of a batch of inputs, sequences no longer than the longest of them."""
    if not isinstance(x, Padded):
        return x[rows]
    lengths = x.lengths[rows]
    return Padded(x.values[rows, : int(lengths.max())], lengths)
