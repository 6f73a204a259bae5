"""Numbers among regression's labels that seem to stand for a missing one: far from all others, or -1 beside others
above 0."""

from __future__ import annotations

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.targets import VALUE, is_labelled
from crossdistill.types import UNLABELLED

_FAR = 100
"""Times the range of the middle half of training's labels, or, where these are one value, of nearly all."""
_HALF = 0.5
"""The share of labels from which -1 seems to stand for none."""


def far_labels(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each of the label's numbers of which some are far from what most training samples have.

    Such a one decides mean and deviation, by which all labels are standardised, and R².
    """
    learnt = dataset.labelled_rows("train")
    if dataset.task != "regression" or len(learnt) < 4:
        return []
    rows = np.flatnonzero(is_labelled(dataset.labels))
    sentences = []
    for place, name in enumerate(dataset.classes):
        least, low, middle, high, most = np.quantile(dataset.labels[learnt, place], (0.025, 0.25, 0.5, 0.75, 0.975))
        spread = next((found for found in (high - low, most - least) if found), max(abs(middle), 1.0))
        values = dataset.labels[rows, place]
        far = np.flatnonzero(np.abs(values - middle) > _FAR * spread)
        if len(far):
            worst = max(far, key=lambda row: abs(values[row] - middle))
            called = _called(dataset, name)
            others = f", and {len(far) - 1:,} more are as far" if len(far) > 1 else ""
            sentences.append(
                f"{called} of sample '{dataset.ids[rows[worst]]}' is {values[worst]:.6g}, where half of the training "
                f"samples have {low:.4g} to {high:.4g}{others}; if that stands for a missing one, leave it out"
            )
    return sentences


def minus_ones(dataset: MultimodalDataset) -> list[str]:
    """A sentence for each of the label's numbers that is -1 in at least half of the labelled training samples and above
    0 in all others, as where -1 stands for none. Of classes it does; of numbers it is one."""
    learnt = dataset.labels[dataset.labelled_rows("train")]
    if dataset.task != "regression" or not len(learnt):
        return []
    is_minus_one = learnt == UNLABELLED
    coded = (is_minus_one | (learnt == 1)).all(0)  # of -1 and 1 alone
    doubted = (is_minus_one.mean(0) >= _HALF) & (is_minus_one | (learnt > 0)).all(0) & ~coded
    return [
        f"{_called(dataset, dataset.classes[place])} is -1 for {is_minus_one[:, place].sum():,} of {len(learnt):,} "
        "labelled training samples and above 0 for all others; -1 is a number here, so where it stands for a missing "
        "one, leave the cell empty, or give NaN in arrays"
        for place in np.flatnonzero(doubted)
    ]


def _called(dataset: MultimodalDataset, name: str) -> str:
    return "label" if dataset.classes == (VALUE,) else f"label '{name}'"
