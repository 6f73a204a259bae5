"""Encoders too large to replicate: of their parameters, gradients and optimisers' states each rank keeps a part, and a
step has the parameters whole (FSDP's SHARD_GRAD_OP; ZeRO: Rajbhandari, Rasley, Ruwase, He; 2020)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from crossdistill.models import CrossModalModel
from crossdistill.training.engine import Engine, OneProcess
from crossdistill.types import InputError

LEAST = 1 << 14
"""Numbers that a parameter has at least for it to be divided: a message has a cost of its own."""


def encoder_parameters(
    model: CrossModalModel, optimizers: Mapping[str, Optimizer], least: int = LEAST
) -> list[nn.Parameter]:
    """The encoders' parameters that an optimiser steps and that have so many numbers, each once.

    All else stays whole on every rank: it is small, or never stepped, or read by methods after a step's end.
    """
    stepped = {id(p) for optimizer in optimizers.values() for group in optimizer.param_groups for p in group["params"]}
    encoders = [encoder for name in model.encoders for encoder in model.encoders_of(name)]
    large = {id(p): p for encoder in encoders for p in encoder.parameters() if p.requires_grad and p.numel() >= least}
    return [p for identity, p in large.items() if identity in stepped]


class Shards:
    """Parameters that are whole within a step, and of which each rank keeps an equal part between steps; where there
    is one rank, or no parameter is given, nothing is divided.

    Optimisers step the parts: `Parameter.data` is exchanged, so that everybody who holds a parameter still does. An
    encoder may be called as often as a rank's samples ask for, which FSDP's messages in each call would not allow.
    """

    def __init__(self, engine: Engine, parameters: Sequence[nn.Parameter] = ()) -> None:
        self._rank, self._ranks = engine.global_rank, engine.world_size
        self._shapes = {p: p.shape for p in (parameters if self._ranks > 1 else ())}
        self._parts: dict[nn.Parameter, Tensor] = {}
        self._waiting: dict[nn.Parameter, Tensor] = {}
        self._summed: dict[nn.Parameter, Tensor] = {}
        self._versions: dict[nn.Parameter, int] = {}
        self._order: deque[nn.Parameter] = deque()
        self._reached: set[nn.Parameter] = set()
        self._hooks = [p.register_post_accumulate_grad_hook(self._take) for p in self._shapes]  # type: ignore[no-untyped-call]

    def divide(self) -> None:
        """Keep this rank's part alone of what is whole. Raises InputError where somebody has written into it."""
        for p in self._shapes:
            if p not in self._parts:
                self._parts[p] = self._part_of(p.data)
            self._exchange(p)

    def join(self) -> None:
        """Have whole what is divided; all ranks must take part."""
        for p, part in self._parts.items():
            if not self._is_whole(p):
                p.data = self._whole_of(part, self._shapes[p])
                self._versions[p] = p._version

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Everything whole inside, to be read."""
        self.join()
        yield
        self.divide()

    def close(self) -> None:
        """Have everything whole, from now on."""
        self.join()
        for hook in self._hooks:
            hook.remove()
        self._parts = {}

    def expect(self, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
        """Before a turn's backward pass, of the turn's parameters: those that are not divided.

        Gradients of the others are summed in one order on all ranks, about that in which they come.
        """
        of_turn = set(parameters)
        self._order = deque(p for p in reversed(self._shapes) if p in of_turn)
        return [p for p in parameters if p not in self._shapes]

    def settle(self) -> None:
        """After a turn's backward pass: its parameters are parts, whose gradients are the ranks' mean; where a rank has
        none, it has 0 in the mean, and where no rank has one there is none."""
        while self._order:
            self._sum(self._order.popleft())
        if not self._summed:
            return
        parameters = list(self._summed)
        reached = parameters[0].new_tensor([p in self._reached for p in parameters])
        torch.distributed.all_reduce(reached)
        somewhere = reached.tolist() if len(self._reached) < len(parameters) else [1] * len(parameters)
        for p, is_there in zip(parameters, somewhere, strict=True):
            self._exchange(p)
            p.grad = self._summed[p] if is_there else None
        self._summed, self._reached = {}, set()

    def clip(self, parameters: Sequence[nn.Parameter], clip_norm: float) -> None:
        """Scale gradients down to this norm, that of all ranks' parts together."""
        if clip_norm == math.inf:
            return
        everywhere = [p.grad for p in parameters if p.grad is not None and p not in self._parts]
        parts = [p.grad for p in parameters if p.grad is not None and p in self._parts]
        norm = get_total_norm(everywhere)
        if parts:
            squared = get_total_norm(parts).square()
            torch.distributed.all_reduce(squared)
            norm = (norm.to(squared.device).square() + squared).sqrt()
        clip_grads_with_norm_(parameters, clip_norm, norm)

    def states(self, optimizers: Mapping[str, Optimizer]) -> dict[str, dict[str, Any]]:
        """The optimisers' states as of one process, on the first rank; all ranks must take part."""

        def joined(p: nn.Parameter, value: Tensor) -> Tensor:
            divided = p in self._parts and value.shape == self._parts[p].shape
            whole = self._whole_of(value, self._shapes[p]) if divided else value
            return whole.cpu() if divided and self._rank == 0 else value

        return {name: _changed(optimizer, optimizer.state_dict(), joined) for name, optimizer in optimizers.items()}

    def cut(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        """This rank's part of an optimiser's state that is whole."""
        return _changed(
            optimizer, state, lambda p, value: self._part_of(value) if value.shape == self._shapes.get(p) else value
        )

    def _is_whole(self, p: nn.Parameter) -> bool:
        return p.data.data_ptr() != self._parts[p].data_ptr()

    def _exchange(self, p: nn.Parameter) -> None:
        """A part for the whole, which nobody but optimisers may have changed: they step parts."""
        if self._is_whole(p) and p._version != self._versions.get(p, p._version):
            raise InputError(
                f"machine.sharded: an encoder or the method wrote into a parameter of shape {tuple(self._shapes[p])} "
                "within a step, which would be lost; set it to false"
            )
        p.data = self._parts[p]

    def _take(self, p: nn.Parameter) -> None:
        """A gradient is there: no rank keeps it whole for longer than until those before it are summed."""
        if p.grad is None:  # a function that gives no gradient has called
            return
        self._waiting[p], p.grad = p.grad, None
        self._reached.add(p)
        while self._order and self._order[0] in self._waiting:
            self._sum(self._order.popleft())

    def _sum(self, p: nn.Parameter) -> None:
        gradient, part = self._waiting.pop(p, None), self._parts[p]
        gradient = torch.zeros_like(p).flatten() if gradient is None else gradient.flatten()
        summed = torch.empty_like(part)
        filled = pad(gradient, (0, self._ranks * len(part) - len(gradient)))
        torch.distributed.reduce_scatter(summed, list(filled.view(self._ranks, -1)))
        self._summed[p] = summed / self._ranks

    def _part_of(self, whole: Tensor) -> Tensor:
        size = -(-whole.numel() // self._ranks)
        own = whole.flatten()[self._rank * size : (self._rank + 1) * size]
        return pad(own, (0, size - len(own))).clone()

    def _whole_of(self, part: Tensor, shape: torch.Size) -> Tensor:
        whole = part.new_empty(self._ranks * len(part))
        torch.distributed.all_gather(list(whole.view(self._ranks, -1)), part)
        return whole[: shape.numel()].view(shape)


WHOLE = Shards(OneProcess())
"""Nothing is divided."""


def _changed(
    optimizer: Optimizer, state: dict[str, Any], change: Callable[[nn.Parameter, Tensor], Tensor]
) -> dict[str, Any]:
    """The state with each of its tensors changed, which belongs to a parameter."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    values = {
        number: {key: change(parameters[number], v) if isinstance(v, Tensor) else v for key, v in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": values}
