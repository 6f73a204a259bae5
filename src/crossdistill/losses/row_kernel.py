"""`row_blocks.rows_in_torch` as one Triton kernel for GPUs: a program to each row, nothing on its way in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from crossdistill.losses.row_blocks import NOWHERE

LARGEST_TILE = 8192
"""Columns that a program has in registers at a time."""


def rows_in_kernel(
    z: Tensor, _: Sequence[Tensor], anchors: Tensor, labels: Tensor, apart: Tensor | None, mean: bool, learns: bool
) -> tuple[Tensor, Tensor]:
    """Each anchor's loss and bound, both (T,); z becomes the gradient of τ times the loss by the similarities.

    z: (T, B), contiguous, similarities over τ; anchors: (T,), labels: (B,), classes; apart: (T, B), weights of the
    candidates, what it has for positives does not count; learns: without it z stays as it is
    """
    rows, size = z.shape
    anchors, labels = anchors.long(), labels.long()
    loss, bound = z.new_empty(rows), z.new_empty(rows)
    tile = min(triton.next_power_of_2(size), LARGEST_TILE)
    with torch.cuda.device(z.device):  # Triton starts on the current one
        _rows[(rows,)](
            z, z if apart is None else apart, anchors, labels, loss, bound, size,
            FLOOR=NOWHERE, WEIGHTED=apart is not None, MEAN=mean, LEARNS=learns, TILE=tile,
            num_warps=max(1, min(16, tile // 256)),
        )  # fmt: skip
    return loss, bound


@triton.jit
def _rows(
    z_rows, apart_rows, anchors, labels, loss, bound, size,
    FLOOR: tl.constexpr, WEIGHTED: tl.constexpr, MEAN: tl.constexpr, LEARNS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    z_row, apart_row, own = z_rows + row * size, apart_rows + row * size, tl.load(anchors + row)
    zero = tl.zeros([], z_rows.dtype.element_ty)

    top, second, place, k, n = zero - float("inf"), zero - float("inf"), 0, zero, zero
    top_negative = zero
    for start in range(0, size, TILE):
        column, z, positive, weight = _tile(z_row, apart_row, labels, own, start, size, FLOOR, WEIGHTED, TILE)
        k += tl.sum(positive)
        n += tl.sum(weight)
        largest, at = tl.max(z), tl.argmax(z, 0)
        is_largest = column == start + at
        next_largest = tl.max(tl.where(is_largest, float("-inf"), z))
        higher = largest > top
        second = tl.where(higher, tl.maximum(top, next_largest), tl.maximum(second, largest))
        place = tl.where(higher, start + at, place)
        top_negative = tl.where(higher, tl.sum(tl.where(is_largest, weight, 0.0)), top_negative)
        top = tl.where(higher, largest, top)
    second = tl.where(size > 1, second, top)
    gap = second - top
    top_is_positive = tl.load(labels + place) == own

    others, positives = zero, zero
    for start in range(0, size, TILE):
        column, z, positive, _ = _tile(z_row, apart_row, labels, own, start, size, FLOOR, WEIGHTED, TILE)
        rest = (column != place) & (column < size)
        others += tl.sum(tl.where(rest, tl.exp(z - second), 0.0))
        positives += tl.sum(tl.where(rest & (positive > 0), z - second, 0.0))
    positives += tl.where(top_is_positive, k - 1, k) * gap
    shrunk = tl.exp(gap)
    odds = others * shrunk
    others = tl.maximum(others, 1.0)
    log_total, h_top = _log1p(odds), 1 / (1 + odds)
    scale = shrunk * h_top
    positives -= k * log_total

    negatives, r = zero, zero
    for start in range(0, size, TILE):
        column, z, _, weight = _tile(z_row, apart_row, labels, own, start, size, FLOOR, WEIGHTED, TILE)
        rest = (column != place) & (column < size)
        h = tl.where(rest & (weight > 0), tl.exp(z - second) * scale, 0.0)
        negatives += tl.sum(weight * _log1p(-h))
        r += tl.sum(weight * h / (1 - h))
    negatives += tl.where(top_is_positive, 0.0, top_negative * (tl.log(others) + gap - log_total))

    a, b = zero + 1, zero + 1
    if MEAN:
        a, b = 1 / k, 1 / tl.maximum(n, 1.0)
    tl.store(loss + row, -(a * positives + b * negatives))
    tl.store(bound + row, tl.where(n > 0, tl.log(n / k) + positives + negatives, 0.0))

    if LEARNS:
        of_e = scale * (a * k - b * (r - top_negative)) - b * top_negative / others
        of_positive = a * (k - 1) - (a * k * odds + b * r) * h_top
        of_negative = (a * k + b * (top_negative - r)) * h_top
        of_top = tl.where(top_is_positive, of_positive, of_negative)
        for start in range(0, size, TILE):
            column, z, positive, weight = _tile(z_row, apart_row, labels, own, start, size, FLOOR, WEIGHTED, TILE)
            e = tl.exp(z - second)
            h = tl.where(weight > 0, e * scale, 0.0)
            gradient = e * of_e + b * weight * h / (1 - h) - a * positive
            tl.store(z_row + column, tl.where(column == place, of_top, gradient), mask=column < size)


@triton.jit
def _tile(
    z_row, apart_row, labels, own, start, size, FLOOR: tl.constexpr, WEIGHTED: tl.constexpr, TILE: tl.constexpr
):  # fmt: skip
    """Columns, similarities, 1 for positives, and the weights of negatives, of a part of the row."""
    column = start + tl.arange(0, TILE)
    inside = column < size
    z = tl.load(z_row + column, mask=inside, other=float("-inf"))
    same = (tl.load(labels + column, mask=inside, other=0) == own) & inside
    if WEIGHTED:
        apart = tl.load(apart_row + column, mask=inside, other=0.0)
        z += tl.where(same, 0.0, tl.maximum(tl.log(apart), FLOOR))
        weight = tl.where(same, 0.0, apart)
    else:
        weight = tl.where(same | ~inside, 0.0, 1.0)
    return column, z, same.to(z.dtype), weight.to(z.dtype)


@triton.jit
def _log1p(x):
    """Kahan's: exact to rounding where x vanishes beside 1."""
    total = 1 + x
    return tl.where(total == 1, x, tl.log(total) * (x / (total - 1)))
