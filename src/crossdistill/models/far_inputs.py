"""What a model is asked about that is far from all that it was trained on, as in another unit."""

from __future__ import annotations

import numpy as np

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.precision import sampled_numbers
from crossdistill.data.unlike_training import FAR, LEAST, MOST_VALUES
from crossdistill.encoders import Standardized
from crossdistill.models.cross_modal import CrossModalModel

_MOST = 50
"""Samples that are looked at: those in files are read once more for it."""


def far_inputs(network: CrossModalModel, samples: MultimodalDataset) -> list[str]:
    """A sentence for each modality of the target of which half of a feature's numbers or more are farther from the
    training samples' mean than hardly any of theirs; none of media and texts, and of a handful of samples."""
    return [
        f"{name}: half of a feature's numbers or more are beyond {FAR:g} standard deviations of the training samples; "
        "are these samples in the same unit, with the same offset?"
        for name in network.target
        if any(_are_far(encoder, samples, name) for encoder in network.encoders_of(name))
    ]


def _are_far(encoder: object, samples: MultimodalDataset, name: str) -> bool:
    if not isinstance(encoder, Standardized) or encoder.center or encoder.axis != -1:
        return False
    rows = np.flatnonzero(samples.present([name]))
    numbers = sampled_numbers(samples.columns[name], rows, _MOST, MOST_VALUES) if len(rows) >= LEAST else None
    if numbers is None or numbers.shape[1] != len(encoder.mean):
        return False
    mean, inverse = (tensor.double().cpu().numpy() for tensor in (encoder.mean, encoder.inverse_std))
    with np.errstate(all="ignore"):  # of NaN and infinity reading itself tells
        away = np.median(np.abs(numbers.astype(np.float64) - mean) * inverse, 0)
    return bool((away > FAR).any())
