"""Pictures of retrieved samples, for modalities that can be looked at."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.image import imsave

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""


@dataclass(frozen=True)
class RetrievedItem:
    """One gallery sample among a query's nearest; hit: it has the query's class."""

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


def data_uri(picture: Picture) -> str:
    """The picture as a PNG data URI. Raises ValueError unless it is (H, W, 3) uint8."""
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"expected a picture (H, W, 3) uint8, found {picture.shape} {picture.dtype}")
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(picture), format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
