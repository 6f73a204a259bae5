"""Exact top-K by cosine similarity beside the float32 product of the same rows, which any exact search must compute.

    python benchmarks/retrieval.py [--gallery 1000000] [--queries 1024] [--width 512] [--k 10] [--tiny]

Alternatives take the same rows in turns on one thread, by CPU time: the product alone, in tiles whose cosines are
thrown away; `nearest`, which brings rows to unit length and answers what float64 products would; and faiss-cpu's
IndexFlatIP where it is installed, which answers in float32 and is given unit rows. Rows are drawn evenly over all
directions, or around the centres of 1,000 classes, within which cosines are 0.9. Target: 2 products.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from timing import compare
from torch import Tensor

from crossdistill.evaluation import nearest

try:
    import faiss
except ImportError:
    faiss = None

TARGET = 2.0
CLASSES, WITHIN = 1000, 0.9
TILE = 1024, 2048  # of those tried the one whose product is fastest


def rows_of(kind: str, count: int, width: int, seed: int) -> Tensor:
    """(count, width) float32, made in parts so that nothing else is as large."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, width, generator=torch.Generator().manual_seed(0))
    rows = torch.empty(count, width)
    for part in rows.split(TILE[1]):
        part.normal_(generator=generator)
        if kind == "classes":
            labels = torch.randint(0, CLASSES, (len(part),), generator=generator)
            part.mul_((1 - WITHIN) ** 0.5).add_(centres[labels], alpha=WITHIN**0.5)
    return rows


def product(queries: Tensor, gallery: Tensor) -> None:
    for chunk in gallery.split(TILE[1]):
        for own in queries.split(TILE[0]):
            own @ chunk.T


def measure(kind: str, arguments: argparse.Namespace) -> None:
    queries = rows_of(kind, arguments.queries, arguments.width, 1)
    gallery = rows_of(kind, arguments.gallery, arguments.width, 2)
    alternatives: dict[str, Callable[[], object]] = {
        "product in float32": lambda: product(queries, gallery),
        "nearest": lambda: nearest(queries, gallery, arguments.k),
    }
    if faiss is not None:
        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatIP(arguments.width)
        for part in gallery.split(TILE[1]):
            index.add(torch.nn.functional.normalize(part).numpy())
        unit = torch.nn.functional.normalize(queries).numpy()
        alternatives["faiss.IndexFlatIP"] = lambda: index.search(unit, arguments.k)
    title = f"top {arguments.k} of {arguments.gallery:,} x {arguments.width}, {arguments.queries:,} queries, {kind}"
    compare(title, alternatives, arguments.rounds, time.process_time, {"nearest": TARGET})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1024)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments = argparse.Namespace(**{**vars(arguments), "gallery": 2000, "queries": 100, "width": 32})
    if faiss is None:
        print("faiss is missing: its line is left out (pip install faiss-cpu)")
    torch.set_num_threads(1)
    for kind in ("even", "classes"):
        measure(kind, arguments)
