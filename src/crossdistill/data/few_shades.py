"""Pictures of 16 bits that use a small part of their range, as depths and thermal pictures do: few shades are left."""

from __future__ import annotations

import numpy as np

from crossdistill.data.columns import Column
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.readers import MediaColumn
from crossdistill.data.readers.picture import PictureReader, shades, some_numbers
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError

_LOOKED_AT = 8
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
    table, occurs = shades(column.reader.settings.levels), np.zeros(1 << 16, dtype=np.bool_)
    looked_at = left = 0
    try:
        for place in places:
            if (numbers := some_numbers(column.clips[place].path)) is None:
                continue
            occurs[numbers] = True
            looked_at, left = looked_at + 1, len(np.unique(table[occurs]))
            if left >= _FEW:
                return ""
    except InputError:  # without Pillow, where frames are in a cache
        return ""
    real = np.flatnonzero(occurs[1:-1]) + 1  # 0 and the largest often stand for what is not known
    if len(real) < 2:
        return ""
    low, high = int(real[0]), int(real[-1])
    return (
        f"{name}: of grey pictures of 16 bits whose numbers are {low:,} to {high:,} ({looked_at} looked at) reading "
        f"keeps {left} of 256 shades; say which numbers are black and white: data.readers.{name}.levels, such as "
        f"[{low}, {high}]"
    )
