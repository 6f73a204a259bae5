"""Pictures of samples, inside the page or as files beside a document."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.image import imsave

from crossdistill.reports.samples import Picture


def data_uri(picture: Picture) -> str:
    """The picture as a PNG data URI. Raises ValueError unless it is (H, W, 3) uint8."""
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode('ascii')}"


def png(picture: Picture) -> bytes:
    """The picture as a PNG file. Raises ValueError unless it is (H, W, 3) uint8."""
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"expected a picture (H, W, 3) uint8, found {picture.shape} {picture.dtype}")
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(picture), format="png", metadata={"Software": ""})
    return buffer.getvalue()
