"""The one gather: every rank sees the whole global batch's representations, and its gradients add up exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from crossdistill.types import Batch, InputError, Mixing, Note, Representations, one_line

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def gather(fabric: Fabric, representations: Representations, batch: Batch) -> tuple[Representations, Batch]:
    """The global batch, in rank order, without its inputs: objectives read representations, labels, rows, present.

    Each rank then computes the same loss of the global batch. The gather's backward adds up the ranks' gradients of a
    representation, W times the true one, and `average_gradients` divides the parameters' gradients by W, so that
    parameters before and after the gather both get the gradient of the one-process loss.
    """
    if fabric.world_size == 1:
        return representations, Batch({}, batch.labels, batch.rows, batch.present, mixing=batch.mixing)
    gathered = representations.map(lambda tensor: _gather(fabric, tensor))
    present = _gather_present(fabric, batch.present)
    labels, rows = _gather(fabric, batch.labels), _gather(fabric, batch.rows)
    return gathered, Batch({}, labels, rows, present, mixing=_gather_mixing(fabric, batch))


def gather_notes(fabric: Fabric, notes: Sequence[Note]) -> list[Note]:
    """Gather all ranks' notes, in rank order."""
    if fabric.world_size == 1:
        return list(notes)
    by_rank: list[list[Note]] = [[]] * fabric.world_size
    torch.distributed.all_gather_object(by_rank, list(notes))
    return [note for rank in by_rank for note in rank]


def on_first_rank(fabric: Fabric, act: Callable[[], None]) -> None:
    """Do something on the first rank, while the others wait for it.

    What goes wrong there is raised on all ranks, which would otherwise wait for ever: InputError on the others.
    """
    problem = ""
    try:
        if fabric.is_global_zero:
            act()
    except (InputError, OSError) as error:
        problem = one_line(error)
        raise
    finally:
        problem = fabric.broadcast(problem) if fabric.world_size > 1 else problem
    if problem:
        raise InputError(problem)


def require_same_start(fabric: Fabric, place: tuple[int, int, int]) -> None:
    """Raise InputError unless all ranks go on from the same stage, epoch and step: their folder may not be one that
    they share, or a file in it damaged for one of them alone."""
    if fabric.world_size == 1:
        return
    places: list[tuple[int, int, int]] = [place] * fabric.world_size
    torch.distributed.all_gather_object(places, place)
    if len(set(places)) > 1:
        found = ", ".join(
            f"rank {rank}: stage {stage}, epoch {epoch}" + (f", step {step}" if step else "")
            for rank, (stage, epoch, step) in enumerate(places)
        )
        raise InputError(f"the ranks found different checkpoints ({found}); they need one folder that all of them see")


def average_gradients(fabric: Fabric, parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over ranks, in one message.

    An explicit mean in place of DistributedDataParallel, whose reducer expects one backward pass that reaches every
    parameter; a step here has a backward pass for each turn, and warm-up leaves some parameters out.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    flat = cast(Tensor, fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean"))
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _gather_present(fabric: Fabric, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather who has which modality, in one message, and bring it back to the CPU."""
    if not present:
        return {}
    masks = _gather(fabric, torch.stack(list(present.values()), dim=1).to(fabric.device, torch.uint8)).bool().cpu()
    return dict(zip(present, masks.unbind(1), strict=True))


def _gather_mixing(fabric: Fabric, batch: Batch) -> Mixing | None:
    if batch.mixing is None:
        return None
    first = fabric.global_rank * len(batch.labels)  # partners are of this rank's own share
    partners = _gather(fabric, batch.mixing.partners + first)
    weights, whole = _gather(fabric, batch.mixing.weights), _gather(fabric, batch.mixing.whole.to(torch.uint8)).bool()
    return Mixing(partners, weights, whole)


def _gather(fabric: Fabric, tensor: Tensor) -> Tensor:
    return cast(Tensor, fabric.all_gather(tensor, sync_grads=tensor.requires_grad)).flatten(0, 1)
