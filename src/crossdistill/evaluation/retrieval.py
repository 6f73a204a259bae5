"""Nearest-neighbour retrieval by cosine similarity (R@K of the paper's Table 2, mAP@K), exact at the price of float32.

Queries and gallery are taken in chunks. A float32 product of two of them is off by no more than a bound, so it tells
which gallery rows can be among the K nearest; the cosines of these few are computed in float64. Where more rows are so
close together than are kept, the query is answered by float64 products alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossdistill.data.arrays import array_of, unmasked
from crossdistill.evaluation.arrays import Array
from crossdistill.losses.checks import without_autocast
from crossdistill.losses.cosine import unit_rows
from crossdistill.types import UNLABELLED

_DECIMALS = 12
"""Cosines are float64 compared at this many decimals: a matrix product's last bit depends on the chunk's shape, so
without it the order of equal gallery rows would depend on the chunk sizes."""
_BLOCK = 4
"""Query chunks for which a gallery chunk is brought to unit length once."""
_SPARE = 16
"""Candidates kept of a query beyond K."""
_PAIRS = 1024
"""Candidates whose cosines are computed in float64 at once."""
_ORDINARY = 1e-10, 1e10
"""Lengths of rows whose squares float32 holds; others are brought to unit length in float64."""


def recall_at_k(
    queries: Array, query_labels: Array, gallery: Array, gallery_labels: Array, ks: Sequence[int] = (1, 5)
) -> dict[int, float]:
    """K -> fraction of queries with at least one relevant row among their K nearest gallery rows.

    It judges the representation without its classifier. A row is relevant that is of the query's class or, of several
    labels a sample, shares a label with the query. A query without any label is left out; without others it is NaN.
    As elsewhere, -1 and NaN are no class.

    Args:
        queries: (Q, D)
        query_labels: (Q,) classes, or (Q, C) 0 or 1 for each label
        gallery: (G, D), the training split in the paper's protocol, which must not hold the queries themselves: no
            row is left out
        gallery_labels: (G,) or (G, C), likewise
        ks: values of K; one beyond G uses the whole gallery

    Raises:
        ValueError: a shape mismatch, empty inputs, a K below 1, or values that are not finite.

    >>> import torch
    >>> from crossdistill.evaluation import recall_at_k
    >>> gallery, gallery_labels = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([0, 1, 2])
    >>> recall_at_k(torch.tensor([[1.0, 0.1], [0.2, 1.0]]), torch.tensor([1, 2]), gallery, gallery_labels, ks=(1, 2))
    {1: 0.5, 2: 1.0}
    """
    return Search.of(queries, query_labels, gallery, gallery_labels, ks).recall(ks)


def map_at_k(
    queries: Array, query_labels: Array, gallery: Array, gallery_labels: Array, ks: Sequence[int] = (100,)
) -> dict[int, float]:
    """K -> mAP@K: the mean over queries of the average precision of their K nearest gallery rows, best first.

    A query's is the mean, over the min(K, relevant rows in the gallery) that could be found, of the precision at each
    relevant row found, 0 for those that are not. Which rows are relevant, and which queries count, is as in
    `recall_at_k`: where many rows are relevant, one among the nearest says little, and how far all of them come first
    says more. A query for which the gallery has none counts 0.

    Args:
        queries: (Q, D)
        query_labels: (Q,) classes, or (Q, C) 0 or 1 for each label
        gallery: (G, D), which must not hold the queries themselves
        gallery_labels: (G,) or (G, C), likewise
        ks: values of K; one beyond G uses the whole gallery

    Raises:
        ValueError: a shape mismatch, empty inputs, a K below 1, or values that are not finite.

    >>> import torch
    >>> from crossdistill.evaluation import map_at_k
    >>> gallery, labels = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([[1, 0], [0, 1], [1, 1]])
    >>> map_at_k(torch.tensor([[1.0, 0.1]]), torch.tensor([[1, 0]]), gallery, labels, ks=(1, 3))  # (1/1 + 2/3) / 2
    {1: 1.0, 3: 0.8333333333333333}
    """
    return Search.of(queries, query_labels, gallery, gallery_labels, ks).mean_average_precision(ks)


@dataclass(frozen=True)
class Search:
    """What one search found, of the Q' queries for which a row can be relevant, for measures of any K that was asked
    for. `recall_at_k` and `map_at_k` say what arguments, results and errors are.

    relevant: (Q', K) bool, of each of the nearest rows, best first; wanted: (Q',) or (Q', C) labels of the queries;
    others: (G,) or (G, C) labels of the gallery
    """

    relevant: Tensor
    wanted: Tensor
    others: Tensor

    @staticmethod
    def of(queries: Array, query_labels: Array, gallery: Array, gallery_labels: Array, ks: Sequence[int]) -> Search:
        wanted, others = _labels(queries, query_labels, gallery, gallery_labels, ks)
        asks = _asks(wanted)
        relevant = _relevant(nearest(queries, gallery, max(ks)), wanted, others)
        return Search(relevant[asks], wanted[asks], others)

    def recall(self, ks: Sequence[int]) -> dict[int, float]:
        return {k: self.relevant[:, :k].any(1).double().mean().item() for k in ks}

    def mean_average_precision(self, ks: Sequence[int]) -> dict[int, float]:
        relevant, there = self.relevant.double(), _relevant_rows(self.wanted, self.others)
        precisions = relevant * relevant.cumsum(1) / torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
        return {k: (precisions[:, :k].sum(1) / there.clamp(1, k)).mean().item() for k in ks}


_QUERIES = 256
"""Queries whose labels are compared with the gallery's at once."""


def _labels(
    queries: Array, query_labels: Array, gallery: Array, gallery_labels: Array, ks: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Both sides' labels on the queries' device: (Q,) and (G,) of any numbers, or (Q, C) and (G, C) bool."""
    if not ks or min(ks) < 1:
        raise ValueError(f"every K must be at least 1 and there must be one, found {tuple(ks)}")
    device = queries.device if isinstance(queries, Tensor) else torch.device("cpu")
    wanted, others = (_tensor(labels).to(device) for labels in (query_labels, gallery_labels))
    several = wanted.shape[1:]
    if wanted.shape != (len(queries), *several) or others.shape != (len(gallery), *several) or wanted.ndim > 2:
        expected = f"({len(queries)},) and ({len(gallery)},), or ({len(queries)}, C) and ({len(gallery)}, C)"
        raise ValueError(f"expected labels {expected}, found {tuple(wanted.shape)}, {tuple(others.shape)}")
    if wanted.ndim == 1:
        return wanted, others
    if not all(((labels == 0) | (labels == 1)).all() for labels in (wanted, others)):
        raise ValueError("expected labels of 0 and 1")
    return wanted.bool(), others.bool()


def _tensor(values: Array) -> Tensor:
    """A tensor as it is; an array, a table or a list as one. Raises ValueError for what holds no numbers."""
    if isinstance(values, Tensor):
        return values
    array = array_of(unmasked(values))
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers, found dtype {array.dtype}")
    # PyTorch takes neither steps backwards nor the byte order of other machines
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing here writes
        return torch.as_tensor(native)


def _asks(wanted: Tensor) -> Tensor:
    """(Q,) bool, False for a query for which no row can be relevant."""
    return wanted.any(1) if wanted.ndim == 2 else (wanted != UNLABELLED) & (wanted == wanted)  # NaN equals nothing


def _relevant(rows: Tensor, wanted: Tensor, others: Tensor) -> Tensor:
    """(Q, K) bool, whether the gallery rows (Q, K) are of each query's class, or share a label with it."""
    if wanted.ndim == 1:
        return others[rows] == wanted[:, None]
    chunks = zip(torch.split(rows, _QUERIES), torch.split(wanted, _QUERIES), strict=True)
    return torch.cat([(others[found] & own[:, None]).any(2) for found, own in chunks])


def _relevant_rows(wanted: Tensor, others: Tensor) -> Tensor:
    """(Q,) how many rows of the whole gallery are relevant."""
    if wanted.ndim == 1:
        return torch.cat([(own[:, None] == others).sum(1) for own in torch.split(wanted, _QUERIES)])
    shared = (own.float() @ others.T.float() for own in torch.split(wanted, _QUERIES))
    return torch.cat([(counts > 0).sum(1) for counts in shared])


@torch.no_grad()
def nearest(queries: Array, gallery: Array, k: int, query_chunk: int = 1024, gallery_chunk: int = 4096) -> Tensor:
    """(Q, min(k, G)) int64: each query's gallery rows of highest cosine, best first, on the queries' device.

    Use it to look at what a representation takes for alike; `recall_at_k` counts. A zero row has cosine 0 with
    everything. Among cosines that are equal in float64, to 12 decimals, the lowest gallery row comes first. Beside its
    arguments and result it holds about query_chunk x gallery_chunk cosines, one gallery chunk and four query chunks at
    a time.

    Args:
        queries: (Q, D)
        gallery: (G, D)
        k: how many rows of each query
        query_chunk: queries at a time
        gallery_chunk: gallery rows at a time

    Raises:
        ValueError: a shape mismatch, empty inputs, k below 1, or values that are not finite.

    >>> import torch
    >>> from crossdistill.evaluation import nearest
    >>> gallery = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> nearest(torch.tensor([[1.0, 0.1], [0.2, 1.0]]), gallery, k=2).tolist()
    [[0, 1], [2, 1]]
    """
    queries, gallery = _tensor(queries), _tensor(gallery)
    _check(queries, gallery, k, query_chunk, gallery_chunk)
    k, neighbours = min(k, len(gallery)), []
    with without_autocast(queries):
        for start in range(0, len(queries), _BLOCK * query_chunk):
            block = queries[start : start + _BLOCK * query_chunk]
            directions = _directions(block, queries.device, "query", start)
            neighbours.append(_nearest_to(directions, gallery, k, query_chunk, gallery_chunk))
    return torch.cat(neighbours)


def _nearest_to(directions: Tensor, gallery: Tensor, k: int, query_chunk: int, gallery_chunk: int) -> Tensor:
    """The gallery rows (Q, k) nearest to unit rows (Q, D) in float64."""
    margin = _margin(directions)
    kept = min(k + _SPARE, len(gallery))
    if math.isinf(margin):
        return _by_float64(directions, gallery, k, query_chunk, gallery_chunk)
    cosines, rows = _candidates(directions.float(), gallery, k, kept, margin, query_chunk, gallery_chunk)
    possible = cosines >= cosines[:, k - 1 : k] - margin
    unsure = possible[:, -1] & (kept < len(gallery))  # what was not kept may be as near
    neighbours = _ranked(directions, gallery, rows, possible & ~unsure[:, None], k, min(_PAIRS, gallery_chunk))
    if unsure.any():
        neighbours[unsure] = _by_float64(directions[unsure], gallery, k, query_chunk, gallery_chunk)
    return neighbours


def _margin(directions: Tensor) -> float:
    """By how much two float32 cosines of rows of this width can differ the wrong way round; infinite where products are
    made of shorter numbers than float32 (settings of PyTorch), or the rows are too wide to say.

    With u the unit roundoff, a sum of D products is off by D u at most, in whatever order they are added; a row of the
    gallery by D u / 2 in its length and 3 u in each entry, one of the queries by u.
    """
    device = directions.device.type
    backends = {"cpu": torch.backends.mkldnn, "cuda": torch.backends.cuda}
    if device not in backends or backends[device].matmul.fp32_precision not in ("none", "ieee"):
        return math.inf
    error = (1.5 * directions.shape[1] + 8) * torch.finfo(torch.float32).eps / 2
    return 2 * error / (1 - error) + 10**-_DECIMALS if error < 0.1 else math.inf


def _candidates(
    directions: Tensor, gallery: Tensor, k: int, kept: int, margin: float, query_chunk: int, gallery_chunk: int
) -> tuple[Tensor, Tensor]:
    """Float32 cosines (Q, kept), falling, and their gallery rows: of the rows within the margin of the k-th cosine, the
    highest; -inf where there are fewer."""
    best = directions.new_full((len(directions), kept), -math.inf)
    rows = torch.zeros(len(directions), kept, dtype=torch.int64, device=directions.device)
    parts = list(zip(*(torch.split(tensor, query_chunk) for tensor in (directions, best, rows)), strict=True))
    for start in range(0, len(gallery), gallery_chunk):
        chunk = _unit_rows_in_float32(gallery[start : start + gallery_chunk], directions.device, start)
        for own, best_cosines, best_rows in parts:
            cosines = own @ chunk.T
            changed = (cosines.amax(1) >= best_cosines[:, k - 1] - margin).nonzero()[:, 0]
            if len(changed) == 0:
                continue
            new, columns = (cosines if len(changed) == len(own) else cosines[changed]).topk(min(kept, len(chunk)))
            highest, places = torch.cat([best_cosines[changed], new], 1).topk(kept)
            best_cosines[changed] = highest
            best_rows[changed] = torch.cat([best_rows[changed], columns + start], 1).gather(1, places)
    return best, rows


def _ranked(directions: Tensor, gallery: Tensor, rows: Tensor, possible: Tensor, k: int, pairs: int) -> Tensor:
    """The first k of the possible gallery rows (Q, kept) of each query by their cosines in float64, `pairs` at once."""
    rows, order = rows.sort(dim=1)
    query, place = possible.gather(1, order).nonzero(as_tuple=True)
    exact = directions.new_full(rows.shape, -math.inf)
    for own, other in zip(torch.split(query, pairs), torch.split(place, pairs), strict=True):
        samples = gallery[rows[own, other].to(gallery.device)].to(directions)
        exact[own, other] = (directions[own] * unit_rows(samples)).sum(1).round_(decimals=_DECIMALS)
    return rows.gather(1, exact.sort(dim=1, descending=True, stable=True).indices[:, :k])


def _by_float64(directions: Tensor, gallery: Tensor, k: int, query_chunk: int, gallery_chunk: int) -> Tensor:
    """The nearest rows (Q, k) where float32 does not tell: the k best so far are merged with each chunk's."""
    parts = [(own, own.new_empty(len(own), 0), _no_rows(own)) for own in torch.split(directions, query_chunk)]
    for start in range(0, len(gallery), gallery_chunk):
        chunk = _directions(gallery[start : start + gallery_chunk], directions.device, "gallery", start)
        parts = [(own, *_merged(best, rows, own @ chunk.T, start, k)) for own, best, rows in parts]
    return torch.cat([rows for _, _, rows in parts])


def _no_rows(directions: Tensor) -> Tensor:
    return torch.empty(len(directions), 0, dtype=torch.int64, device=directions.device)


def _merged(best: Tensor, rows: Tensor, cosines: Tensor, start: int, k: int) -> tuple[Tensor, Tensor]:
    new = torch.arange(start, start + cosines.shape[1], device=rows.device).expand(len(rows), -1)
    # what is kept comes first: among equals the lower position is then the lower gallery row
    values, positions = _top(torch.cat([best, cosines.round_(decimals=_DECIMALS)], 1), k)
    return values, torch.cat([rows, new], 1).gather(1, positions)


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


def _unit_rows_in_float32(rows: Tensor, device: torch.device, start: int) -> Tensor:
    """Unit rows of the gallery in float32; zero rows stay zero."""
    narrow = rows.to(device, torch.float32)
    lengths = torch.linalg.vector_norm(narrow, dim=1, keepdim=True)
    least, most = _ORDINARY
    if ((lengths > least) & (lengths < most)).all():  # false for NaN
        unit: Tensor = narrow / lengths
        return unit
    return _directions(rows, device, "gallery", start).float()


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
