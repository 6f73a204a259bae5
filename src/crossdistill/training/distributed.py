"""The one gather: every rank sees the whole global batch's representations, and its gradients add up exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from crossdistill.training.engine import Engine
from crossdistill.types import Batch, InputError, Mixing, Note, Representations, one_line

Value = TypeVar("Value")


def gather(engine: Engine, representations: Representations, batch: Batch) -> tuple[Representations, Batch]:
    """The global batch, in rank order, without its inputs: objectives read representations, labels, rows, present.

    Each rank then computes the same loss of the global batch. The gather's backward adds up the ranks' gradients of a
    representation, W times the true one, and `average_gradients` divides the parameters' gradients by W, so that
    parameters before and after the gather both get the gradient of the one-process loss.
    """
    if engine.world_size == 1:
        return representations, Batch({}, batch.labels, batch.rows, batch.present, mixing=batch.mixing)
    gathered = representations.map(lambda tensor: _gather(engine, tensor))
    present = _gather_present(engine, batch.present)
    labels, rows = _gather(engine, batch.labels), _gather(engine, batch.rows)
    return gathered, Batch({}, labels, rows, present, mixing=_gather_mixing(engine, batch))


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
    except (InputError, OSError) as error:
        problem = one_line(error)
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
    """Replace each gradient by its mean over ranks, in one message.

    An explicit mean in place of DistributedDataParallel, whose reducer expects one backward pass that reaches every
    parameter; a step here has a backward pass for each turn, and warm-up leaves some parameters out.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if engine.world_size == 1 or not gradients:
        return
    flat = cast(Tensor, engine.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean"))
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _gather_present(engine: Engine, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather who has which modality, in one message, and bring it back to the CPU."""
    if not present:
        return {}
    masks = _gather(engine, torch.stack(list(present.values()), dim=1).to(engine.device, torch.uint8)).bool().cpu()
    return dict(zip(present, masks.unbind(1), strict=True))


def _gather_mixing(engine: Engine, batch: Batch) -> Mixing | None:
    if batch.mixing is None:
        return None
    first = engine.global_rank * len(batch.labels)  # partners are of this rank's own share
    partners = _gather(engine, batch.mixing.partners + first)
    weights, whole = _gather(engine, batch.mixing.weights), _gather(engine, batch.mixing.whole.to(torch.uint8)).bool()
    return Mixing(partners, weights, whole)


def _gather(engine: Engine, tensor: Tensor) -> Tensor:
    return cast(Tensor, engine.all_gather(tensor, sync_grads=tensor.requires_grad)).flatten(0, 1)
