"""Relations between samples: distances of pairs and angles of triplets (Park, Kim, Lu, Cho 2019)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import huber_loss

from crossdistill.losses.checks import full_precision, require_pair, without_autocast

Reduction = Literal["sum", "mean"]


def distance_relation_loss(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch width"], reduction: Reduction = "mean"
) -> Float[Tensor, ""]:
    """L_RKD-D (Section 3.2.1): Huber loss of the pairs' distances, each divided by its own space's mean distance μ.

    Use it where the student's space need not be the teacher's, as long as who is near whom is kept (RKD: Park, Kim, Lu,
    Cho; CVPR 2019).

    student, teacher: (B, D); pairs are the B(B − 1) ordered ones of different samples. reduction: "sum" is the loss as
    printed, "mean" divides it by the number of pairs. Where all rows of an argument are identical (μ = 0) its relative
    distances are 0. Gradients reach both arguments. Memory O(B²D). Raises ValueError on a shape or dtype mismatch or
    an unknown reduction.

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
    return loss / _count(len(student), 2) if reduction == "mean" else loss


def angle_relation_loss(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch width"], reduction: Reduction = "mean"
) -> Float[Tensor, ""]:
    """L_RKD-A (Section 3.2.2): Huber loss of the cosines of the angles ∠ ijk that triplets of samples form at j.

    Use it beside `distance_relation_loss`: it relates three samples at a time (RKD: Park, Kim, Lu, Cho; CVPR 2019).

    student, teacher: (B, D); triplets are the B(B − 1)(B − 2) ordered ones of different samples, none when B = 2.
    reduction: "sum" is the loss as printed, "mean" divides it by their number. Between identical rows there is no
    direction: such an angle's cosine is taken as 0. Gradients reach both arguments. Memory O(B³ + B²D).
    Raises ValueError on a shape or dtype mismatch or an unknown reduction.

    >>> import torch
    >>> from crossdistill.losses import angle_relation_loss
    >>> teacher = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> round(float(angle_relation_loss(10 * teacher.flip(1), teacher)), 3)  # scaled and mirrored
    0.0
    >>> round(float(angle_relation_loss(teacher * torch.tensor([2.0, 1.0]), teacher)), 3)
    0.019
    """
    _check(student, teacher, reduction)
    losses = huber_loss(_angle_cosines(student), _angle_cosines(teacher), reduction="none")  # (j, i, k), 0 for i = j
    different = ~torch.eye(len(student), dtype=torch.bool, device=student.device)  # i ≠ k
    loss = (losses * different).sum()
    return loss / _count(len(student), 3) if reduction == "mean" else loss


def _differences(x: Tensor) -> Float[Tensor, "batch batch width"]:
    """x_i − x_j, after division by the largest entry: relations are free of scale, and squares stay finite."""
    x = full_precision(x)
    scale = x.detach().abs().amax()
    x = x / torch.where(scale != 0, scale, 1.0)
    return x[:, None] - x[None, :]


def _lengths(differences: Tensor) -> tuple[Float[Tensor, "batch batch"], Bool[Tensor, "batch batch"]]:
    """Lengths of differences, 0 with slope 0 between identical rows, and which of them are not 0."""
    squares = differences.square().sum(dim=2)
    apart = ~(squares < torch.finfo(squares.dtype).tiny)  # true for NaN, which must show
    return torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0), apart


def _relative_distances(x: Tensor) -> Float[Tensor, "batch batch"]:
    distances, _ = _lengths(_differences(x))
    mean = distances.sum() / _count(len(x), 2)  # μ
    return distances / torch.where(mean != 0, mean, 1.0)


def _angle_cosines(x: Tensor) -> Float[Tensor, "batch batch batch"]:
    """<e^ij, e^kj> at [j, i, k]; 0 where a direction e is missing."""
    differences = _differences(x)
    lengths, apart = _lengths(differences)
    inverse = torch.where(apart, 1 / torch.where(apart, lengths, 1.0), 0.0)
    with without_autocast(x):
        products = differences @ differences.transpose(1, 2)  # of x_j − x_i and x_j − x_k: both signs turn
    return products * inverse[:, :, None] * inverse[:, None, :]  # cheaper than dividing B² vectors


def _count(batch: int, size: int) -> int:
    """Number of ordered tuples of `size` different samples; at least 1, so that no tuples give a mean of 0."""
    pairs = batch * (batch - 1)
    return max(pairs if size == 2 else pairs * (batch - 2), 1)


def _check(student: Tensor, teacher: Tensor, reduction: str) -> None:
    require_pair(student, teacher, ("student", "teacher"), "(B, D)")
    if reduction not in ("sum", "mean"):
        raise ValueError(f"expected reduction 'sum' or 'mean', got {reduction!r}")
