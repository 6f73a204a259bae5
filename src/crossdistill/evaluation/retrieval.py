"""Nearest-neighbour retrieval by cosine similarity (R@K of the paper's Table 2).

The similarities of all queries with the whole gallery are never held at once: queries and gallery are taken in
chunks, and the k best rows so far are merged with each new chunk's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crossdistill.losses.cosine import unit_rows

Array = npt.NDArray[np.generic] | Tensor

_DECIMALS = 12
"""Cosines are float64 compared at this many decimals: a matrix product's last bit depends on the chunk's shape, so
without it the order of equal gallery rows would depend on the chunk sizes."""


def recall_at_k(
    queries: Array, query_labels: Array, gallery: Array, gallery_labels: Array, ks: Sequence[int] = (1, 5)
) -> dict[int, float]:
    """K -> fraction of queries with at least one row of their own class among their K nearest gallery rows.

    It judges the representation without its classifier.

    queries: (Q, D), gallery: (G, D), labels: (Q,) and (G,). The gallery (the training split in the paper's
    protocol) must not hold the queries themselves: no row is left out. K beyond G uses the whole gallery.
    Raises ValueError on a shape mismatch, on empty inputs, on a K below 1 and on values that are not finite.

    >>> import torch
    >>> from crossdistill.evaluation import recall_at_k
    >>> gallery, gallery_labels = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([0, 1, 2])
    >>> recall_at_k(torch.tensor([[1.0, 0.1], [0.2, 1.0]]), torch.tensor([1, 2]), gallery, gallery_labels, ks=(1, 2))
    {1: 0.5, 2: 1.0}
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"every K must be at least 1 and there must be one, found {tuple(ks)}")
    rows = nearest(queries, gallery, max(ks))
    wanted = torch.as_tensor(query_labels).to(rows.device)
    others = torch.as_tensor(gallery_labels).to(rows.device)
    if wanted.shape != (len(queries),) or others.shape != (len(gallery),):
        raise ValueError(
            f"expected labels ({len(queries)},) and ({len(gallery)},), "
            f"found {tuple(wanted.shape)}, {tuple(others.shape)}"
        )
    same = others[rows] == wanted[:, None]
    return {k: same[:, :k].any(1).double().mean().item() for k in ks}


@torch.no_grad()
def nearest(queries: Array, gallery: Array, k: int, query_chunk: int = 512, gallery_chunk: int = 8192) -> Tensor:
    """(Q, min(k, G)) int64: each query's gallery rows of highest cosine, best first, on the queries' device.

    Use it to look at what a representation takes for alike; `recall_at_k` counts.

    queries: (Q, D), gallery: (G, D). A zero row has cosine 0 with everything. Among equal cosines the lowest gallery
    row comes first. Exact; holds about query_chunk x gallery_chunk cosines at a time.
    Raises ValueError on a shape mismatch, on empty inputs, on k below 1 and on values that are not finite.

    >>> import torch
    >>> from crossdistill.evaluation import nearest
    >>> gallery = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> nearest(torch.tensor([[1.0, 0.1], [0.2, 1.0]]), gallery, k=2).tolist()
    [[0, 1], [2, 1]]
    """
    queries, gallery = torch.as_tensor(queries), torch.as_tensor(gallery)
    _check(queries, gallery, k, query_chunk, gallery_chunk)
    neighbours = []
    for start in range(0, len(queries), query_chunk):
        directions = _directions(queries[start : start + query_chunk], queries.device, "query", start)
        neighbours.append(_nearest_to(directions, gallery, k, gallery_chunk))
    return torch.cat(neighbours)


def _nearest_to(directions: Tensor, gallery: Tensor, k: int, gallery_chunk: int) -> Tensor:
    best = directions.new_empty(len(directions), 0)
    rows = torch.empty(len(directions), 0, dtype=torch.int64, device=directions.device)
    for start, chunk in _chunks(gallery, gallery_chunk, directions.device):
        cosines = (directions @ chunk.T).round_(decimals=_DECIMALS)
        new = torch.arange(start, start + len(chunk), device=rows.device).expand(len(rows), -1)
        # what is kept comes first: among equals the lower position is then the lower gallery row
        values, positions = _top(torch.cat([best, cosines], 1), k)
        best, rows = values, torch.cat([rows, new], 1).gather(1, positions)
    return rows


def _top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k highest of each row and their positions, best first, lowest position first among equals."""
    k = min(k, values.shape[1])
    best, positions = values.topk(k)
    threshold = best[:, -1:]
    if ((values >= threshold).sum(1) > k).any():
        # topk took any of the equals at the threshold: take the first ones instead
        above, equal = values > threshold, values == threshold
        places_left = k - above.sum(1, keepdim=True)
        in_top = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= places_left))
        positions = in_top.nonzero()[:, 1].view(len(values), k)
    positions = positions.sort(dim=1).values
    kept, order = values.gather(1, positions).sort(dim=1, descending=True, stable=True)
    return kept, positions.gather(1, order)


def _chunks(gallery: Tensor, size: int, device: torch.device) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(gallery), size):
        yield start, _directions(gallery[start : start + size], device, "gallery", start)


def _directions(rows: Tensor, device: torch.device, what: str, start: int) -> Tensor:
    """Unit rows in float64; zero rows stay zero."""
    rows = rows.to(device, torch.float64)
    finite = rows.isfinite().all(1)
    if not finite.all():
        raise ValueError(f"{what} row {start + int((~finite).nonzero()[0])} holds a value that is not finite")
    return unit_rows(rows)


def _check(queries: Tensor, gallery: Tensor, k: int, query_chunk: int, gallery_chunk: int) -> None:
    shapes = tuple(queries.shape), tuple(gallery.shape)
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"expected queries (Q, D) and gallery (G, D), found {shapes[0]} and {shapes[1]}")
    if 0 in shapes[0] or 0 in shapes[1]:
        raise ValueError(f"expected at least one query, one gallery row and one feature, found {shapes}")
    if min(k, query_chunk, gallery_chunk) < 1:
        raise ValueError(f"k and chunk sizes must be at least 1, found {k}, {query_chunk} and {gallery_chunk}")
