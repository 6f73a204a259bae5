"""Labels of multi-label data that samples are measured by, and that no labelled training sample has."""

from __future__ import annotations

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import few_of

_NAMED = 3


def unlearnt_labels(dataset: MultimodalDataset) -> list[str]:
    """A sentence that names them, where there are some: rare labels where few samples are labelled, or slips."""
    learnt = dataset.labelled_rows("train")
    if dataset.task != "multilabel" or not len(learnt):
        return []
    measured = np.concatenate([dataset.rows("validation"), dataset.rows("test")])
    counts = (dataset.labels[measured] > 0).sum(0) * ~(dataset.labels[learnt] > 0).any(0)
    places = np.flatnonzero(counts)
    if not len(places):
        return []
    named = few_of([f"'{dataset.classes[place]}' ({counts[place]:,})" for place in places], _NAMED)
    return [
        f"no labelled training sample has {named}, as so many validation or test samples have: it is learnt as "
        "never there, and mAP counts it all the same; label some training samples that have it, or leave it out"
    ]
