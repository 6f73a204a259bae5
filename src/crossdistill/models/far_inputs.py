"""What a model is asked about that is far from all that it was trained on, as in another unit."""

from __future__ import annotations

import math

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import middle, read
from crossdistill.data.unlike_training import FAR, LEAST, MOST_VALUES, farthest
from crossdistill.encoders import Standardized
from crossdistill.encoders.sequences import time_mask
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.types import Padded, values_of

_MOST = 50
"""Samples that are looked at: those in files are read once more for it."""


def far_inputs(network: CrossModalModel, samples: MultimodalDataset) -> list[str]:
    """A sentence for each modality of the target of which half of a feature's numbers or more are farther from the
    training samples' mean than hardly any of theirs; none of media, of a handful of samples, and of features with two
    values at most."""
    return [
        f"{name}: half of a feature's numbers or more are beyond {FAR:g} standard deviations of the training samples; "
        "are these samples in the same unit, with the same offset?"
        for name in network.target
        if any(_are_far(encoder, samples, name) for encoder in network.encoders_of(name))
    ]


def _are_far(encoder: object, samples: MultimodalDataset, name: str) -> bool:
    if not isinstance(encoder, Standardized) or encoder.center or encoder.axis != -1:
        return False
    numbers = _some(samples, name)
    if numbers is None or numbers.shape[1] != len(encoder.mean):
        return False
    mean, inverse = (tensor.double().cpu().numpy() for tensor in (encoder.mean, encoder.inverse_std))
    return farthest(numbers, mean, inverse) > FAR


def _some(samples: MultimodalDataset, name: str) -> Array | None:
    """(steps, features) the numbers of some samples, as the model reads them; None of too few or too large ones."""
    column, rows = samples.columns[name], np.flatnonzero(samples.present([name]))
    if len(rows) < LEAST:
        return None
    size = math.prod(values_of(read(column, rows[:1], middle(1)).numbers).shape)
    rows = rows[: min(_MOST, MOST_VALUES // max(1, size))]
    if len(rows) < LEAST:
        return None
    reading = read(column, rows, middle(len(rows)))
    numbers, present = reading.numbers, reading.present
    if int(present.sum()) < LEAST:
        return None
    if isinstance(numbers, Padded):
        there = time_mask(numbers.lengths, numbers.values.shape[1]) & present[:, None]
        return numbers.values[there].double().numpy()
    return values_of(numbers)[present].flatten(0, -2).double().numpy()
