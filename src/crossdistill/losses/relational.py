"""Relations between samples: distances of pairs and angles of triplets (Park, Kim, Lu, Cho 2019)."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import huber_loss

from crossdistill.losses.checks import (
    Reduction,
    full_precision,
    require_pair,
    require_reduction,
    without_autocast,
)
from crossdistill.types import EVERYTHING, Share


def distance_relation_loss(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch width"], reduction: Reduction = "mean"
) -> Float[Tensor, ""]:
    """L_RKD-D (Section 3.2.1): Huber loss of the pairs' distances, each divided by its own space's mean distance μ.

    Use it where the student's space need not be the teacher's, as long as who is near whom is kept (RKD: Park, Kim, Lu,
    Cho; CVPR 2019). Pairs are the B(B − 1) ordered ones of different samples. Where all rows of an argument are
    identical (μ = 0) its relative distances are 0. Gradients reach both arguments. Memory O(B²).

    Args:
        student: (B, D)
        teacher: (B, D)
        reduction: "sum" is the loss as printed, "mean" divides it by the number of pairs

    Raises:
        ValueError: a shape or dtype mismatch, or an unknown reduction.

    >>> import torch
    >>> from crossdistill.losses import distance_relation_loss
    >>> teacher = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> round(float(distance_relation_loss(10 * teacher + 1, teacher)), 3)  # scale and place do not matter
    0.0
    >>> round(float(distance_relation_loss(teacher * torch.tensor([2.0, 1.0]), teacher)), 3)
    0.03
    """
    _check(student, teacher, reduction)
    loss = huber_loss(_relative_distances(student), _relative_distances(teacher), reduction="sum")  # diagonals are 0
    return (loss / _count(len(student), 2) if reduction == "mean" else loss).to(full_precision(student).dtype)


def angle_relation_loss(
    student: Float[Tensor, "batch width"],
    teacher: Float[Tensor, "batch width"],
    reduction: Reduction = "mean",
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """L_RKD-A (Section 3.2.2): Huber loss of the cosines of the angles ∠ ijk that triplets of samples form at j.

    Use it beside `distance_relation_loss`: it relates three samples at a time (RKD: Park, Kim, Lu, Cho; CVPR 2019).
    Triplets are the B(B − 1)(B − 2) ordered ones of different samples, none when B = 2. Between identical rows there is
    no direction: such an angle's cosine is taken as 0. Gradients reach both arguments, without second derivatives.
    Memory O(B²).

    Args:
        student: (B, D)
        teacher: (B, D)
        reduction: "sum" is the loss as printed, "mean" divides it by the number of triplets
        share: the vertices j that this rank computes, of a batch that ranks divide; the ranks' mean is then the loss

    Raises:
        ValueError: a shape or dtype mismatch, or an unknown reduction.

    >>> import torch
    >>> from crossdistill.losses import angle_relation_loss
    >>> teacher = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> round(float(angle_relation_loss(10 * teacher.flip(1), teacher)), 3)  # scaled and mirrored
    0.0
    >>> round(float(angle_relation_loss(teacher * torch.tensor([2.0, 1.0]), teacher)), 3)
    0.019
    """
    _check(student, teacher, reduction)
    precision = full_precision(student).dtype
    sides = _squared_distances(student), _squared_distances(teacher)
    loss = share.ranks * _sum_over_angles(*sides, precision, share.rows)
    return (loss / _count(len(student), 3) if reduction == "mean" else loss).to(precision)


def _squared_distances(x: Tensor) -> Float[Tensor, "batch batch"]:
    """Squared distances of all pairs of rows in float64, 0 with slope 0 between identical ones.

    They come from a Gram matrix, which takes B² numbers and not B²D. Its rounding is that of squared lengths: so rows
    are divided by the largest entry, centred, and taken in float64; near-duplicates, of which even so too little is
    left, get their squared differences instead.
    """
    x = full_precision(x).double()
    scale = x.detach().abs().amax()
    x = x / torch.where(scale != 0, scale, 1.0)
    x = x - x.detach().mean(dim=0)  # distances do not see it
    with without_autocast(x):
        gram = x @ x.T
    lengths = gram.diagonal()
    both = lengths[:, None] + lengths
    squares = both - 2 * gram
    exact = squares.detach().clone().fill_diagonal_(0.0)
    near = (exact <= 1e-6 * both.detach()).nonzero()  # not of NaN, which must show
    for pairs in torch.split(near, max(1, 2**20 // x.shape[1])):
        first, second = pairs.unbind(1)
        exact[first, second] = (x.detach()[first] - x.detach()[second]).square().sum(dim=1)
    return torch.where(exact != 0, (squares - squares.detach()) + exact, 0.0)


def _relative_distances(x: Tensor) -> Float[Tensor, "batch batch"]:
    squares = _squared_distances(x)
    apart = squares.detach() != 0
    distances = torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0)
    mean = distances.sum() / _count(len(x), 2)  # μ
    return distances / torch.where(mean != 0, mean, 1.0)


def _sum_over_angles(
    student: Float[Tensor, "batch batch"], teacher: Float[Tensor, "batch batch"], work: torch.dtype, vertices: slice
) -> Float[Tensor, ""]:
    """Σ of Huber losses of the cosines over triplets, of both sides' squared distances.

    Value and gradients are made in one pass over blocks of vertices j, so that nothing of B³ is kept. There are no
    second derivatives.
    work: the dtype of cosines; only what cancels in them is subtracted in float64
    """
    sides = [student.detach(), teacher.detach()]
    moves = [torch.is_grad_enabled() and side.requires_grad for side in (student, teacher)]
    with torch.no_grad(), without_autocast(student):
        half_inverses = [_inverse_distances(side).mul_(math.sqrt(0.5)).to(work) for side in sides]  # of 2 cos: one each
        total = student.new_zeros(())
        gradients = [torch.zeros_like(side) for side in sides]
        first, end, _ = vertices.indices(len(student))
        rows = _vertices_of_block(student)
        for start in range(first, end, rows):
            block = slice(start, min(start + rows, end))
            cosines = [_cosines(side, inverse, block) for side, inverse in zip(sides, half_inverses, strict=True)]
            differences = cosines[0] - cosines[1]  # (j, i, k), 0 for i = j and k = j
            differences.diagonal(dim1=1, dim2=2).zero_()  # i = k
            slopes = differences.clamp(-1, 1)  # of Huber's loss, which is slope (difference − slope / 2)
            total = total + differences.sub_(slopes, alpha=0.5).mul_(slopes).sum(dtype=torch.float64)
            for place in range(2):
                if moves[place]:
                    sign = 1 - 2 * place
                    _add_gradient(gradients[place], slopes, cosines[place], half_inverses[place], block, sign)
    for side, moved, gradient in zip((student, teacher), moves, gradients, strict=True):
        if moved:
            total = _WithGradient.apply(total, side, gradient)  # type: ignore[no-untyped-call]
    return total


def _cosines(squares: Tensor, half_inverse: Tensor, block: slice) -> Float[Tensor, "vertices batch batch"]:
    """<e^ij, e^kj> at [j, i, k] by the law of cosines; 0 where a direction e is missing."""
    twice = torch.sub(squares[block, None, :], squares).add_(squares[block, :, None]).to(half_inverse.dtype)
    return twice.mul_(half_inverse[block, :, None]).mul_(half_inverse[block, None, :])


def _add_gradient(
    gradient: Tensor, slopes: Tensor, cosines: Tensor, half_inverse: Tensor, block: slice, sign: int
) -> None:
    """Add a block's share of the gradient by the squared distances: of the three in each triplet, by the law of
    cosines, and of the lengths that divide them. Slopes are symmetric in i and k."""
    inverse = half_inverse[block]  # √½ of it
    sides = torch.bmm(slopes, inverse[:, :, None]).squeeze(2) * inverse
    lengths = torch.linalg.vecdot(slopes, cosines) * inverse.square()
    gradient[block] += (sides - lengths).mul_(2 * sign)
    across = (slopes * inverse[:, :, None]).mul_(inverse[:, None, :]).sum(dim=0)
    gradient.sub_(across, alpha=sign)


def _inverse_distances(squares: Tensor) -> Float[Tensor, "batch batch"]:
    apart = squares != 0
    return torch.where(apart, torch.where(apart, squares, 1.0).rsqrt(), 0.0)


def _vertices_of_block(squares: Tensor) -> int:
    """As many as keep a block within a CPU's cache, or within 64 MiB of float32 on a GPU."""
    entries = 2**17 if squares.device.type == "cpu" else 2**24
    return max(1, entries // squares.numel())


class _WithGradient(torch.autograd.Function):
    """A value whose gradient by a tensor has been made already."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, by: Tensor, gradient: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (made,) = ctx.saved_tensors
        return gradients[0], gradients[0] * made, None


def _count(batch: int, size: int) -> int:
    """Number of ordered tuples of `size` different samples; at least 1, so that no tuples give a mean of 0."""
    pairs = batch * (batch - 1)
    return max(pairs if size == 2 else pairs * (batch - 2), 1)


def _check(student: Tensor, teacher: Tensor, reduction: Reduction) -> None:
    require_pair(student, teacher, ("student", "teacher"), "(B, D)")
    require_reduction(reduction)
