"""Park et al. 2019 as slow loops in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from tests.losses.equations import Row, Rows


def huber(x: float, y: float) -> float:
    """l_δ, δ = 1: ½ (x − y)² for |x − y| ≤ 1, else |x − y| − ½."""
    return 0.5 * (x - y) ** 2 if abs(x - y) <= 1 else abs(x - y) - 0.5


def relative_distance(x: Rows, i: int, j: int) -> float:
    """ψ_D(t_i, t_j) = ||t_i − t_j|| / μ, with μ the mean over X², the pairs of different samples."""
    pairs = list(itertools.permutations(range(len(x)), 2))
    mean = sum(math.dist(x[a], x[b]) for a, b in pairs) / len(pairs)
    return math.dist(x[i], x[j]) / mean if mean else 0.0


def direction(x: Rows, i: int, j: int) -> Row:
    """e^ij = (t_i − t_j) / ||t_i − t_j||; none between identical samples."""
    length = math.dist(x[i], x[j])
    return [(a - b) / length if length else 0.0 for a, b in zip(x[i], x[j], strict=True)]


def angle(x: Rows, i: int, j: int, k: int) -> float:
    """ψ_A(t_i, t_j, t_k) = cos ∠ t_i t_j t_k = <e^ij, e^kj>."""
    return sum(a * b for a, b in zip(direction(x, i, j), direction(x, k, j), strict=True))


def relation_loss(size: int, potential: Callable[..., float], student: Rows, teacher: Rows, reduction: str) -> float:
    """L_RKD = Σ_{X^N} l(ψ(t_1, ..., t_N), ψ(s_1, ..., s_N)), over tuples of different samples."""
    tuples = list(itertools.permutations(range(len(student)), size))
    total = sum(huber(potential(teacher, *where), potential(student, *where)) for where in tuples)
    return total / max(len(tuples), 1) if reduction == "mean" else total
