"""Measured samples that are unlike training's: a sensor that is dead there, another unit, an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from crossdistill.data.arrays import Array
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.labels import few_of
from crossdistill.data.precision import sampled_numbers
from crossdistill.data.same_samples import as_one, rows_with, same_modalities

LEAST = 10
"""Measured samples below which chance may make them all the same, or far away."""
LEAST_TRAINED = 20
"""Training samples below which their deviation may be far from what it would be of many."""
FAR = 4.0
"""Standard deviations of the training samples beyond which hardly any of their numbers are."""
_MOST, MOST_VALUES = 200, 1 << 20
"""Samples of each side, and about how many numbers, that are looked at: they suffice for a median."""
_NAMED = 5
"""Modalities that a line names; of more it says how many there are."""


def unlike_training(
    dataset: MultimodalDataset, split: str, together: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> list[str]:
    """A sentence on modalities that are the same in all samples of a measured split and not in training, and one on
    those whose numbers are far from training's.

    together: NAME -> modalities that may be read as one of that name
    """
    measured = {name for name in dataset.columns if len(rows_with(dataset, name, split)) >= LEAST}
    there = {name: count for name, count in same_modalities(dataset, split).items() if name in measured}
    same = list(as_one(there, together))
    if same:  # which is rare: else training's samples need not be read for it
        trained = as_one(same_modalities(dataset), together)
        same = [name for name in same if name not in trained]
    distances = {name: _distance(dataset, name, split) for name in dataset.columns if name in measured}
    far = {name: distance for name, distance in distances.items() if distance > FAR}
    sentences = []
    if same:
        verb, it = ("is", "it") if len(same) == 1 else ("are", "them")
        sentences.append(
            f"{few_of(same, _NAMED, 'more modalities')} {verb} the same in all {split} samples, and not in training: "
            f"what is measured there says nothing of {it}"
        )
    if far:
        worst = max(far, key=lambda name: far[name])
        which = "" if len(far) == 1 else f", of {worst}"
        sentences.append(
            f"{few_of(list(far), _NAMED, 'more modalities')}: half of the {split} samples' numbers or more are beyond "
            f"{FAR:g} standard deviations of the training samples (in the median {far[worst]:.3g} away{which}); have "
            "both the same unit and offset?"
        )
    return sentences


def _distance(dataset: MultimodalDataset, name: str, split: str) -> float:
    """How many of the training samples' deviations the split's numbers are away from their mean, the median of the
    feature in which it is most; 0 of what has no numbers or too few training samples, of features that are the same in
    all of these, and of those that have two values at most, as a class or a person has."""
    column, least = dataset.columns[name], {"train": LEAST_TRAINED, split: LEAST}
    trained, measured = (
        sampled_numbers(column, rows_with(dataset, name, part), count, _MOST, MOST_VALUES)
        for part, count in least.items()
    )
    if trained is None or measured is None or trained.shape[1] != measured.shape[1]:
        return 0.0
    with np.errstate(all="ignore"):  # of NaN and infinity in files reading itself will tell
        trained, measured = trained.astype(np.float64), measured.astype(np.float64)
        mean, deviation = trained.mean(0), trained.std(0)
        inverse = np.where(deviation > 1e-7 * np.abs(mean), 1 / deviation, 0.0)
    return farthest(measured, mean, inverse)


def farthest(numbers: Array, mean: Array, inverse_deviation: Array) -> float:
    """How many deviations the (steps, features) are away from the mean (features,), the median of the feature in which
    it is most, of those that have more than two values; 0 of a feature whose inverse deviation is 0."""
    with np.errstate(all="ignore"):
        away = np.median(np.abs(numbers - mean), 0) * inverse_deviation
    varying = ((numbers != numbers.min(0)) & (numbers != numbers.max(0))).any(0)
    return float(np.max(away, where=varying & np.isfinite(away), initial=0.0))
