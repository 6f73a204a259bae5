"""What seems wrong with a data set's labels although they can be learnt as they are."""

from __future__ import annotations

import re

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.far_labels import far_labels, minus_ones
from crossdistill.data.labels import seems_a_class, seems_no_label
from crossdistill.data.spellings import told_apart
from crossdistill.data.unlearnt_labels import unlearnt_labels


def label_doubts(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each doubt."""
    spelled = told_apart(dataset.classes, dataset.task)
    return [
        *_gaps(dataset),
        *spelled,
        *far_labels(dataset),
        *minus_ones(dataset),
        *_grades(dataset),
        *unlearnt_labels(dataset),
    ]


def _gaps(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each class that is called as what has none; where the classes are -1 and 1 they are both meant."""
    names = dataset.classes
    if dataset.task == "regression" or set(names) == {"-1", "1"}:
        return []
    return [
        f"'{name}' is taken for a class; a sample without a label has an empty cell, or None, NaN or '' in Python"
        for name in names
        if seems_no_label(name)
    ]


def _grades(dataset: MultimodalDataset) -> list[str]:
    """A sentence where classes are numbers below -1 and others, and -1 is none of them but may have been one."""
    if dataset.task != "classification" or "-1" in dataset.classes:
        return []
    numbers = [int(name) for name in dataset.classes if re.fullmatch("-?[0-9]{1,9}", name)]
    without = len(dataset.rows("train")) - len(dataset.labelled_rows("train"))
    if not without or len(numbers) < len(dataset.classes) or not seems_a_class(numbers, 1.0):
        return []
    return [
        f"{without:,} training samples have no label, and classes are {', '.join(dataset.classes[:5])}: from arrays -1 "
        "is no label; where it is a class, give classes names or other numbers"
    ]
