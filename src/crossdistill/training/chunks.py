"""Representations of a batch whose activations no device holds: encoders run in chunks, whose graphs are dropped, and
again once the gradients of all that they made are known (GradCache: Gao, Zhang, Han, Callan; 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crossdistill.methods import Method
from crossdistill.training.engine import Engine
from crossdistill.training.passes import forward, select_batch
from crossdistill.training.randomness import RandomState, random_state, set_random_state
from crossdistill.training.sharding import WHOLE, Shards
from crossdistill.types import Batch, InputError, Representations

_ROUNDING = 1e-3
"""How far, relative to its length, a representation may be from what it was when its encoder ran first."""


def represent(
    engine: Engine, method: Method, batch: Batch, chunk_size: int = 0, shards: Shards = WHOLE
) -> Representations:
    """What objectives read of the batch, made in the engine's precision, in float32 (float64 of such a model).

    chunk_size: samples that encoders see at a time, 0 for all of them. Values and gradients are the whole batch's
    all the same: objectives meet all samples at once. The device holds the activations and inputs of one chunk, for the
    price of a second forward pass. Dropout draws its masks chunk by chunk, in both passes the same; batch normalisation
    sees a chunk at a time (ghost batch normalisation: Hoffer, Hubara, Soudry; 2017).
    shards: parameters that are divided; encoders find them whole whenever they run

    Raises InputError, out of the backward pass, where an encoder makes something else of a chunk in its second pass.
    """

    def make(part: Batch, quiet: bool = True) -> Representations:
        shards.join()
        with engine.autocast():
            made = forward(method, part.to(engine.device), quiet)
        return made.map(lambda x: x if x.dtype == torch.float64 else x.float())

    parts = chunks(batch, chunk_size)
    if len(parts) == 1:
        return make(batch)
    before, made, learn = list[_State](), list[Representations](), list[bool]()
    for part in parts:
        before.append(_State.of(method.model, engine.device))
        whole = make(part)  # with a graph, which nobody will use: without, some kernels draw and round otherwise
        learn = [tensor.requires_grad for tensor in whole.tensors()]
        made.append(whole.map(Tensor.detach))
        del whole
    joined = [torch.cat(tensors) for tensors in zip(*(each.tensors() for each in made), strict=True)]
    learning = [tensor for tensor, learns in zip(joined, learn, strict=True) if learns]
    parameters = [p for p in method.model.parameters() if p.requires_grad]
    second = _SecondPass(method.model, make, parts, before, [tensor.detach() for tensor in learning], parameters)
    cached = iter(_Cached.apply(second, learning, *parameters) if learning else ())  # type: ignore[no-untyped-call]
    tensors = iter([next(cached) if learns else tensor for tensor, learns in zip(joined, learn, strict=True)])
    return made[0].map(lambda _: next(tensors))


def chunks(batch: Batch, chunk_size: int) -> list[Batch]:
    """The batch in as few parts of at most so many samples as there can be, of sizes as equal as can be; neighbours
    that are mixed with one another stay together.

    >>> import torch
    >>> from crossdistill.training.chunks import chunks
    >>> from crossdistill.types import Batch
    >>> batch = Batch({"video": torch.zeros(9, 2)}, torch.zeros(9), torch.arange(9), {})
    >>> [part.rows.tolist() for part in chunks(batch, 8)]
    [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    """
    size = len(batch.labels)
    if chunk_size == 0 or chunk_size >= size:
        return [batch]
    unit = 1 if batch.mixing is None else 2
    units = math.ceil(size / unit)
    count = math.ceil(units / max(chunk_size // unit, 1))
    ends = [min(unit * (units * (part + 1) // count), size) for part in range(count)]
    return [select_batch(batch, slice(start, end)) for start, end in zip([0, *ends], ends, strict=False)]


class _Cached(torch.autograd.Function):
    """Representations as functions of the parameters; what their gradients are, the second pass knows."""

    @staticmethod
    def forward(
        ctx: Any, second: _SecondPass, representations: Sequence[Tensor], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.second = second
        ctx.set_materialize_grads(False)  # what no loss depends on gets no gradient, as without chunks, and not zeros
        return tuple(representations)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # `create_graph`
            raise InputError(
                "optimization.chunk_size: a loss differentiates the encoders twice, of which chunks keep nothing; set "
                "chunk_size 0"
            )
        return None, None, *ctx.second.gradients(gradients)


@dataclass(frozen=True)
class _State:
    """What an encoder's pass depends on and moves, beside its parameters.

    buffers: such as running statistics, which a sample alone is normalised by
    """

    random: RandomState
    buffers: Sequence[Tensor]

    @classmethod
    def of(cls, model: nn.Module, device: torch.device) -> _State:
        return cls(random_state(device), [buffer.clone() for buffer in model.buffers()])

    def restore(self, model: nn.Module, device: torch.device) -> None:
        set_random_state(self.random, device)
        for buffer, was in zip(model.buffers(), self.buffers, strict=True):
            buffer.copy_(was)


@dataclass(frozen=True)
class _SecondPass:
    """What is needed to run the encoders again as they ran.

    make: from a part to its representations, without quiet ones where it is told so; before: the state before each part
    cached: what has a gradient, (B, ...) each, in the order of `Representations.tensors`
    """

    model: nn.Module
    make: Callable[[Batch, bool], Representations]
    parts: Sequence[Batch]
    before: Sequence[_State]
    cached: Sequence[Tensor]
    parameters: Sequence[nn.Parameter]

    def gradients(self, of_cached: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The parameters' gradients, from those of what is cached."""
        sums: list[Tensor | None] = [None] * len(self.parameters)
        if all(gradient is None for gradient in of_cached):
            return sums
        apart, start, device = list[Tensor](), 0, self.cached[0].device
        with _left_as_it_was(self.model, device):
            for part, before in zip(self.parts, self.before, strict=True):
                rows = slice(start, start + len(part.labels))
                before.restore(self.model, device)
                with torch.enable_grad():
                    again = [tensor for tensor in self.make(part, False).tensors() if tensor.requires_grad]
                made, given = list[Tensor](), list[Tensor]()
                for tensor, cached, gradient in zip(again, self.cached, of_cached, strict=True):
                    if gradient is not None:
                        made.append(tensor)
                        given.append(gradient[rows])
                        apart.append(_distance(tensor.detach(), cached[rows]))
                of_part = torch.autograd.grad(made, self.parameters, given, allow_unused=True)
                sums = [_added(old, new) for old, new in zip(sums, of_part, strict=True)]
                start = rows.stop
        _require_same(float(torch.stack(apart).max()))
        return sums


def _added(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


@contextmanager
def _left_as_it_was(model: nn.Module, device: torch.device) -> Iterator[None]:
    """With what the first pass has moved already."""
    state = _State.of(model, device)
    try:
        yield
    finally:
        state.restore(model, device)


def _distance(now: Tensor, before: Tensor) -> Tensor:
    """How far, relative to its length."""
    apart: Tensor = torch.linalg.vector_norm(now - before)
    length: Tensor = torch.linalg.vector_norm(before)
    return apart / length.clamp_min(torch.finfo(before.dtype).tiny)


def _require_same(distance: float) -> None:
    """distance: NaN where the training diverges, which is not for here to say."""
    if distance > _ROUNDING:
        raise InputError(
            "optimization.chunk_size: of the same samples an encoder made something else when it ran again, "
            f"{distance:.1g} of its length away; it draws numbers that are not from PyTorch's generators, or a turn "
            "moved what a later turn of the step learns through; set chunk_size 0"
        )
