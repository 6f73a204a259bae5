"""Pictures of 16 bits that use a small part of their range, as depths and thermal pictures do: few shades are left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdistill.data.columns import Column
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.readers import MediaColumn
from crossdistill.data.readers.picture import PictureReader, shades, some_numbers
from crossdistill.data.readers.settings import OF_16_BITS
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
    found: list[npt.NDArray[np.int64]] = []
    try:
        for place in places:
            if (numbers := some_numbers(column.clips[place].path)) is None:
                continue
            found.append(numbers)
            if len(np.unique(shades(column.reader.settings.levels)[numbers])) >= _FEW:
                return ""
    except InputError:  # without Pillow, where frames are in a cache
        return ""
    if not found:
        return ""
    everyone = np.concatenate(found)
    real = everyone[(everyone > 0) & (everyone < OF_16_BITS[1])]  # which often stand for what is not known
    left = len(np.unique(shades(column.reader.settings.levels)[everyone]))
    if left >= _FEW or not len(real) or real.min() == real.max():
        return ""
    low, high = int(real.min()), int(real.max())
    return (
        f"{name}: of grey pictures of 16 bits whose numbers are {low:,} to {high:,} ({len(found)} looked at) reading "
        f"keeps {left} of 256 shades; say which numbers are black and white: data.readers.{name}.levels, such as "
        f"[{low}, {high}]"
    )
