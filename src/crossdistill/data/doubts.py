"""What of a data set may be meant in another way than it is read, although it can be learnt from as it is."""

from __future__ import annotations

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.label_doubts import label_doubts


def doubts_of(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each doubt, as training says it and `prepare manifest`."""
    return [*dataset.doubts, *label_doubts(dataset)]
