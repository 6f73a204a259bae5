"""Φ of Eq. 7, the cosine similarity, and its averages over pairs that Eq. 14 and Figure 5 use."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossdistill.losses.checks import full_precision, require_labels, require_pair, without_autocast


def unit_rows(x: Float[Tensor, "rows width"], least: Tensor | float = 0.0) -> Float[Tensor, "rows width"]:
    """Each row divided by its length; a zero row has no direction, stays zero and gets a zero gradient.

    least: (rows, 1) or for all: a row that has no entry above it counts as a zero row

    Dividing by the largest entry first keeps the square finite and changes neither value nor gradient: the direction
    of a row does not depend on its scale.
    """
    scale = x.detach().abs().amax(dim=1, keepdim=True)
    x = x / scale.masked_fill(scale <= least, torch.inf)  # NaN is not, and must show
    length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / length.clamp_min(0.5)  # at least 1, but of zero rows


def centred_rows(x: Float[Tensor, "rows entries"]) -> Float[Tensor, "rows entries"]:
    """Each row, of entries within [-1, 1], less its mean; 0 where it varies by no more than rounding.

    What is left of a constant row is rounding, whose direction means nothing and whose gradient would be huge.
    """
    centred = x - x.mean(dim=1, keepdim=True)
    constant = centred.detach().abs().amax(dim=1, keepdim=True) <= 16 * torch.finfo(x.dtype).eps  # false for NaN
    return torch.where(constant, 0.0, centred)


def cosine_similarity(
    full: Float[Tensor, "batch width"], other: Float[Tensor, "batch width"]
) -> Float[Tensor, "batch batch"]:
    """Φ(M_i, S_j) for every pair of a row of `full` and a row of `other`, in float32 or float64."""
    with without_autocast(full):
        return unit_rows(full_precision(full)) @ unit_rows(full_precision(other)).T


def pair_cosine(full: Float[Tensor, "batch width"], other: Float[Tensor, "batch width"]) -> Float[Tensor, ""]:
    """Mean of Φ(M_i, S_i) over the batch, in [-1, 1].

    A measure of alignment for logs and for Eq. 14: 1 where every student representation has its teacher's direction.

    Args:
        full: (B, D)
        other: (B, D)

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import pair_cosine
    >>> full = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> float(pair_cosine(full, 10 * full)), float(pair_cosine(full, full.flip(0))), float(pair_cosine(full, -full))
    (1.0, 0.0, -1.0)
    """
    require_pair(full, other, ("full", "other"), "(B, D)")
    return (unit_rows(full_precision(full)) * unit_rows(full_precision(other))).sum(dim=1).mean()


def same_class_cosine(
    full: Float[Tensor, "batch width"], other: Float[Tensor, "batch width"], labels: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Mean of Φ(M_v, S_v^{η_j}), j ≠ 0: over ordered pairs of different samples of one class (Eq. 14, Figure 5).

    Beside `pair_cosine` it tells whether a class, and not its samples alone, is aligned. 0 when no class appears twice:
    ask `same_class_pairs` first.

    Args:
        full: (B, D)
        other: (B, D)
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import same_class_cosine
    >>> full = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> float(same_class_cosine(full, full, torch.tensor([0, 0, 1])))  # samples 0 and 1
    1.0
    >>> float(same_class_cosine(full, full, torch.tensor([0, 1, 1])))  # samples 1 and 2
    0.0
    """
    return alignment(full, other, labels).same_class


def same_class_pairs(labels: Int[Tensor, " batch"]) -> Int[Tensor, ""]:
    """Number of ordered pairs of different samples of one class.

    It is the weight of a batch's `same_class_cosine` in a mean over batches; 0 means that there is nothing to average.

    Args:
        labels: (B,) integers; -1 is a class like any other: of samples without a label give `as_own_classes(labels)`

    Raises:
        ValueError: labels that are not (B,) integers.

    >>> import torch
    >>> from crossdistill.losses import same_class_pairs
    >>> int(same_class_pairs(torch.tensor([0, 0, 0, 1]))), int(same_class_pairs(torch.tensor([0, 1, 2, 3])))
    (6, 0)
    """
    require_labels(labels)
    return _pairs(_classes(labels))


class Alignment(NamedTuple):
    """`pair_cosine`, `same_class_cosine` and `same_class_pairs` of a batch."""

    pair: Float[Tensor, ""]
    same_class: Float[Tensor, ""]
    pairs: Int[Tensor, ""]


def alignment(
    full: Float[Tensor, "batch width"], other: Float[Tensor, "batch width"], labels: Int[Tensor, " batch"]
) -> Alignment:
    """All three at the price of one: rows are brought to length 1, and classes numbered, once."""
    require_pair(full, other, ("full", "other"), "(B, D)")
    require_labels(labels, len(full))
    classes = _classes(labels)
    rows, others = unit_rows(full_precision(full)), unit_rows(full_precision(other))
    of_class = _class_sums(rows, classes).double() * _class_sums(others, classes)
    of_pair = _class_sums((rows.double() * others).sum(dim=1), classes)
    total = (of_class.sum(dim=1) - of_pair).sum()  # all pairs of a class, less each sample with itself
    pairs = _pairs(classes)
    same_class = (total * (pairs > 0) / pairs.clamp_min(1)).to(rows.dtype)
    return Alignment((rows * others).sum(dim=1).mean(), same_class, pairs)


def _pairs(classes: Int[Tensor, " batch"]) -> Int[Tensor, ""]:
    counts = _class_sums(torch.ones_like(classes), classes)
    return (counts * (counts - 1)).sum()


def _classes(labels: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """The labels' classes numbered from 0, in the labels' order; unlike `torch.unique` no wait for the device."""
    in_order, order = labels.sort()
    new = torch.zeros_like(order)
    new[1:] = in_order[1:] != in_order[:-1]
    return torch.empty_like(order).scatter_(0, order, new.cumsum(0))


def _class_sums(values: Tensor, classes: Int[Tensor, " batch"]) -> Tensor:
    """Sums of the rows of each class, zeros where there are fewer classes than rows."""
    return torch.zeros_like(values).index_add_(0, classes, values)
