"""What of a data set may be meant in another way than it is read, although it can be learnt from as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.few_shades import few_shades
from crossdistill.data.label_doubts import label_doubts
from crossdistill.data.repeated_samples import repeated_samples
from crossdistill.data.same_samples import same_samples
from crossdistill.data.spellings import groups_told_apart


def doubts_of(dataset: MultimodalDataset, together: Mapping[str, Sequence[str]] = MappingProxyType({})) -> list[str]:
    """A sentence for each doubt, as training says it and `prepare manifest`.

    together: NAME -> modalities that may be read as one of that name
    """
    return [
        *dataset.doubts,
        *label_doubts(dataset),
        *_groups_alike(dataset),
        *same_samples(dataset, together),
        *repeated_samples(dataset),
        *few_shades(dataset),
    ]


def _groups_alike(dataset: MultimodalDataset) -> list[str]:
    """A sentence where groups on both sides may be one; none of samples that are groups of their own."""
    grouped = dataset.groups != np.array(dataset.ids, dtype=object)
    trained = dataset.splits == "train"
    names = [np.unique(dataset.groups[grouped & side]).tolist() for side in (trained, ~trained)]
    return groups_told_apart(*names)
