"""Numbers that are the same for all samples of a split, of which neither R² nor a correlation is defined."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.data.dataset import MultimodalDataset


def constant_numbers(dataset: MultimodalDataset, split: str) -> str:
    """A sentence on the label's numbers that are one value in all labelled samples of a split; empty without any."""
    labels = dataset.labels[dataset.labelled_rows(split)]
    if dataset.task != "regression" or not len(labels):
        return ""
    varies = (labels != labels[0]).any(0)
    constant = [name for name, several in zip(dataset.classes, varies, strict=True) if not several]
    return not_defined(constant, dataset.classes, f"{split} samples")


def not_defined(constant: Sequence[str], names: Sequence[str], samples: str) -> str:
    """What it means that these of the names have one value in all such samples; empty where none of them has."""
    if not constant:
        return ""
    if len(constant) == len(names):
        return (
            f"the label has one value in all {samples}, so that R² and Pearson's r are not defined, and nothing can be "
            "compared or chosen by them; measure on samples whose labels differ"
        )
    called = ", ".join(f"'{name}'" for name in constant)
    one = len(constant) == 1
    return (
        f"{called} {'has' if one else 'have'} one value in all {samples}, so that R² and Pearson's r are not defined "
        f"for {'it' if one else 'them'}; they are means over the other numbers"
    )
