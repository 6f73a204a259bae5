"""What single evaluation samples show: retrieved ones, those on which students differ, and a map of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""


@dataclass(frozen=True)
class RetrievedItem:
    """One gallery sample among a query's nearest; hit: it has the query's class, or a label of it."""

    picture: Picture
    label: str
    caption: str
    hit: bool


@dataclass(frozen=True)
class RetrievalExample:
    """A query and its nearest gallery samples under each configuration, nearest first."""

    query_picture: Picture
    query_label: str
    query_caption: str
    by_label: Mapping[str, Sequence[RetrievedItem]]


@dataclass(frozen=True)
class ChangedSample:
    """A sample on which two students differ: its class, what each says, and its picture where it has one."""

    name: str
    label: str
    alone: str
    helped: str
    picture: Picture | None = None


@dataclass(frozen=True)
class Changes:
    """Which evaluation samples a configuration's student gets right and the student alone, of the same seed, does not,
    and the reverse.

    fold: whose samples these are, -1 for none; measured: how many samples both saw; right, wrong: how many are newly
    right and newly wrong; newly_right, newly_wrong: some of each, drawn by a fixed seed; by_seed: the same two counts
    between two seeds of the student alone, empty where there is only one
    """

    configuration: str
    seed: int
    measured: int
    right: int
    wrong: int
    newly_right: Sequence[ChangedSample]
    newly_wrong: Sequence[ChangedSample]
    by_seed: tuple[int, ...] = ()
    fold: int = -1


@dataclass(frozen=True)
class RepresentationMap:
    """Evaluation samples in the plane of the first two principal components of their representations.

    points: view -> (N, 2), one projection for all views; predicted: view -> (N,) its classes; labels: (N,); names: N;
    share: of the variance that the plane holds; measured: of how many samples the N were drawn; fold: theirs, -1 for
    none
    """

    configuration: str
    seed: int
    points: Mapping[str, npt.NDArray[np.float64]]
    predicted: Mapping[str, npt.NDArray[np.int64]]
    labels: npt.NDArray[np.int64]
    names: Sequence[str]
    share: float
    measured: int
    fold: int = -1


@dataclass(frozen=True)
class SampleViews:
    """What a report shows of single samples; nothing unless given."""

    retrieval: Sequence[RetrievalExample] = ()
    changes: Changes | None = None
    map: RepresentationMap | None = None


NO_SAMPLES = SampleViews()
