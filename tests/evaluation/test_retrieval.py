"""Retrieval against slow loops: ties, chunk borders, zero rows, and memory bounded by the chunks."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from crossdistill.evaluation import nearest, recall_at_k


def slow_nearest(queries: list[list[int]], gallery: list[list[int]], k: int) -> list[list[int]]:
    """Rank by cosine in exact arithmetic: sign(dot) dot² / |g|² orders as the cosine does for a fixed query."""

    def key(query: list[int], row: list[int]) -> Fraction:
        dot = sum(q * g for q, g in zip(query, row, strict=True))
        square = sum(g * g for g in row)
        return Fraction(dot * abs(dot), square) if square else Fraction(0)

    return [sorted(range(len(gallery)), key=lambda g: (-key(query, gallery[g]), g))[:k] for query in queries]


@pytest.mark.parametrize(("query_chunk", "gallery_chunk"), [(1, 1), (2, 3), (3, 7), (5, 20), (512, 8192)])
@pytest.mark.parametrize("k", [1, 4, 20, 50])
def test_nearest_is_the_exact_order(query_chunk: int, gallery_chunk: int, k: int) -> None:
    # small integers make many exact ties (among them multiples of one row) and zero rows
    generator = torch.Generator().manual_seed(k)
    queries = torch.randint(-1, 2, (7, 3), generator=generator)
    gallery = torch.randint(-2, 3, (20, 3), generator=generator)
    queries[2], gallery[5] = 0, 0
    found = nearest(queries, gallery, k, query_chunk=query_chunk, gallery_chunk=gallery_chunk)
    assert found.tolist() == slow_nearest(queries.tolist(), gallery.tolist(), k)


def test_equal_rows_come_in_order_whatever_the_chunks() -> None:
    row = torch.randn(512, generator=torch.Generator().manual_seed(0))
    gallery = row.expand(1000, 512)
    for chunk in (1, 7, 64, 999, 8192):
        assert nearest(row[None], gallery, 30, gallery_chunk=chunk).tolist() == [list(range(30))]


def test_zero_query_takes_the_first_rows_and_scale_does_not_matter() -> None:
    gallery = np.random.default_rng(0).normal(size=(9, 4))
    assert nearest(np.zeros((1, 4)), gallery, 3).tolist() == [[0, 1, 2]]
    scales = np.array([1e-200, 1e200, 1, 1e-30, 3, 1e100, 7, 1e-150, 1])[:, None]
    query = gallery[4:5]
    assert nearest(query * 1e-180, gallery * scales, 9).tolist() == nearest(query, gallery, 9).tolist()


def test_recall_by_hand() -> None:
    # angles in degrees; nearest gallery rows of 0° are 10° (b), 20° (a); of 90° are 100° (c), 20° (a)
    def unit(*angles: float) -> np.ndarray:
        return np.array([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles])

    queries, query_labels = unit(0, 90), np.array([0, 2])
    gallery, gallery_labels = unit(20, 10, 100), np.array([0, 1, 2])
    assert recall_at_k(queries, query_labels, gallery, gallery_labels, ks=(1, 2)) == {1: 0.5, 2: 1.0}
    # no row of class 7 exists: even the whole gallery does not help
    assert recall_at_k(queries, np.array([7, 2]), gallery, gallery_labels, ks=(100,)) == {100: 0.5}


def test_recall_equals_a_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    queries, gallery = torch.randn(40, 6, generator=generator), torch.randn(60, 6, generator=generator)
    own, others = torch.randint(0, 8, (40,), generator=generator), torch.randint(0, 8, (60,), generator=generator)
    for k, value in recall_at_k(queries, own, gallery, others, ks=(1, 3, 5)).items():
        hits = 0
        for query, label in zip(queries, own, strict=True):
            ranking = torch.cosine_similarity(query[None].double(), gallery.double()).argsort(descending=True)
            hits += label in others[ranking[:k]]
        assert value == pytest.approx(hits / 40)


class LargestTensor(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, tuple) else (result,):
            if isinstance(made, Tensor) and not made._is_view():
                self.numel = max(self.numel, made.numel())
        return result


def test_memory_is_bounded_by_the_chunks() -> None:
    queries, gallery = torch.randn(70, 4), torch.randn(1000, 4)
    with LargestTensor() as largest:
        nearest(queries, gallery, 5, query_chunk=32, gallery_chunk=50)
    assert 32 * 50 <= largest.numel <= 32 * (50 + 5)  # one chunk's cosines and the k kept; all would be 70 000


@pytest.mark.parametrize(
    ("queries", "gallery", "k", "message"),
    [
        (torch.ones(2, 3), torch.ones(2, 4), 1, "expected queries"),
        (torch.ones(3), torch.ones(2, 3), 1, "expected queries"),
        (torch.ones(0, 3), torch.ones(2, 3), 1, "at least one query"),
        (torch.ones(2, 3), torch.ones(0, 3), 1, "at least one query"),
        (torch.ones(2, 3), torch.ones(2, 3), 0, "at least 1"),
        (torch.tensor([[1.0], [math.nan]]), torch.ones(2, 1), 1, "query row 1"),
        (torch.ones(2, 1), torch.tensor([[1.0], [math.inf]]), 1, "gallery row 1"),
    ],
)
def test_mistakes_are_named(queries: Tensor, gallery: Tensor, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest(queries, gallery, k)


def test_recall_mistakes_are_named() -> None:
    rows = torch.ones(2, 3)
    with pytest.raises(ValueError, match="expected labels"):
        recall_at_k(rows, torch.zeros(3), rows, torch.zeros(2))
    for ks in ((), (0, 5)):
        with pytest.raises(ValueError, match="every K"):
            recall_at_k(rows, torch.zeros(2), rows, torch.zeros(2), ks=ks)
