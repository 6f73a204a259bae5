"""The one gather: every rank sees the whole global batch's representations, and the gradients of its share add up
exactly to those of one process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from crossdistill.training.engine import Engine
from crossdistill.types import Batch, InputError, Mixing, Note, Representations, one_line

Value = TypeVar("Value")


def gather(engine: Engine, representations: Representations, batch: Batch) -> tuple[Representations, Batch]:
    """The global batch on the engine's device, in rank order, without its inputs, in one message: objectives read
    representations, labels, rows, present.

    Each rank then computes the loss of its share of the rows, or of all where a loss is not divided: the mean over
    ranks is the loss of the global batch. The gather's backward adds up the ranks' gradients of a representation, W
    times the true one, and `average_gradients` divides the parameters' gradients by W, so that parameters before and
    after the gather both get the gradient of the one-process loss.
    """
    batch = Batch({}, batch.labels, batch.rows, batch.present, mixing=batch.mixing).to(engine.device)
    if engine.world_size == 1:
        return representations, batch
    masks = [mask.to(engine.device) for mask in batch.present.values()]
    mixing = batch.mixing
    if mixing is not None:
        first = engine.global_rank * len(batch.labels)  # partners are of this rank's own rows
        mixing = mixing._replace(partners=mixing.partners + first, whole=mixing.whole.to(engine.device))
    gathered = iter(
        _Gather.apply(engine, *representations.tensors(), batch.labels, batch.rows, *masks, *(mixing or ()))  # type: ignore[no-untyped-call]
    )
    everywhere = representations.map(lambda _: next(gathered))
    labels, rows = next(gathered), next(gathered)
    present = {name: next(gathered).cpu() for name in batch.present}
    mixing = None if mixing is None else Mixing(*gathered).to(engine.device)
    return everywhere, Batch({}, labels, rows, present, mixing=mixing, rank=engine.global_rank, ranks=engine.world_size)


class _Gather(torch.autograd.Function):
    """Tensors of all ranks, row after row, in one message of bytes, and their gradients' sums in another."""

    @staticmethod
    def forward(ctx: Any, engine: Engine, *own: Tensor) -> tuple[Tensor, ...]:
        size = len(own[0])
        ctx.rows = slice(engine.global_rank * size, (engine.global_rank + 1) * size)
        ctx.set_materialize_grads(False)  # what no loss depends on gets no gradient, as in one process, and not zeros
        packed = [_as_bytes(tensor) for tensor in own]
        message = torch.cat(packed, dim=1)
        messages = message.new_empty(engine.world_size, *message.shape)
        torch.distributed.all_gather(list(messages.unbind(0)), message)
        columns = torch.split(messages.flatten(0, 1), [each.shape[1] for each in packed], dim=1)
        made = tuple(
            column.contiguous().view(tensor.dtype).view(-1, *tensor.shape[1:])
            for column, tensor in zip(columns, own, strict=True)
        )
        ctx.mark_non_differentiable(*(new for new, tensor in zip(made, own, strict=True) if not tensor.requires_grad))
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        there = [gradient for gradient in gradients if gradient is not None]
        total = torch.cat(there, dim=1)
        torch.distributed.all_reduce(total)
        own = iter(torch.split(total[ctx.rows], [gradient.shape[1] for gradient in there], dim=1))
        return None, *(None if gradient is None else next(own) for gradient in gradients)


def _as_bytes(tensor: Tensor) -> Tensor:
    """(b, ...) as (b, bytes of a row)."""
    return tensor.detach().reshape(len(tensor), math.prod(tensor.shape[1:])).contiguous().view(torch.uint8)


def mean_over_ranks(engine: Engine, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The ranks' mean of each, in one message; all ranks must have the same names."""
    if engine.world_size == 1 or not values:
        return {name: value.detach() for name, value in values.items()}
    stacked = torch.stack([value.detach().double() for value in values.values()])
    torch.distributed.all_reduce(stacked)
    return dict(zip(values, stacked / engine.world_size, strict=True))


def gather_notes(engine: Engine, notes: Sequence[Note]) -> list[Note]:
    """Gather all ranks' notes, in rank order."""
    return [note for rank in gather_objects(engine, list(notes)) for note in rank]


def gather_objects(engine: Engine, value: Value) -> list[Value]:
    """What every rank has, in rank order."""
    by_rank = [value] * engine.world_size
    if engine.world_size > 1:
        torch.distributed.all_gather_object(by_rank, value)
    return by_rank


def on_first_rank(engine: Engine, act: Callable[[], None]) -> None:
    """Do something on the first rank, while the others wait for it.

    What goes wrong there is raised on all ranks, which would otherwise wait for ever: InputError on the others.
    """
    problem = ""
    try:
        if engine.is_global_zero:
            act()
    except Exception as error:
        known = isinstance(error, InputError | OSError)
        problem = one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"
        raise
    finally:
        problem = engine.broadcast(problem) if engine.world_size > 1 else problem
    if problem:
        raise InputError(problem)


def require_same_start(engine: Engine, place: tuple[int, int, int]) -> None:
    """Raise InputError unless all ranks go on from the same stage, epoch and step: their folder may not be one that
    they share, or a file in it damaged for one of them alone."""
    places = gather_objects(engine, place)
    if len(set(places)) > 1:
        found = ", ".join(
            f"rank {rank}: stage {stage}, epoch {epoch}" + (f", step {step}" if step else "")
            for rank, (stage, epoch, step) in enumerate(places)
        )
        raise InputError(f"the ranks found different checkpoints ({found}); they need one folder that all of them see")


def average_gradients(engine: Engine, parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over ranks, in one message; where a rank has none, as of an encoder of which it
    has no sample, it has 0 in the mean. What no rank has a gradient of is left without.

    An explicit mean in place of DistributedDataParallel, whose reducer expects one backward pass that reaches every
    parameter; a step here has a backward pass for each turn, and warm-up leaves some parameters out.
    """
    if engine.world_size == 1 or not parameters:
        return
    has = [p.grad is not None for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([parameters[0].new_tensor(has), *(g.flatten() for g in gradients)])
    torch.distributed.all_reduce(flat)
    flat /= engine.world_size
    share, *means = torch.split(flat, [len(has), *(g.numel() for g in gradients)])
    somewhere = has if all(has) else share.tolist()  # which has a GPU waited for
    for p, gradient, mean, is_there in zip(parameters, gradients, means, somewhere, strict=True):
        if is_there:
            p.grad = gradient.copy_(mean.view_as(gradient))
