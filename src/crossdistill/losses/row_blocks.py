"""Eq. 7-8 and Eq. 6 with their gradients in one pass over blocks of rows: exact, and nothing of B × B is kept.

All that Eq. 7-8 normalise, they normalise along a row, so a block of anchors against all candidates is complete in
itself. With z the scaled similarities of an anchor, h their softmax, w a negative's weight, q = w h / (1 − h) and
R = Σ q over its negatives, the gradient of the anchor's loss by z_j is

    a (k h_j − [j positive]) + b (q_j [j negative] − R h_j),

a and b being 1, or 1/k and 1/N for means. One product makes a block's z, two more its share of the gradients.

Where τ is small, 1 − h rounds to 0 in a row's largest column, the top. Its 1 − h is the sum of the others' h, which are
kept relative to the largest of them and not to the top: neither value nor gradient then divides by what has vanished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from crossdistill.losses.checks import without_autocast
from crossdistill.types import EVERYTHING, Share

NOWHERE = -1e30
"""For the logarithm of a candidate's weight of 0: below any similarity, and finite, as 0 times it is to be 0."""

Rows = Callable[[Tensor, Sequence[Tensor], Tensor, Tensor, Tensor | None, bool, bool], tuple[Tensor, Tensor]]


def loss_and_bound(
    full: Float[Tensor, "batch width"],
    other: Float[Tensor, "batch width"],
    labels: Int[Tensor, " batch"],
    temperature: float,
    mean: bool = False,
    beliefs: Float[Tensor, "batch classes"] | None = None,
    rows: int | None = None,
    both_ways: bool = False,
    share: Share = EVERYTHING,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """L_MI (Eq. 8) and the bound of Eq. 6, the latter without gradient.

    beliefs: as `mutual_information_loss` takes them, without gradient; rows: of a block, by the size of the batch
    unless given, which changes the order of sums alone; both_ways: add what the two sides give in each other's place,
    in small batches by the same product; share: which rows are the anchors. There are no second derivatives.
    """
    with without_autocast(full):
        moves = tuple(torch.is_grad_enabled() and side.requires_grad for side in (full, other))
        how = _How(temperature, mean, rows or _rows_of_block(full), both_ways, share, moves)
        made = _RowBlocks.apply(full, other, labels, beliefs, how)  # type: ignore[no-untyped-call]
    return made[0], made[1]


@dataclass(frozen=True)
class _How:
    """The arguments of `loss_and_bound` that are no tensors; moves: whether a gradient by full, by other is asked for.

    One argument in their place: a function with its own gradient looks at its arguments' names in each call.
    """

    temperature: float
    mean: bool
    rows: int
    both_ways: bool
    share: Share
    moves: tuple[bool, ...]


def _rows_of_block(full: Tensor) -> int:
    """On the CPU what products need to be fast; on a GPU 64 MiB of work in float32, or four times what `full` takes."""
    if full.device.type == "cpu":
        return max(32, min(512, 2**22 // len(full)))
    entries = 2**22 if _kernel(full.device.type) is None else max(2**24, 4 * full.numel())
    return max(32, entries // len(full))


def _rows_of_strip(full: Tensor) -> int:
    """Of a block, how many at a time go through the some sixty operations that come between its products: on the CPU
    what its caches hold, on a GPU all, which are two of each anchor where one product gives both directions."""
    return max(32, 2**17 // len(full)) if full.device.type == "cpu" else 2 * len(full)


@cache
def _kernel(device: str) -> Rows | None:
    """The rows of a block as one kernel, on a GPU where PyTorch came with Triton and Triton works."""
    if device != "cuda" or find_spec("triton") is None:
        return None
    from crossdistill.losses.row_kernel import rows_in_kernel

    one = torch.zeros(1, 1, device=device)
    try:
        for apart in (None, one):  # two programs
            rows_in_kernel(one, (), one[0].long(), one[0].long(), apart, False, True)
    except Exception:  # no C compiler, a card that it does not know: what is slower works everywhere
        return None
    return rows_in_kernel


class _RowBlocks(torch.autograd.Function):
    """Gradients are made in the forward pass, where the posteriors are at hand, and scaled in the backward pass."""

    @staticmethod
    def forward(
        full: Tensor, other: Tensor, labels: Tensor, beliefs: Tensor | None, how: _How
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Loss, bound, and the loss's gradients by full and other where these move."""
        size, rows, temperature = len(full), how.rows, how.temperature
        first, end, _ = how.share.rows.indices(size)
        (full, *length), (other, *other_length) = _unit_rows(full), _unit_rows(other)
        to_full, to_other = (
            torch.zeros_like(side) if moves else None for side, moves in zip((full, other), how.moves, strict=True)
        )
        blocks = [slice(start, min(start + rows, end)) for start in range(first, end, rows)]
        by_transposing = how.both_ways and size <= rows and end - first == size
        directions = [(full, other, to_full, to_other)]
        if how.both_ways and not by_transposing:
            directions.append((other, full, to_other, to_full))
        learns = any(how.moves)
        kernel = _kernel(full.device.type)
        rows_of, spares = (rows_in_strips, 3) if kernel is None else (kernel, 0)
        height = min(rows, size) * (2 if by_transposing else 1)
        work = full.new_empty(height, size)  # fresh memory for each block would cost a pass
        spare = tuple(full.new_empty(spares, min(height, _rows_of_strip(full)), size))
        losses, bounds, each = [], [], how.share.ranks / size
        for anchors, candidates, to_anchors, to_candidates in directions:
            for block in blocks:
                z = work[: height if by_transposing else block.stop - block.start]
                z_there = z[:size]
                torch.addmm(z_there, anchors[block], candidates.T, beta=0, alpha=1 / temperature, out=z_there)
                own = labels[block]
                if by_transposing:
                    z[size:].copy_(z_there.T)
                    own = labels.repeat(2)
                apart = None if beliefs is None else _apart(beliefs, block)
                loss, bound = rows_of(z, spare, own, labels, apart, how.mean, learns)
                losses.append(loss)
                bounds.append(bound)
                if learns and by_transposing:
                    z = z_there.add_(z[size:].T)
                if to_anchors is not None:
                    to_anchors[block].addmm_(z, candidates)
                if to_candidates is not None:
                    to_candidates.addmm_(z.T, anchors[block])
        del work, z, z_there, spare
        if to_full is not None:
            to_full = _before_unit_rows(to_full.mul_(each / temperature), full, *length)
        if to_other is not None:
            to_other = _before_unit_rows(to_other.mul_(each / temperature), other, *other_length)
        return torch.cat(losses).sum() * each, torch.cat(bounds).sum() * each, to_full, to_other

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        _, *constants = output
        ctx.mark_non_differentiable(*(made for made in constants if made is not None))
        ctx.save_for_backward(*output[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        scaled = (None if kept is None else gradient * kept for kept in ctx.saved_tensors)
        return *scaled, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        """One after another: a batch of batches fills the blocks no better."""
        mapped = list(zip(inputs, in_dims, strict=True))
        made = [
            _RowBlocks.apply(  # type: ignore[no-untyped-call]
                *(value if dim is None else value.select(dim, i) for value, dim in mapped)
            )
            for i in range(info.batch_size)
        ]
        stacked = tuple(None if parts[0] is None else torch.stack(parts) for parts in zip(*made, strict=True))
        return stacked, tuple(None if part is None else 0 for part in stacked)


def _unit_rows(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`cosine.unit_rows`, and what its gradient needs: each row's largest entry, infinity for a zero row, and its
    length in units of that. In place, as nothing is differentiated here: it would be a third more memory at the loss's
    peak."""
    scale = x.abs().amax(1, keepdim=True)
    scale.masked_fill_(scale == 0, torch.inf)
    x = x / scale
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(1)  # which it is, but of zero rows
    return x.div_(length), scale, length


def _before_unit_rows(gradient: Tensor, rows: Tensor, scale: Tensor, length: Tensor) -> Tensor:
    """The gradient by what `_unit_rows` made these rows of."""
    along = torch.linalg.vecdot(gradient, rows).unsqueeze(1)
    return gradient.addcmul_(rows, along, value=-1).div_(length).div_(scale)


def _apart(beliefs: Tensor, block: slice) -> Tensor:
    """How surely the samples of a pair are of different classes."""
    return torch.mm(beliefs[block], beliefs.T).neg_().add_(1).clamp_(0, 1)


def rows_in_strips(
    z: Tensor, spare: Sequence[Tensor], anchors: Tensor, labels: Tensor, apart: Tensor | None, mean: bool, learns: bool
) -> tuple[Tensor, Tensor]:
    """`rows_in_torch` of as many rows at a time as `spare` has room for."""
    rows = len(spare[0])
    if rows == len(z):
        return rows_in_torch(z, spare, anchors, labels, apart, mean, learns)
    made = []
    for start in range(0, len(z), rows):
        strip = slice(start, min(start + rows, len(z)))
        room = [work[: strip.stop - start] for work in spare]
        apart_there = None if apart is None else apart[strip]
        made.append(rows_in_torch(z[strip], room, anchors[strip], labels, apart_there, mean, learns))
    losses, bounds = zip(*made, strict=True)
    return torch.cat(losses), torch.cat(bounds)


def rows_in_torch(
    z: Tensor, spare: Sequence[Tensor], anchors: Tensor, labels: Tensor, apart: Tensor | None, mean: bool, learns: bool
) -> tuple[Tensor, Tensor]:
    """Each anchor's loss and bound, both (T,); z becomes the gradient of τ times the loss by the similarities.

    z: (T, B) similarities over τ; spare: three of its shape, room for work; anchors, labels: classes, (T,) and (B,);
    apart: (T, B), weights of the candidates, of which those of positives do not count; learns: without it z is left as
    it happens to be
    """
    positive, q, work = spare
    torch.eq(anchors[:, None], labels, out=positive)
    if apart is not None:
        apart = torch.maximum(apart, positive)  # a positive is to stay in Eq. 7 whole
    size = z.shape[1]
    if apart is not None:
        z.add_(torch.log(apart, out=work).clamp_min_(NOWHERE))
    k = positive.sum(1, keepdim=True)
    n = size - k if apart is None else apart.sum(1, keepdim=True) - k

    top, place = z.max(1, keepdim=True)
    top_positive = positive.gather(1, place)
    top_weight = (1 if apart is None else apart.gather(1, place)) - top_positive  # among the negatives
    second = z.scatter_(1, place, -torch.inf).amax(1, keepdim=True) if size > 1 else top
    gap = second - top
    z.sub_(second).scatter_(1, place, 0.0)
    positives = torch.mul(z, positive, out=work).sum(1, keepdim=True) + (k - top_positive) * gap  # z less the top's
    e = z.exp_().scatter_(1, place, 0.0)
    others, shrunk = e.sum(1, keepdim=True), gap.exp()
    odds = others * shrunk  # (1 - h) / h of the top
    others.clamp_min_(1)  # which it is, but where there are none
    log_total, h_top = torch.log1p(odds), 1 / (1 + odds)
    scale = shrunk * h_top  # h of the others is e times this

    torch.mul(e, scale, out=q).addcmul_(q, positive, value=-1)  # h of the negatives, but the top
    logs = torch.neg(q, out=work).log1p_()
    if apart is not None:
        logs.mul_(apart)
    positives = positives - k * log_total
    negatives = logs.sum(1, keepdim=True) + top_weight * (others.log() + gap - log_total)
    bound = torch.where(n > 0, (n / k).log() + positives + negatives, 0.0)  # Eq. 5 and 6
    if mean:
        a, a_k, b = 1 / k, torch.ones_like(k), 1 / n.clamp_min(1)
        positives, negatives, top_weight = a * positives, b * negatives, b * top_weight
    else:
        a, a_k, b = torch.ones_like(k), k, None
    loss = -(positives + negatives)

    if learns:
        q.div_(torch.neg(q, out=work).add_(1))
        if apart is not None:
            q.mul_(apart)
        if b is not None:
            q.mul_(b)
        without_r = top_weight - q.sum(1, keepdim=True)
        e.mul_(scale * (a_k + without_r) - top_weight / others).add_(q).addcmul_(positive, a, value=-1)
        of_top = torch.where(top_positive > 0, a_k - a - a_k * odds * h_top, a_k * h_top) + without_r * h_top
        e.scatter_(1, place, of_top)
    return loss.squeeze(1), bound.squeeze(1)
