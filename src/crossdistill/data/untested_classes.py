"""Classes that are trained and of which nothing is measured."""

from __future__ import annotations

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import few_of

_NAMED = 3
"""Classes that a line names; of more it says how many there are."""


def untested_classes(dataset: MultimodalDataset) -> list[str]:
    """A line for classes that are trained and of which no test sample is, so that no measure knows of them; none where
    nothing is tested, and of labels and numbers."""
    tested = dataset.rows("test")
    if dataset.task != "classification" or not len(tested):
        return []
    learnt = dataset.labels[dataset.labelled_rows("train")]
    missing = [f"'{dataset.classes[number]}'" for number in np.setdiff1d(learnt, dataset.labels[tested])]
    return [f"no test sample is of class {few_of(missing, _NAMED)}, which training samples have"] if missing else []
