"""What of a data set may be meant in another way than it is read, although it can be learnt from as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
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
        *_without_group(dataset),
        *_groups_alike(dataset),
        *same_samples(dataset, together),
        *repeated_samples(dataset),
    ]


def _without_group(dataset: MultimodalDataset) -> list[str]:
    """A sentence where some samples name a group and others none, which then are of no person that others are of."""
    _, which, sizes = np.unique(dataset.groups, return_inverse=True, return_counts=True)
    named_so = np.array(
        [group.rstrip("'") == key.rstrip("'") for group, key in zip(dataset.groups, dataset.ids, strict=True)]
    )
    alone = named_so & (sizes[which] == 1)  # else a group whose name is a sample's id
    count = int(alone.sum())
    if count in (0, len(alone)):
        return []
    return [
        f"{count} of {len(alone)} samples have no group, as '{dataset.ids[int(alone.argmax())]}', and each counts as "
        "one of its own, which nothing keeps on one side of a split with others of the same group; fill them all, or "
        "give no groups"
    ]


def _groups_alike(dataset: MultimodalDataset) -> list[str]:
    """A sentence where groups on both sides may be one; none of samples that are groups of their own."""
    grouped = dataset.groups != np.array(dataset.ids, dtype=object)
    trained = dataset.splits == "train"
    names = [np.unique(dataset.groups[grouped & side]).tolist() for side in (trained, ~trained)]
    return groups_told_apart(*names)
