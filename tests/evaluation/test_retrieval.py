"""Retrieval against slow loops and float64: ties, rows that float32 cannot tell apart, chunks, bounded memory."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from crossdistill.evaluation import map_at_k, nearest, recall_at_k


def slow_nearest(queries: list[list[int]], gallery: list[list[int]], k: int) -> list[list[int]]:
    """Rank by cosine in exact arithmetic: sign(dot) dot² / |g|² orders as the cosine does for a fixed query."""

    def key(query: list[int], row: list[int]) -> Fraction:
        dot = sum(q * g for q, g in zip(query, row, strict=True))
        square = sum(g * g for g in row)
        return Fraction(dot * abs(dot), square) if square else Fraction(0)

    return [sorted(range(len(gallery)), key=lambda g: (-key(query, gallery[g]), g))[:k] for query in queries]


@pytest.mark.parametrize(("query_chunk", "gallery_chunk"), [(1, 1), (2, 3), (3, 7), (5, 20), (1024, 4096)])
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


def by_float64(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    """All cosines at once in float64, compared at 12 decimals, the lowest row first among equals."""
    directions = [
        rows.double() / rows.double().norm(dim=1, keepdim=True).clamp_min(1e-300) for rows in (queries, gallery)
    ]
    cosines = (directions[0] @ directions[1].T).round(decimals=12)
    return cosines.sort(dim=1, descending=True, stable=True).indices[:, :k]


def hard_rows(kind: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Queries (20, 64) and gallery (700, 64) in which a product of float32 numbers misleads."""
    generator = torch.Generator().manual_seed(len(kind))
    queries = torch.randn(20, 64, dtype=torch.float64, generator=generator)
    gallery = torch.randn(700, 64, dtype=torch.float64, generator=generator)
    if kind == "pairs that float32 cannot tell apart":
        gallery[350:] = gallery[:350] * (1 + 1e-7 * torch.randn(350, 64, dtype=torch.float64, generator=generator))
    elif kind == "all nearly equal":
        gallery = gallery[:1] + 1e-5 * gallery
    elif kind == "each row a hundred times":
        gallery = gallery[torch.arange(700) % 7]
    elif kind == "few signs":  # many cosines are equal without the rows being so
        queries, gallery = queries.sign(), gallery.sign()
    elif kind == "one direction":  # cosines near 1, where rounding errors of all terms add up
        queries, gallery = 1 + 1e-3 * queries, 1 + 1e-3 * gallery
    elif kind == "zero and extreme rows":
        gallery[torch.arange(0, 700, 3)] = 0
        gallery *= 10.0 ** torch.randint(-30, 30, (700, 1), generator=generator)
        queries[3] = 0
    return queries.to(dtype), gallery.to(dtype)


@pytest.mark.parametrize(
    "kind",
    [
        "ordinary",
        "pairs that float32 cannot tell apart",
        "all nearly equal",
        "each row a hundred times",
        "few signs",
        "one direction",
        "zero and extreme rows",
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_float32_cannot_tell_apart_float64_does(kind: str, dtype: torch.dtype) -> None:
    queries, gallery = hard_rows(kind, dtype)
    for k in (1, 10, 699):
        expected = by_float64(queries, gallery, k)
        for chunks in ({}, {"query_chunk": 3, "gallery_chunk": 100}):
            assert torch.equal(nearest(queries, gallery, k, **chunks), expected), k


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.uint8])
def test_any_numbers_in_a_gallery_of_one_or_of_many(dtype: torch.dtype) -> None:
    queries = torch.arange(12).reshape(4, 3).to(dtype)
    gallery = (torch.arange(60).reshape(20, 3) * 7 % 50).to(dtype)
    assert torch.equal(nearest(queries, gallery, 50), by_float64(queries, gallery, 50))
    assert nearest(queries, gallery[:1], 3).tolist() == [[0]] * 4


def test_shorter_numbers_elsewhere_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0)).split([1000, 3000])
    expected = by_float64(queries, gallery, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest(queries, gallery, 10), expected)
    monkeypatch.setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16")
    assert torch.equal(nearest(queries, gallery, 10), expected)


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
    queries, gallery = torch.ones(70, 4), torch.ones(1000, 4)  # all equal, so that float64 answers
    with LargestTensor() as largest:
        nearest(queries, gallery, 5, query_chunk=32, gallery_chunk=50)
    assert 32 * 50 <= largest.numel <= 32 * (50 + 5)


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


def slow_retrieval(order: list[list[int]], relevant: list[list[bool]], k: int) -> tuple[float, float]:
    """R@K and mAP@K in loops, of the whole gallery's order for each query and which of its rows are relevant to it."""
    found, precisions = [], []
    for rows, wanted in zip(order, relevant, strict=True):
        hits, total = 0, 0.0
        for place, row in enumerate(rows[:k], start=1):
            if wanted[row]:
                hits += 1
                total += hits / place
        found.append(hits > 0)
        precisions.append(total / max(1, min(k, sum(wanted))))
    return sum(found) / len(found), sum(precisions) / len(precisions)


@pytest.mark.parametrize("several", [False, True], ids=["classes", "labels"])
@pytest.mark.parametrize("k", [1, 4, 30, 500])
def test_recall_and_map_in_slow_loops(several: bool, k: int) -> None:
    """300 queries, more than are compared at once; some have no label, or one that the gallery lacks."""
    generator = torch.Generator().manual_seed(k)
    queries = torch.randint(-2, 3, (300, 3), generator=generator).double()
    gallery = torch.randint(-2, 3, (30, 3), generator=generator).double()
    if several:
        own = (torch.rand(300, 4, generator=generator) < 0.3).long()
        others = (torch.rand(30, 4, generator=generator) < torch.tensor([0.5, 0.2, 0.1, 0.0])).long()
        asks = own.any(1)
        relevant = [[bool((a & b).any()) for b in others] for a in own]
    else:
        own, others = torch.arange(300) % 7, torch.arange(30) % 5
        asks = torch.ones(300, dtype=torch.bool)
        relevant = [[bool(a == b) for b in others] for a in own]
    order = slow_nearest(queries[asks].long().tolist(), gallery.long().tolist(), 30)
    expected = slow_retrieval(order, [row for row, there in zip(relevant, asks, strict=True) if there], k)
    found = [measure(queries, own, gallery, others, ks=(k,))[k] for measure in (recall_at_k, map_at_k)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert 0 < expected[1] < 1


def test_what_nobody_asks_for_is_nan_and_what_the_gallery_lacks_is_missed() -> None:
    rows, nothing = torch.eye(2), torch.zeros(2, 3)
    assert math.isnan(recall_at_k(rows, nothing, rows, torch.ones(2, 3))[1])
    assert math.isnan(map_at_k(rows, nothing, rows, torch.ones(2, 3))[100])
    own = torch.tensor([[1, 0], [1, 0]])
    for measure in (recall_at_k, map_at_k):
        assert measure(rows, own, rows, 1 - own, ks=(1,)) == {1: 0.0}
        assert measure(rows, own, rows, own, ks=(1, 9)) == {1: 1.0, 9: 1.0}


def test_map_does_not_depend_on_the_order_of_labels_or_of_queries() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(40, 8, generator=generator), torch.randn(60, 8, generator=generator)
    own, others = ((torch.rand(n, 5, generator=generator) < 0.3).long() for n in (40, 60))
    first = map_at_k(queries, own, gallery, others)
    assert map_at_k(queries.flip(0), own.flip(0, 1), gallery, others.flip(1)) == pytest.approx(first)


@pytest.mark.parametrize("measure", [recall_at_k, map_at_k])
@pytest.mark.parametrize(
    ("own", "others", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 2), "expected labels"),
        (torch.zeros(2), torch.zeros(2, 1), "expected labels"),
        (torch.zeros(2, 1, 1), torch.zeros(2, 1, 1), "expected labels"),
        (torch.full((2, 2), 2), torch.zeros(2, 2), "0 and 1"),
        (torch.zeros(2, 2), torch.full((2, 2), math.nan), "0 and 1"),
    ],
    ids=["columns", "one", "axes", "twos", "nan"],
)
def test_labels_of_another_kind_are_refused(measure: object, own: Tensor, others: Tensor, message: str) -> None:
    rows = torch.eye(2)
    with pytest.raises(ValueError, match=message):
        measure(rows, own, rows, others)  # type: ignore[operator]


@pytest.mark.parametrize("nothing", [-1, math.nan])
@pytest.mark.parametrize("measure", [recall_at_k, map_at_k])
def test_queries_without_a_class_are_left_out_and_rows_without_one_are_no_hits(measure: Any, nothing: float) -> None:
    generator = torch.Generator().manual_seed(5)
    queries, gallery = torch.randn(30, 4, generator=generator), torch.randn(50, 4, generator=generator)
    own, others = torch.arange(30.0) % 3, torch.arange(50.0) % 3
    own[::4], others[::5] = nothing, nothing
    known, elsewhere = torch.arange(30) % 4 > 0, torch.where(torch.arange(50) % 5 > 0, others, 99.0)
    expected = measure(queries[known], own[known], gallery, elsewhere, ks=(1, 5))
    assert measure(queries, own, gallery, others, ks=(1, 5)) == expected
    assert 0 < expected[1] < 1
    assert math.isnan(measure(queries, own.fill_(nothing), gallery, others, ks=(1,))[1])


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.asfortranarray(a),
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: pd.DataFrame(a, columns=list("abcd")) if a.ndim == 2 else pd.Series(a, index=range(7, 7 + len(a))),
        lambda a: np.ma.array(a),
        lambda a: a.tolist(),
        lambda a: list(torch.tensor(a)),
    ],
    ids=["backwards", "columns first", "byte order", "tables", "masked", "lists", "tensors"],
)
def test_arrays_in_many_clothes(form: Any) -> None:
    generator = np.random.default_rng(1)
    queries, gallery = generator.normal(size=(9, 4)), generator.normal(size=(20, 4))
    own, others = np.arange(9) % 3, np.arange(20) % 3
    assert nearest(form(queries), form(gallery), 3).tolist() == nearest(queries, gallery, 3).tolist()
    for measure in (recall_at_k, map_at_k):
        expected = measure(queries, own, gallery, others, ks=(1, 4))
        assert measure(form(queries), form(own), form(gallery), form(others), ks=(1, 4)) == expected


def test_names_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected numbers, found dtype <U1"):
        recall_at_k(np.eye(2), np.array(["a", "b"]), np.eye(2), np.array(["a", "b"]))  # type: ignore[arg-type]
