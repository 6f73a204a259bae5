"""Pictures of 16 bits that use a small part of their range, as depths and thermal pictures do: few shades are left."""

from __future__ import annotations

import numpy as np

from crossdistill.data.columns import Column
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.readers import MediaColumn
from crossdistill.data.readers.picture import PictureReader, extremes_of
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError

_LOOKED_AT = 16
"""Pictures of a modality that are opened, from the first to the last."""
_FEW = 64
"""Of 256 shades, below which it is said."""


def few_shades(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each modality of pictures of 16 bits of which reading keeps few shades."""
    return [said for name, column in dataset.columns.items() if (said := _sentence(name, content_of(column)))]


def _sentence(name: str, column: Column) -> str:
    if not isinstance(column, MediaColumn) or not isinstance(column.reader, PictureReader):
        return ""
    places = np.unique(np.linspace(0, len(column.clips) - 1, _LOOKED_AT).astype(int)) if column.clips else ()
    try:
        found = [each for place in places if (each := extremes_of(column.clips[place].path)) is not None]
    except InputError:  # without Pillow, where frames are in a cache
        return ""
    if not found:
        return ""
    low, high = min(least for least, _ in found), max(most for _, most in found)
    black, white = column.reader.settings.levels
    shades = round(255 * max(0, min(high, white) - max(low, black)) / (white - black)) + 1
    if shades >= _FEW or low == high:
        return ""
    return (
        f"{name}: of pictures of 16 bits whose numbers are {low:,} to {high:,} (of {len(found)} looked at) reading "
        f"keeps {shades} of 256 shades; say which numbers are black and white: --data.readers "
        f"'{{{name}: {{levels: [{low}, {high}]}}}}'"
    )
