"""What seems wrong with a data set's labels although they can be learnt as they are."""

from __future__ import annotations

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.far_labels import far_labels, minus_ones
from crossdistill.data.spellings import told_apart
from crossdistill.data.unlearnt_labels import unlearnt_labels


def label_doubts(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each doubt, as training says it and `prepare manifest`."""
    spelled = told_apart(dataset.classes, dataset.task)
    return [*spelled, *far_labels(dataset), *minus_ones(dataset), *unlearnt_labels(dataset)]
